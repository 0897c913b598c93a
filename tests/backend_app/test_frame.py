"""The console's frame: its places, its breadcrumb, its one search, and a site's colour."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from werkzeug.exceptions import NotFound

from backend_app.menu import PLATFORM, SITE_FIRST, SITE_LAST, SITE_TOKENS
from tenantry import accent_tones
from tenantry.catalog import SYSTEM

if TYPE_CHECKING:
    from tests.backend_app.conftest import Browser, World

ACME, BOLT = "acme.example.test", "bolt.example.test"


def find_current(page: str) -> list[str]:
    """Return the labels of the sidebar's lines that are marked."""
    sidebar = page.partition('id="site-nav"')[2].partition("</nav>")[0]
    return re.findall(r"aria-current=[^>]*>.*?<bdi>(.*?)</bdi>", sidebar)


def find_crumbs(page: str) -> list[str]:
    """Return the words of the breadcrumb."""
    crumbs = page.partition('aria-label="Breadcrumb"')[2].partition("</nav>")[0]
    return re.findall(r"<bdi>(.*?)</bdi>", crumbs)


def test_each_place_has_a_page(world: World) -> None:
    """No line of the sidebar leads nowhere."""
    rules = {rule.endpoint for rule in world.app.url_map.iter_rules()}
    places = (*PLATFORM, *SITE_FIRST, *SITE_LAST, SITE_TOKENS)
    assert {place.endpoint for place in places} <= rules


@pytest.mark.parametrize(
    ("path", "place", "crumbs"),
    [
        ("/", "Overview", ["Platform"]),
        ("/tenants", "Sites", ["Platform", "Sites"]),
        ("/tenants/acme", "Sites", ["Platform", "Sites", "Acme"]),
        ("/tenants/new", "Sites", ["Platform", "Sites", "New site"]),
        ("/accounts", "People", ["Platform", "People"]),
        ("/audit", "Audit", ["Platform", "Audit"]),
    ],
)
def test_a_page_says_where_it_is(
    operator: Browser, path: str, place: str, crumbs: list[str]
) -> None:
    """One line of the sidebar is marked, and the breadcrumb leads back."""
    page = operator.get(path).text
    assert find_current(page) == [place]
    assert find_crumbs(page) == crumbs


def test_an_owner_finds_the_way_back(olga: Browser, world: World) -> None:
    """The same frame on a site's host; its breadcrumb begins at one's own sites."""
    page = olga.get("/settings", ACME).text
    assert find_crumbs(page) == ["My sites", "Acme", "Settings"]
    assert find_current(page) == ["Settings"]
    assert f'href="{world.settings.own_sites_url}"' in page
    assert "/find" not in page, "the search is over all sites"


def test_the_frame_has_the_sites_colour(olga: Browser, world: World) -> None:
    """Each site's own one, and nobody else's."""
    tenant = world.catalog.tenants.get("acme")
    olga.post("/settings", {"name": "Acme", "accent": "#123456", "language": "en"}, ACME)
    sheet = olga.get("/colour.css", ACME)
    assert sheet.mimetype == "text/css"
    assert accent_tones("#123456", dark=False).fill in sheet.text
    assert f"v={world.catalog.tenants.get('acme').revision}" in olga.get("/", ACME).text
    assert world.catalog.tenants.get("acme").revision > tenant.revision
    assert world.browser().get("/colour.css", ACME).status_code == 302


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("ACME", ["/backend/tenants/acme"]),
        ("shop.acme.test", ["/backend/tenants/acme"]),
        ("olga@", ["/backend/tenants/acme", "/backend/accounts?search=olga@example.com"]),
    ],
)
def test_one_search_finds_sites_hosts_and_accounts(
    world: World, operator: Browser, search: str, found: list[str]
) -> None:
    """By address, domain and e-mail, which also finds the sites of its owner."""
    tenant = world.catalog.tenants.get("acme")
    world.catalog.hosts.add(tenant.id, "shop.acme.test", proof="operator", by=SYSTEM)
    page = operator.get("/find", query_string={"search": search}).text
    main = page.partition("<main")[2]
    assert re.findall('href="(/[^"]+)"', main) == found


def test_a_search_for_nothing_and_one_without_a_match(operator: Browser) -> None:
    """It says what can be typed, or what did not match."""
    assert "former name" in operator.get("/find").text
    page = operator.get("/find", query_string={"search": "<zz>"}).text
    assert "Nothing matches “&lt;zz&gt;”" in page


def test_the_search_is_for_operators(olga: Browser) -> None:
    """It crosses the sites' borders."""
    assert olga.get("/find?search=bolt", ACME).status_code == NotFound.code
