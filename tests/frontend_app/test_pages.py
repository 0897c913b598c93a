"""What everybody sees on the apex."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tenantry.values.tenant import TenantState
from tests.markup import find_flaws

if TYPE_CHECKING:
    from tests.frontend_app.conftest import Front


def names(page: str) -> list[str]:
    """Return the names on the cards, in order."""
    return re.findall(r'<a class="stretched-link" href="[^"]+">([^<]+)</a>', page)


def test_the_landing_page_shows_live_sites(front: Front) -> None:
    """Some of them, each with its tagline, its colour and its canonical address."""
    front.add_site("acme", "Acme Bakery", tagline="Fresh", accent="#b4541f")
    page = front.get("/").text
    assert names(page) == ["Acme Bakery"]
    assert 'href="http://acme.example.test:8000/"' in page
    assert "Fresh" in page
    assert 'fill="#b4541f"' in page
    assert "http://example.test:8000/backend/" in page


def test_a_platform_without_sites_says_so(front: Front) -> None:
    """Day one is not an empty page."""
    assert "There is no site yet" in front.get("/").text
    assert "No site is listed yet" in front.get("/directory").text


def test_only_listed_and_active_sites_are_public(front: Front) -> None:
    """Private and suspended sites are nowhere on the front pages."""
    front.add_site("acme", "Acme")
    front.add_site("secret", "Secret", listed=False)
    closed = front.add_site("closed", "Closed")
    front.catalog.tenants.transition(closed, TenantState.SUSPENDED, by=SYSTEM)
    for path in ("/", "/directory", "/directory?search=e"):
        page = front.get(path).text
        assert "Secret" not in page
        assert "Closed" not in page
    assert names(front.get("/directory").text) == ["Acme"]


def test_a_sites_own_domain_is_its_address(front: Front) -> None:
    """Links come from the catalog, never from the Host of the request (R9)."""
    acme = front.add_site("acme", "Acme")
    front.catalog.hosts.add(acme, "bakery.example.org", proof="operator", by=SYSTEM)
    page = front.get("/directory", headers={"Host": "evil.example"}).text
    assert 'href="http://bakery.example.org:8000/"' in page
    assert "evil.example" not in page


def test_the_directory_is_searched_and_has_pages(front: Front) -> None:
    """Every public site is on one page, and a search goes along."""
    for number in range(30):
        front.add_site(f"site-{number:02}", f"Site {number:02}")
    first, second = front.get("/directory").text, front.get("/directory?page=2").text
    assert len(names(first)) == 24
    assert len({*names(first), *names(second)}) == 30
    assert names(front.get("/directory?page=99999999999999999999").text) == names(second)
    assert names(front.get("/directory?search=site+07").text) == ["Site 07"]
    assert "No sites match “%”" in front.get("/directory?search=%25").text
    assert "search=site" in front.get("/directory?search=site").text


@pytest.mark.parametrize("accent", ["red", '"/><script>', "#12345", "#123456\n", 7, None])
def test_only_a_colour_is_a_colour(front: Front, accent: object) -> None:
    """Whatever stands in a tenant's settings, the swatch is a colour."""
    front.add_site("acme", "Acme", accent=accent)
    fills = re.findall(r'fill="([^"]*)"', front.get("/directory").text)
    assert "#1d6b52" in fills
    assert all(re.fullmatch(r"#[0-9a-f]{6}|none|currentColor", fill) for fill in fills)


def test_names_are_text(front: Front) -> None:
    """What owners typed is shown, not run."""
    front.add_site("acme", "<b>Acme</b>", tagline="<script>alert(1)</script>")
    for path in ("/", "/directory", "/directory?search=<script>"):
        assert "<script>" not in re.sub(r"<script src=", "", front.get(path).text)


def test_the_pages_touch_no_session(front: Front) -> None:
    """They are the same for everybody: no cookie, nothing that keeps caches out."""
    for path in ("/", "/directory", "/nowhere"):
        response = front.get(path)
        assert "Set-Cookie" not in response.headers
        assert "Cookie" not in response.headers.get("Vary", "")
        assert "no-store" not in response.headers.get("Cache-Control", "")


def test_pages_carry_no_inline_code(front: Front) -> None:
    """R47: the content security policy would refuse it."""
    front.add_site("acme", "Acme", accent="#b4541f")
    for response in (front.get("/"), front.get("/directory"), front.get("/", unknown="nobody")):
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert not re.search(r"<style|style=|<script(?! src=)|\son[a-z]+=", response.text)


def test_robots_and_icon(front: Front) -> None:
    """Search engines stay out of the backend; old browsers find the icon."""
    robots = front.get("/robots.txt")
    assert robots.mimetype == "text/plain"
    assert "Disallow: /backend/" in robots.text
    assert front.get("/favicon.ico").location.startswith("/-/assets/favicon.svg?v=")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("POST", "/directory", 405)]
)
def test_errors_are_pages_or_problems(front: Front, method: str, path: str, status: int) -> None:
    """HTML for browsers, RFC 9457 for those who ask for JSON."""
    page = front.open(method, path)
    assert page.status_code == status
    assert "0123456789abcdef" in page.text
    document = front.open(method, path, headers={"Accept": "application/json"})
    assert document.status_code == status
    assert document.mimetype == "application/problem+json"
    assert document.get_json(force=True)["status"] == status
    assert ("Allow" in page.headers) == (status == 405)


def test_without_the_catalog_the_page_says_when_to_come_back(front: Front) -> None:
    """A list that cannot be read is a 503 with Retry-After, not a failure of ours."""
    with front.catalog.store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE tenants RENAME TO lost")
    response = front.get("/directory")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"


@pytest.mark.parametrize("path", ["/", "/directory"])
def test_the_pages_may_be_kept(front: Front, path: str) -> None:
    """They are confirmed by their ETag, and say which address is theirs."""
    page = front.get(path)
    assert page.headers["Cache-Control"] == "public, no-cache"
    known = {"If-None-Match": page.headers["ETag"]}
    assert front.get(path, headers=known).status_code == 304
    assert f'<link rel="canonical" href="http://example.test:8000{path}">' in page.text
    assert '<meta property="og:site_name" content="Tenantry">' in page.text


def test_search_engines_find_the_pages(front: Front) -> None:
    """robots.txt names the sitemap, and the sitemap the pages."""
    assert "Sitemap: http://example.test:8000/sitemap.xml" in front.get("/robots.txt").text
    found = re.findall("<loc>(.*?)</loc>", front.get("/sitemap.xml").text)
    assert found == ["http://example.test:8000/", "http://example.test:8000/directory"]


@pytest.mark.parametrize("path", ["/", "/directory", "/directory?search=zz", "/none"])
def test_pages_are_valid(front: Front, path: str) -> None:
    """No page has what a validator would complain about, with and without sites on it."""
    assert find_flaws(front.get(path).text) == []
    front.add_site("acme", "Acme Bakery", tagline="Fresh", accent="#b4541f")
    assert find_flaws(front.get(path).text) == []
    for slug in ("nobody", "www"):
        assert find_flaws(front.get(path, unknown=slug).text) == []
