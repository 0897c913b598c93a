"""The page of the API's calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.backend_app.conftest import Browser, World

ACME = "acme.example.test"


def test_the_page_shows_every_call(world: World, operator: Browser) -> None:
    """As the document has them, with a body to begin with."""
    page = operator.get("/api").text
    document = operator.get("/api/v1/openapi.json").json
    assert document is not None
    for path, item in document["paths"].items():
        for method in item.keys() - {"parameters"}:
            assert f"<code>{method.upper()} {path}</code>" in page
    assert "{&#34;slug&#34;: &#34;&#34;}" in page
    assert "`" not in page
    assert 'href="/backend/api-tokens"' in page


def test_owners_see_it_on_their_sites_host(world: World, olga: Browser) -> None:
    """With the way to their own tokens, and not to the platform's."""
    page = olga.get("/api", ACME).text
    assert "GET /tenants/{tenant}" in page
    assert 'href="/backend/site-tokens"' in page
    assert "api-tokens" not in page
    elsewhere = world.browser("olga@example.com").get("/api")
    assert elsewhere.status_code == 200
    assert 'href="/backend/api-tokens"' not in elsewhere.text
