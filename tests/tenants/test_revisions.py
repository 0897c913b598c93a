"""Earlier texts of a post: kept at each save, compared, restored, and for its editors only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenants.database import db
from tenants.models import PostRevision
from tenants.permissions import Role
from tenants.revisions import KEPT, compare

if TYPE_CHECKING:
    from tests.tenants.helpers import Site, Visitor


def save(author: Visitor, slug: str, title: str, body: str) -> None:
    """Save another text."""
    answer = author.edit(slug, {"title": title, "body": body, "intent": "save"})
    assert answer.status_code == 303


def kept(site: Site) -> list[tuple[int, str, str]]:
    """Return version, body and author of what is kept, oldest first."""
    with site.app.app_context():
        rows = db.session.scalars(db.select(PostRevision).order_by(PostRevision.version)).all()
        return [(row.version, row.body, row.author.name) for row in rows]


def test_each_save_keeps_a_text(site: Site) -> None:
    """The first one too, and with the name of who saved it."""
    author = site.member("ann", Role.AUTHOR)
    author.post("/write", {"title": "News", "body": "One.", "intent": "publish"})
    editor = site.member("eve", Role.EDITOR)
    save(editor, "news", "News", "Two.")
    save(author, "news", "News", "Two.")
    assert kept(site) == [(1, "One.", "ann"), (2, "Two.", "eve")]
    page = author.get("/posts/news/revisions").text
    assert page.index("Version 2") < page.index("Version 1")
    assert "eve" in page
    assert "/posts/news/revisions" in author.get("/posts/news/edit").text


def test_a_post_from_before_keeps_what_it_said(site: Site) -> None:
    """The text that was there when a site got revisions is not lost by the next save."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post("Old", "What it said.")
    assert "No earlier versions" in author.get(f"/posts/{slug}/revisions").text
    save(author, slug, "Old", "What it says.")
    assert [body for _, body, _ in kept(site)] == ["What it said.", "What it says."]


def test_a_comparison_shows_what_has_changed(site: Site) -> None:
    """Lines that went and lines that came, marked as HTML has it; markup in them is only text."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post("Before", "Same.\n\n<b>Old</b> line.")
    save(author, slug, "After", "Same.\n\nNew line.")
    page = author.get(f"/posts/{slug}/revisions/2").text
    assert "The post says the same today." in page
    version = kept(site)[0][0]
    page = author.get(f"/posts/{slug}/revisions/{version}").text
    assert "<del>&lt;b&gt;Old&lt;/b&gt; line.</del>" in page
    assert "<ins>New line.</ins>" in page
    assert "<del>Before</del> <ins>After</ins>" in page
    assert "<del>Same." not in page


def test_a_text_is_restored_and_nothing_is_lost(site: Site, visitor: Visitor) -> None:
    """Visitors see the restored text at once; the other one stays among the earlier ones."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post("Title", "First text.")
    assert "First text." in visitor.get(f"/posts/{slug}").text
    save(author, slug, "Other title", "Second text.")
    assert "Second text." in visitor.get(f"/posts/{slug}").text
    version = kept(site)[0][0]
    answer = author.post(f"/posts/{slug}/revisions/{version}/restore")
    assert answer.status_code == 303
    page = visitor.get(f"/posts/{slug}").text
    assert "First text." in page
    assert "<title>Title" in page
    assert [body for _, body, _ in kept(site)] == ["First text.", "Second text.", "First text."]
    again = author.post(f"/posts/{slug}/revisions/{version}/restore")
    assert again.status_code == 303
    assert len(kept(site)) == 3


def test_an_editor_with_the_older_text_is_told(site: Site) -> None:
    """A restored text is a new version: who edits the other one does not overwrite it unseen."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post("Title", "First.")
    save(author, slug, "Title", "Second.")
    opened = author.open_editor(slug)
    author.post(f"/posts/{slug}/revisions/{kept(site)[0][0]}/restore")
    data = {"title": "Title", "body": "Third.", "intent": "save", "version": opened["version"]}
    assert author.post(f"/posts/{slug}/edit", data).status_code == 409


@pytest.mark.parametrize(
    ("role", "status"),
    [
        pytest.param(Role.MEMBER, 403, id="member"),
        pytest.param(Role.AUTHOR, 403, id="another author"),
        pytest.param(Role.EDITOR, 200, id="editor"),
    ],
)
def test_who_may_see_earlier_texts(site: Site, visitor: Visitor, role: Role, status: int) -> None:
    """Those who may edit the post. What was taken out of it is not public."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post("Title", "A secret.")
    save(author, slug, "Title", "Nothing.")
    version = kept(site)[0][0]
    someone = site.member("bob", role)
    for path in ("revisions", f"revisions/{version}"):
        assert someone.get(f"/posts/{slug}/{path}").status_code == status
        assert visitor.get(f"/posts/{slug}/{path}").status_code in {302, 303}
    restored = someone.post(f"/posts/{slug}/revisions/{version}/restore").status_code
    assert restored == (303 if status == 200 else status)


@pytest.mark.parametrize("version", ["0", "999", "99999999999999999999", "x"])
def test_versions_that_are_not_there(site: Site, version: str) -> None:
    """404, whatever the number."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post()
    assert author.get(f"/posts/{slug}/revisions/{version}").status_code == 404
    assert author.post(f"/posts/{slug}/revisions/{version}/restore").status_code == 404


def test_the_oldest_texts_go_first(site: Site) -> None:
    """A post keeps a bounded number of them."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post("Title", "0")
    with site.app.app_context():
        post_id = db.session.scalars(db.select(PostRevision.post_id)).first() or 1
        author_id = site.id_of("ann")
        db.session.add_all(
            PostRevision(post_id=post_id, version=-n, title="x", body="x", author_id=author_id)
            for n in range(KEPT)
        )
        db.session.commit()
    save(author, slug, "Title", "1")
    versions = [version for version, _, _ in kept(site)]
    assert len(versions) <= KEPT
    assert versions[-1] == max(versions)


def test_a_post_takes_its_texts_along(site: Site) -> None:
    """What is deleted for good leaves nothing behind."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post("Title", "First.")
    save(author, slug, "Title", "Second.")
    author.confirm(f"/posts/{slug}/delete")
    assert author.get(f"/posts/{slug}/revisions").status_code == 404
    author.confirm(f"/posts/{slug}/erase")
    assert kept(site) == []


def test_long_texts_are_compared_with_gaps() -> None:
    """Only what is near a change is shown."""
    old = [f"line {number}" for number in range(100)]
    new = [*old[:50], "inserted", *old[50:]]
    lines = list(compare("\n".join(old), "\n".join(new)))
    assert [line.text for line in lines if line.kind == "added"] == ["inserted"]
    assert [line.kind for line in lines].count("gap") == 1
    assert len(lines) == 8
    assert list(compare("same", "same")) == []
