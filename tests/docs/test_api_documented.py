"""docs/api-reference.md says what the API's document says."""

from __future__ import annotations

from docs.make_api_reference import PAGE, build_page


def test_the_reference_is_what_the_document_says() -> None:
    """A page that is older than a call, a value or a scope is refused."""
    assert PAGE.read_text(encoding="utf-8") == build_page(), "run `make reference`"
