"""The look that operators give to the front app."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tests.pictures import png

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.frontend_app.conftest import Front

LOOK = {
    "name": "Bazaar <b>",
    "tagline": "a place for shops",
    "headline": "Open a shop",
    "lead": "In a minute.",
    "footer": "Bazaar GmbH",
    "accent": "#b4541f",
    "logo": png(30, 20),
    "privacy": "# What we keep",
    "imprint": "Ada, Main Street 1",
}


@pytest.mark.parametrize("path", ["/", "/directory", "/signup", "/signin", "/forgot", "/nowhere"])
def test_every_page_has_it(front: Front, path: str) -> None:
    """Name, logo, colours and the ways to the legal pages; nothing of Tenantry's stays."""
    assert "brand-logo" not in front.get(path).text
    assert "/look/" not in front.get(path).text
    front.catalog.front_pages.save(LOOK, after=0, by=SYSTEM)
    page = front.get(path).text
    assert "Bazaar &lt;b&gt;</span></a>" in page
    assert "Tenantry" not in page
    assert re.search(r'<img class="brand-logo" src="/look/logo.png\?v=[0-9a-f]{12}"', page)
    assert re.search(r'<link rel="stylesheet" href="/look/colours.css\?v=[0-9a-f]{12}">', page)
    assert 'href="http://example.test:8000/privacy">Privacy</a>' in page
    assert 'href="http://example.test:8000/imprint">Imprint</a>' in page


def test_the_front_page_says_what_operators_write(front: Front) -> None:
    """Headline, lead and title; and what chat programs show of it."""
    front.catalog.front_pages.save({**LOOK, "about": "## Why\n\nSo."}, after=0, by=SYSTEM)
    page = front.get("/").text
    for part in (
        "Open a shop</h1>",
        "In a minute.</p>",
        "<h2>Why</h2>",
        ">Bazaar GmbH</span>",
    ):
        assert part in page
    assert "<title>Bazaar &lt;b&gt;: a place for shops</title>" in page
    assert '<meta property="og:site_name" content="Bazaar &lt;b&gt;">' in page
    assert "Each site has its own" not in page


def test_a_plain_look_can_leave_things_out(front: Front) -> None:
    """Without a tagline and a lead there is nothing in their places."""
    front.catalog.front_pages.save({"tagline": "", "lead": ""}, after=0, by=SYSTEM)
    page = front.get("/").text
    assert "<title>Tenantry</title>" in page
    assert '<p class="lead"' not in page
    assert 'name="description"' not in page


@pytest.mark.parametrize("unknown", [None, "nobody"])
def test_logo_and_colours_answer_on_each_host(front: Front, unknown: str | None) -> None:
    """Also where a page says that nobody has the name: it loads nothing of another host."""
    assert front.get("/look/logo.png", unknown=unknown).status_code == 404
    front.catalog.front_pages.save({**LOOK, "dark_accent": "#ffcc00"}, after=0, by=SYSTEM)
    page = front.get("/", unknown=unknown).text
    logo = re.findall(r'src="(/look/logo[^"]+)"', page)[0]
    colours = re.findall(r'href="(/look/colours[^"]+)"', page)[0]
    answer = front.get(logo, unknown=unknown)
    assert (answer.data, answer.content_type) == (LOOK["logo"], "image/png")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    answer = front.get(colours, unknown=unknown)
    assert answer.content_type == "text/css; charset=utf-8"
    assert "--site-accent: light-dark(#b4541f, #ffcc00);" in answer.text
    assert front.get(logo[:-1], unknown=unknown).headers["Cache-Control"] == "no-cache"


def test_the_page_of_an_unknown_name_follows_a_change(front: Front) -> None:
    """It is rendered once, and again in each new look."""
    assert "Bazaar" not in front.get("/", unknown="nobody").text
    front.catalog.front_pages.save(LOOK, after=0, by=SYSTEM)
    assert "Bazaar &lt;b&gt;" in front.get("/", unknown="nobody").text


def test_caches_ask_again_after_a_change(front: Front) -> None:
    """A page that a cache keeps is another one from then on."""
    tag = front.get("/").headers["ETag"]
    same = {"If-None-Match": tag}
    assert front.get("/", headers=same).status_code == 304
    front.catalog.front_pages.save({"headline": "Open a shop"}, after=0, by=SYSTEM)
    assert front.get("/", headers=same).status_code == 200


def test_pages_of_accounts_on_a_host_of_their_own(make_front: Callable[..., Front]) -> None:
    """They have the look too, and load it from their own host."""
    front = make_front(backend_host="console.test")
    front.catalog.front_pages.save(LOOK, after=0, by=SYSTEM)
    person = front.person(host="console.test")
    page = person.get("/signin").text
    for path in re.findall(r'"(/look/[^"]+)"', page):
        assert person.get(path).status_code == 200
    assert person.get("/privacy").location == "http://example.test:8000/privacy"


def test_mails_have_the_name_and_the_colour(front: Front) -> None:
    """The platform's mails come from whom people know."""
    front.person().sign_up("acme")
    assert front.mails()[-1]["From"] == '"example.test" <no-reply@example.test>'
    front.catalog.front_pages.save(LOOK, after=0, by=SYSTEM)
    front.person().sign_up("bolt")
    mail = front.mails("bolt@mail.test")[-1]
    assert str(mail["From"]) == '"Bazaar <b>" <no-reply@example.test>'
    part = mail.get_body(("html",))
    assert part is not None
    html = part.get_content()
    assert "Bazaar &lt;b&gt;" in html
    assert "border-top: 4px solid #b4541f" in html
