"""A site mounted on a path: links, redirects and cookies stay below it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tenants.permissions import Role
from tests.tenants.helpers import Site, Visitor, make_site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX = "/sites/acme"


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Site]:
    """Return a site of a platform with path routing."""
    from tenants import create_app
    from tests.tenants.helpers import make_settings

    site = make_site(tmp_path)
    settings = make_settings(tmp_path, routing="path", allow_shared_origin=True)
    site.close()
    site = Site(site.tenant, settings, create_app(site.tenant, settings))
    yield site
    site.close()


def owner_of(site: Site) -> Visitor:
    """Return an owner who came by the path."""
    visitor = site.visitor(prefix=PREFIX)
    assert visitor.sign_in(site.add_member("olga", Role.EDITOR)).location == f"{PREFIX}/"
    return visitor


def test_every_link_has_the_prefix(mounted: Site) -> None:
    """No page links to the root of the shared host, but for the shared assets."""
    owner = owner_of(mounted)
    slug = mounted.add_post(by="olga")
    mounted.add_comments(slug, by="olga")
    for path in ("/", f"/posts/{slug}", "/write", f"/posts/{slug}/edit", "/members/me", "/drafts"):
        page = owner.get(path)
        assert page.status_code == 200
        for link in re.findall(r'(?:href|src|action|hx-post)="([^"]*)"', page.text):
            assert link.startswith((f"{PREFIX}/", "/-/assets/", "http://example.test/", "#")), link


def test_redirects_have_the_prefix(mounted: Site) -> None:
    """Every redirect leads back to this site."""
    anonymous = mounted.visitor(prefix=PREFIX)
    asked = anonymous.get("/write")
    assert asked.location.startswith(f"{PREFIX}/members/sign-in?next=/sites/acme/write")
    owner = owner_of(mounted)
    answer = owner.post("/write", {"title": "T", "body": "x", "intent": "publish"})
    assert answer.location == f"{PREFIX}/posts/t"
    assert owner.post("/posts/t/comments", {"text": "x"}).location.startswith(f"{PREFIX}/posts/t#")
    assert owner.confirm("/posts/t/delete").location == f"{PREFIX}/posts/t/deleted"
    assert owner.confirm("/posts/t/erase").location == f"{PREFIX}/drafts"
    assert owner.post("/members/sign-out").location == f"{PREFIX}/"


def test_the_cookie_is_for_the_path(mounted: Site) -> None:
    """The session's cookie is named after the tenant and bound to its path (R20)."""
    visitor = mounted.visitor(prefix=PREFIX)
    header = visitor.get("/members/sign-in").headers["Set-Cookie"]
    assert header.startswith(f"session_{mounted.tenant.id}=")
    assert f"Path={PREFIX}/" in header


def test_canonical_addresses_have_the_prefix(mounted: Site) -> None:
    """The feed's links and the canonical link are whole addresses below the prefix."""
    mounted.add_member()
    mounted.add_post("Hello")
    expected = f"http://example.test{PREFIX}/posts/hello"
    visitor = mounted.visitor(prefix=PREFIX)
    assert expected in visitor.get("/feed.xml").text
    assert expected in visitor.get("/posts/hello").text


def test_an_entry_path_is_below_the_prefix(mounted: Site) -> None:
    """The backend puts the prefix in front; the path itself has none, and leads inside."""
    with mounted.app.app_context():
        management = mounted.app.extensions["tenantry.management"]
        path = management.entry_path(email="o@mail.test", name="O")
    assert path.startswith("/members/enter/")
    visitor = mounted.visitor(prefix=PREFIX)
    assert visitor.get(path).location == f"{PREFIX}/"
    assert visitor.is_signed_in()


def test_error_pages_have_the_prefix(mounted: Site) -> None:
    """The way out of an error page stays on the site."""
    page = mounted.visitor(prefix=PREFIX).get("/nothing")
    assert page.status_code == 404
    assert f'href="{PREFIX}/"' in page.text
