"""A site's rows in another site: on the other kind of placement, and without its sessions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tenantry.bundles.row_members import dump_database, fill_database, stored_tables
from tenantry.databases.placements import tenant_database
from tenantry.lifecycle.export import describe
from tenants.database import db
from tenants.models import Comment
from tenants.permissions import Role
from tests.tenants.helpers import make_site

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.tenants.helpers import Site


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[Site, Site], None]:
    """Return a function that replaces a site's rows by another one's, as an import does."""

    def copy(source: Site, target: Site) -> None:
        database, tables = dump_database(
            tenant_database(source.tenant, source.settings), tmp_path, name="site"
        )
        manifest = describe(source.tenant, database=database, tables=tables)
        fill_database(
            tenant_database(target.tenant, target.settings),
            manifest,
            stored_tables(manifest, tmp_path),
            name="bundle",
        )

    return copy


def test_sessions_do_not_follow_into_a_copy(
    site: Site, other_site: Site, copy: Callable[[Site, Site], None]
) -> None:
    """A copy has the same members and the same rows, and still nobody is signed in there."""
    member = site.member()
    copy(site, other_site)
    cookie = member.client.get_cookie("session", domain="acme.example.test")
    assert cookie is not None
    thief = other_site.visitor()
    thief.client.set_cookie("session", cookie.value, domain="acme.example.test")
    assert member.is_signed_in()
    assert not thief.is_signed_in()
    assert other_site.visitor().sign_in("ann@mail.test").status_code == 303


def test_a_copy_is_searched_as_its_original(
    site: Site, other_site: Site, copy: Callable[[Site, Site], None]
) -> None:
    """No index travels: what was there before is not found any more, and the next change counts."""
    site.add_member("ann", Role.AUTHOR)
    other_site.add_member("bob")
    for title in ("Old", "Older"):
        other_site.add_post(title, by="bob")
    site.add_post("New")
    copy(site, other_site)
    visitor = other_site.visitor()
    assert 'href="/posts/new"' in visitor.get("/search?q=new").text
    assert "Nothing was found" in visitor.get("/search?q=old").text
    author = other_site.visitor()
    author.sign_in("ann@mail.test")
    author.edit("new", {"title": "Newer", "body": "Words."})
    assert "Nothing was found" in visitor.get("/search?q=new+words").text
    assert 'href="/posts/new"' in visitor.get("/search?q=newer").text


@pytest.mark.postgresql
@pytest.mark.parametrize("way", [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_a_site_looks_the_same_on_the_other_kind(
    way: tuple[str, str],
    tmp_path: Path,
    server_url: str,
    copy: Callable[[Site, Site], None],
) -> None:
    """Posts, comments and members are read there as here, and new ones get numbers of their own."""
    urls = {"sqlite": "sqlite", "postgresql": server_url}
    one, other = (
        make_site(tmp_path, slug, databases={"local": urls[kind]})
        for slug, kind in zip(("acme", "globex"), way, strict=True)
    )
    one.add_member("ann")
    slug = one.add_post("Zoë's *post*", "Some **words** \U0001f9f2.")
    first, _, last = one.add_comments(slug, 3)
    with one.app.app_context():
        answer = db.update(Comment).where(Comment.id == last).values(parent_id=first)
        db.session.execute(answer)
        db.session.commit()
    copy(one, other)
    assert other.add_post("Another one")
    shown = []
    for site in (one, other):
        page = re.search("<main.*</main>", site.visitor().get(f"/posts/{slug}").text, re.DOTALL)
        assert page is not None
        shown.append(page[0])
        assert f'href="/posts/{slug}"' in site.visitor().get("/search?q=ZOE+words").text
    assert "Remark 3." in shown[0]
    assert "comment-reply" in shown[0]
    assert shown[1] == shown[0]
    assert other.visitor().sign_in("ann@mail.test").status_code == 303
    for site in (one, other):
        site.close()
