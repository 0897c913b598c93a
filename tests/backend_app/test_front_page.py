"""Operators edit the front page and the legal pages."""

from __future__ import annotations

from html import unescape
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog import SYSTEM
from tenantry.values.front_page import FrontPage
from tests.pictures import png

if TYPE_CHECKING:
    from pathlib import Path

    from tests.backend_app.conftest import Browser, World

PAGE = "/front-page"


def fields(revision: Any = 0, **changes: Any) -> dict[str, Any]:
    """Return the form as a browser sends it."""
    plain = FrontPage()
    return {
        "revision": revision,
        "name": plain.name,
        "tagline": plain.tagline,
        "accent": "#1d6b52",
        "dark_accent": "#1d6b52",
        "headline": plain.headline,
        "lead": plain.lead,
        "about": "",
        "footer": "",
        **changes,
    }


def upload(content: bytes) -> tuple[BytesIO, str]:
    """Return a file as a test's browser sends it."""
    return BytesIO(content), "logo.png"


def test_what_is_saved_is_shown_at_once(world: World, operator: Browser) -> None:
    """Name, texts, colours and logo, on the front page and in the trail."""
    assert 'value="Many sites, one deployment' in operator.get(PAGE).text
    changes = {
        "name": " Souk \r\n al-Kutub ",
        "headline": "سوق الكتب",
        "about": "## Why\n\n<b>Because</b> *it is ours*.",
        "accent": "#B4541F",
        "own_dark": "y",
        "dark_accent": "#ffcc00",
        "logo": upload(png(30, 20)),
    }
    answer = operator.post(PAGE, fields(**changes))
    assert (answer.status_code, answer.location) == (303, "/backend/front-page")
    page = world.catalog.front_pages.get()
    assert (page.name, page.accent, page.dark_accent) == ("Souk al-Kutub", "#b4541f", "#ffcc00")
    front = operator.front("GET", "/").text
    assert '<span class="brand-name" dir="auto">Souk al-Kutub</span>' in front
    assert '<h1 dir="auto">سوق الكتب</h1>' in front
    assert "<p>&lt;b&gt;Because&lt;/b&gt; <em>it is ours</em>.</p>" in front
    assert 'width="30" height="20"' in front
    changed = "name, headline, about, accent, dark_accent, logo"
    assert f"Changed the front page to revision 1: {changed}" in operator.get("/audit").text
    assert operator.get(f"{PAGE}/revisions/1/logo.png").data == png(30, 20)
    assert operator.get(f"{PAGE}/revisions/0/logo.png").status_code == 404


def test_the_form_shows_what_there_is(world: World, operator: Browser) -> None:
    """A second look begins with the first one's result, and says which colour cannot be seen."""
    saved = {"accent": "#ffff00", "logo": png(), "terms": "# Kind"}
    world.catalog.front_pages.save(saved, after=0, by=SYSTEM)
    page = unescape(operator.get(PAGE).text)
    assert 'name="revision" type="hidden" value="1"' in page
    assert 'value="#ffff00"' in page
    assert "would not stand out enough in the light theme" in page
    assert "Remove the logo" in page
    assert operator.post(PAGE, fields(1, accent="#ffff00", no_logo="y")).status_code == 303
    found = world.catalog.front_pages.get()
    assert (found.logo, found.terms, found.revision) == (b"", "# Kind", 2)
    assert "Remove the logo" not in operator.get(PAGE).text


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({"name": " "}, "Enter a name.", id="no name"),
        pytest.param({"headline": ""}, "Enter a headline.", id="no headline"),
        pytest.param({"name": "x" * 61}, "longer than 60", id="long name"),
        pytest.param({"about": "x" * 20_001}, "longer than 20000", id="long text"),
        pytest.param({"accent": "red;}"}, "A colour as", id="no colour"),
        pytest.param({"accent": "#b4541f\n"}, "A colour as", id="line break"),
        pytest.param({"logo": upload(b"<svg onload=alert(1)>")}, "it is no PNG", id="SVG"),
        pytest.param({"logo": upload(b"x" * 70_000)}, "more than 64 KiB", id="large"),
        pytest.param({"revision": "one"}, "valid integer", id="no revision"),
    ],
)
def test_a_wrong_value_changes_nothing(
    world: World, operator: Browser, changes: dict[str, Any], problem: str
) -> None:
    """What was typed stays in the form, which says what is wrong."""
    answer = operator.post(PAGE, fields(**{"tagline": "typed before", **changes}))
    assert answer.status_code in {409, 422}
    assert problem in unescape(answer.text)
    assert 'value="typed before"' in answer.text
    assert world.catalog.front_pages.get() == FrontPage()


def test_two_operators_at_once(world: World, operator: Browser) -> None:
    """The second one keeps what was typed, reads what came before, and decides."""
    world.catalog.front_pages.save({"name": "Bazaar"}, after=0, by=SYSTEM)
    answer = operator.post(PAGE, fields(0, name="Souk"))
    assert answer.status_code == 409
    assert "tenantry has saved revision 1 of the front page meanwhile" in answer.text
    assert 'value="Souk"' in answer.text
    assert 'name="revision" type="hidden" value="1"' in answer.text
    assert world.catalog.front_pages.get().name == "Bazaar"
    assert operator.post(PAGE, fields(1, name="Souk")).status_code == 303
    assert world.catalog.front_pages.get().name == "Souk"


@pytest.mark.parametrize("name", ["terms", "privacy", "imprint"])
def test_legal_pages_come_and_go(world: World, operator: Browser, name: str) -> None:
    """A text makes the page, and each page leads to it; without a text there is none."""
    assert operator.front("GET", f"/{name}").status_code == 404
    text = f"# Of {name}\n\n<script>alert(1)</script>"
    answer = operator.post(f"{PAGE}/{name}", {"revision": 0, "text": text})
    assert (answer.status_code, answer.location) == (303, f"/backend/front-page/{name}")
    shown = operator.front("GET", f"/{name}")
    assert f"<h1>Of {name}</h1>" in shown.text
    assert "&lt;script&gt;" in shown.text
    for page in ("/", "/forgot"):
        assert f'/{name}">' in operator.front("GET", page).text
    assert "# Of" in operator.get(f"{PAGE}/{name}").text
    assert operator.post(f"{PAGE}/{name}", {"revision": 1, "text": ""}).status_code == 303
    assert operator.front("GET", f"/{name}").status_code == 404
    assert world.catalog.front_pages.get().revision == 2


def test_a_long_legal_page_fits(world: World, operator: Browser) -> None:
    """Also one in a script of three bytes a letter, or of many lines; one letter more is refused."""
    text = "法" * 60_000
    fits = {"revision": 0, "text": text}
    options = {"content_type": "multipart/form-data"}
    assert operator.post(f"{PAGE}/terms", fits, **options).status_code == 303
    assert world.catalog.front_pages.get().terms == text
    lines = "\r\n".join(["法" * 59] * 1_000)  # as browsers send line ends; each is one character
    fits = {"revision": 1, "text": lines}
    assert operator.post(f"{PAGE}/terms", fits, **options).status_code == 303
    more = {"revision": 2, "text": text + "法"}
    answer = operator.post(f"{PAGE}/terms", more, **options)
    assert answer.status_code == 422
    assert "longer than 60000" in answer.text


def test_a_file_of_terms_stands_above_the_console(make_world: Any, tmp_path: Path) -> None:
    """What the settings say is not edited in the console, which says where to do that."""
    file = tmp_path / "terms.md"
    file.write_text("# From the file")
    world = make_world(terms_file=file)
    world.add_account("operator@example.com", operator=True)
    operator = world.browser("operator@example.com")
    page = operator.get(f"{PAGE}/terms").text
    assert str(file) in page
    assert "<textarea" not in page
    assert operator.post(f"{PAGE}/terms", {"revision": 0, "text": "x"}).status_code == 409
    assert "From the file</h1>" in operator.front("GET", "/terms").text


def test_an_earlier_revision_can_be_used_again(world: World, operator: Browser) -> None:
    """It is saved as a new one, after a question; also what Tenantry comes with."""
    pages = world.catalog.front_pages
    pages.save({"name": "Bazaar", "privacy": "We keep nothing."}, after=0, by=SYSTEM)
    pages.save({"name": "Souk", "privacy": ""}, after=1, by=SYSTEM)
    listed = operator.get(f"{PAGE}/revisions").text
    assert "name, privacy" in listed
    shown = operator.get(f"{PAGE}/revisions/1").text
    assert "We keep nothing." in shown
    assert "Revision 2 is shown now" in shown
    answer = operator.post(f"{PAGE}/revisions/1")
    assert "Show revision 1 again" in answer.text
    assert pages.get().name == "Souk"
    answer = operator.post(f"{PAGE}/revisions/1", {"confirmed": "yes"})
    assert answer.status_code == 303
    found = pages.get()
    assert (found.revision, found.name, found.privacy) == (3, "Bazaar", "We keep nothing.")
    assert operator.post(f"{PAGE}/revisions/0", {"confirmed": "yes"}).status_code == 303
    assert pages.get().name == "Tenantry"
    for none in (9, 2**31, 2**63):
        assert operator.get(f"{PAGE}/revisions/{none}").status_code == 404
    assert operator.post(f"{PAGE}/revisions/9", {"confirmed": "yes"}).status_code == 404


@pytest.mark.parametrize(
    "path", ["", "/terms", "/privacy", "/imprint", "/revisions", "/revisions/0"]
)
def test_only_operators_may(world: World, olga: Browser, path: str) -> None:
    """Neither an owner nor a stranger, neither on the platform's host nor on a site's."""
    world.catalog.front_pages.save({"logo": png()}, after=0, by=SYSTEM)
    assert olga.get(PAGE + path).status_code == 403
    assert olga.get(PAGE + path, "acme.example.test").status_code == 404
    assert "/signin" in world.browser().get(PAGE + path).location
