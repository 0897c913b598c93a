"""The archive: all posts by month; and what is deleted is nowhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tenants.database import db
from tenants.models import Post
from tenants.permissions import Role
from tenants.reading import TITLES_PER_PAGE

if TYPE_CHECKING:
    from tests.tenants.helpers import Site, Visitor


def publish(site: Site, title: str, *moment: int) -> None:
    """Add a post that was published on this day."""
    slug = site.add_post(title)
    with site.app.app_context():
        post = db.session.scalar(db.select(Post).where(Post.slug == slug))
        post.published_at = datetime(*moment, tzinfo=UTC)  # type: ignore[arg-type,misc]
        db.session.commit()


def test_posts_stand_under_their_month(site: Site, visitor: Visitor) -> None:
    """The newest first; drafts and deleted posts are not there."""
    assert "There are no posts yet." in visitor.get("/archive").text
    author = site.member("ann", Role.AUTHOR)
    publish(site, "Older", 2025, 12, 31)
    publish(site, "Newer", 2026, 1, 1)
    publish(site, "Gone", 2026, 1, 2)
    site.add_post("A draft", draft=True)
    author.confirm("/posts/gone/delete")
    page = visitor.get("/archive").text
    order = [page.index(text) for text in ("January 2026", "Newer", "December 2025", "Older")]
    assert order == sorted(order)
    assert "Gone" not in page
    assert "A draft" not in page
    assert 'href="/archive"' in visitor.get("/").text
    assert "http://acme.example.test/archive" in page


def test_a_deleted_post_is_not_in_the_sitemap(site: Site, visitor: Visitor) -> None:
    """Search engines are not led to a page that is not there; restored, it is there again."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post("Title")
    assert f"/posts/{slug}" in visitor.get("/sitemap.xml").text
    author.confirm(f"/posts/{slug}/delete")
    assert f"/posts/{slug}" not in visitor.get("/sitemap.xml").text
    author.post(f"/posts/{slug}/restore")
    assert f"/posts/{slug}" in visitor.get("/sitemap.xml").text


def test_a_long_archive_has_pages(site: Site, visitor: Visitor) -> None:
    """Its pages end where the posts do."""
    site.add_member()
    with site.app.app_context():
        for number in range(TITLES_PER_PAGE + 1):
            post = Post(title=f"Post {number}", slug=f"post-{number}", author_id=site.id_of("ann"))
            post.write("x")
            post.published_at = datetime(2026, 1, 1, tzinfo=UTC)
            db.session.add(post)
        db.session.commit()
    assert "page=2" in visitor.get("/archive").text
    last = visitor.get("/archive?page=2").text
    assert last.count('<li><a href="/posts/') == 1
    assert visitor.get("/archive?page=3").status_code == 404
