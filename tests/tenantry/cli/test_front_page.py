"""``tenantry front-page``: what operators type, and what visitors then see."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from tests.pictures import png

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.tenantry.cli.conftest import Desk


def test_parts_are_changed_and_the_others_stay(ready: Desk, tmp_path: Path) -> None:
    """Each change is a revision, which can be listed, shown and used again."""
    logo, terms = tmp_path / "logo.png", tmp_path / "terms.md"
    logo.write_bytes(png())
    terms.write_text("# Be kind")
    words = ["--name", "Bazaar", "--dark-accent", "#1f6feb", "--logo", str(logo)]
    assert ready.done("front-page", "change", *words, "--dry-run") == (
        "Would change name, dark_accent, logo.\n"
    )
    assert ready.done("front-page", "revisions", "--json") == "[]\n"
    assert "Saved as revision 1: name, dark_accent, logo." in ready.done(
        "front-page", "change", *words
    )
    assert "Nothing to change" in ready.done("front-page", "change", "--name", "Bazaar")
    ready.done("front-page", "change", "--terms", str(terms), "--no-logo", "--after", "1")
    shown = json.loads(ready.done("front-page", "show", "--json"))
    assert (shown["revision"], shown["name"], shown["terms"]) == (2, "Bazaar", "# Be kind")
    assert shown["logo"] == ""
    first = json.loads(ready.done("front-page", "show", "--revision", "1", "--json"))
    assert base64.b64decode(first["logo"]) == png()
    assert "9 characters" in ready.done("front-page", "show")
    assert "Saved as revision 3: terms, logo." in ready.done("front-page", "use", "1")
    listed = json.loads(ready.done("front-page", "revisions", "--json"))
    assert [(it["revision"], it["changed"]) for it in listed] == [
        (3, ["terms", "logo"]),
        (2, ["terms", "logo"]),
        (1, ["name", "dark_accent", "logo"]),
    ]
    assert "terms, logo" in ready.done("front-page", "revisions")


def test_what_cannot_be_is_refused(
    ready: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one sentence, with nothing changed."""
    broken, long = tmp_path / "broken", tmp_path / "long"
    broken.write_bytes(b"\xff\xfe")
    long.write_text("法" * 100_000)
    for words, problem in (
        (["--accent", "red"], "a colour is written as #1f6feb"),
        (["--name", "x" * 61], "60 at most fit"),
        (["--name", "B\udcfccher"], "it is no UTF-8 text"),  # as Python reads Latin-1 there
        (["--imprint", str(broken)], "it is no UTF-8 text"),
        (["--imprint", str(long)], "more than 60000 characters"),
        (["--logo", str(broken)], "no PNG"),
    ):
        for more in ([], ["--dry-run"]):
            assert problem in ready.refused("front-page", "change", *words, *more)
    assert "no revision 7" in ready.refused("front-page", "use", "7")
    assert "no revision 7" in ready.refused("front-page", "show", "--revision", "7")
    for words in (["use", str(2**64)], ["show", "--revision", str(2**64)]):
        assert ready.run("front-page", *words).exit_code == 2
    ready.done("front-page", "change", "--name", "Bazaar")
    problem = ready.refused("front-page", "change", "--name", "Souk", "--after", "0")
    assert "has saved revision 1 of the front page meanwhile" in problem
    terms = tmp_path / "terms.md"
    terms.write_text("# Be kind")
    monkeypatch.setenv("TENANTRY_TERMS_FILE", str(terms))
    problem = ready.refused("front-page", "change", "--terms", str(terms))
    assert f"The terms are those of the file TENANTRY_TERMS_FILE={terms}." in problem
    assert "Saved as revision 2: name." in ready.done("front-page", "use", "0")
