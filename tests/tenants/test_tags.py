"""Tags: typed in one line, each with a page of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from tenants.database import db
from tenants.models import Post, Tag
from tenants.permissions import Role
from tenants.reading import POSTS_PER_PAGE
from tenants.tags import MAX_TAGS, TAG_LENGTH, read_tags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.tenants.helpers import Site, Visitor

TEXT = {"title": "A title", "body": "Words."}


def publish(author: Visitor, title: str, tags: str) -> str:
    """Write a post with tags; return its path."""
    data = {"title": title, "body": "x", "tags": tags, "intent": "publish"}
    return author.post("/write", data).location or ""


def test_a_tag_has_a_page_with_its_posts(site: Site, visitor: Visitor) -> None:
    """Equal up to case and accents is one tag; drafts do not count, and an unused tag is gone."""
    author = site.member("ann", Role.AUTHOR)
    assert "No post has a tag yet." in visitor.get("/tags").text
    one = publish(author, "One", "Café, Tools")
    publish(author, "Two", "cafe")
    author.post("/write", {"title": "Draft", "body": "x", "tags": "Secret", "intent": "draft"})
    assert 'href="/tags/cafe"' in visitor.get(one).text
    page = visitor.get("/tags/cafe").text
    assert "One" in page
    assert "Two" in page
    assert "2 posts" in page
    assert "Two" not in visitor.get("/tags/tools").text
    listed = visitor.get("/tags").text
    assert "Café" in listed
    assert "Secret" not in listed
    assert visitor.get("/tags/secret").status_code == visitor.get("/tags/none").status_code == 404
    feed, sitemap = visitor.get("/feed.xml").text, visitor.get("/sitemap.xml").text
    assert '<category term="cafe" label="Café" />' in feed
    assert "http://acme.example.test/tags/tools" in sitemap

    author.edit("one", {"title": "One", "body": "x", "tags": ""})
    assert visitor.get("/tags/tools").status_code == 404
    assert "Two" in visitor.get("/tags/cafe").text
    with site.app.app_context():
        assert set(db.session.scalars(db.select(Tag.slug))) == {"cafe", "secret"}


def test_a_tags_page_ends_where_its_posts_do(site: Site, visitor: Visitor) -> None:
    """Its further pages keep the tag."""
    author = site.member("ann", Role.AUTHOR)
    for number in range(POSTS_PER_PAGE + 1):
        publish(author, f"Post {number}", "Tag")
    assert "/tags/tag?page=2" in visitor.get("/tags/tag").text
    assert "Post 0" in visitor.get("/tags/tag?page=2").text
    assert visitor.get("/tags/tag?page=3").status_code == 404


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        pytest.param("a, !!!", "“!!!” needs a letter or a number.", id="no letter"),
        pytest.param("x" * 41, f"is longer than {TAG_LENGTH} characters", id="long"),
        pytest.param(",".join(map(str, range(11))), f"can have {MAX_TAGS} tags", id="many"),
    ],
)
def test_what_is_no_tag_is_refused(site: Site, typed: str, fault: str) -> None:
    """The form says which, and keeps what was typed."""
    author = site.member("ann", Role.AUTHOR)
    answer = author.post("/write", {**TEXT, "tags": typed})
    assert answer.status_code == 422
    assert fault in answer.text
    assert f'value="{typed}"' in answer.text


def test_tags_are_read_from_a_line() -> None:
    """Blanks and empty parts do not count."""
    assert read_tags(" , a  b,,A B , 日本,") == ["a b", "日本"]
    assert read_tags("") == []


def test_tags_survive_what_text_survives(site: Site) -> None:
    """The unsaved text has them, and so has a form that was sent after its session had ended."""
    author = site.member("ann", Role.AUTHOR)
    writer = author.get("/write").text.partition('name="writer" value="')[2].partition('"')[0]
    key = "new-" + "a" * 16
    assert author.post("/unsaved", {"key": key, "title": "", "body": "", "tags": "One, two"})
    assert 'value="One, two"' in author.get(f"/write?key={key}").text

    stranger = site.visitor()
    data = {**TEXT, "tags": "Three", "key": "new-" + "b" * 16, "writer": writer, "version": "0"}
    page = stranger.post("/write", data)
    assert "Three" in page.text
    assert author.get("/posts/a-title").status_code == 404


def test_a_tag_that_another_request_adds_first(site: Site) -> None:
    """The editor of the post is shown again with the text; sending it again makes no second post."""
    author = site.member("ann", Role.AUTHOR)
    publish(author, "One", "")

    def add_first(session: Session, *_: object) -> None:
        for tag in [it for it in session.new if isinstance(it, Tag)]:
            row = {"slug": tag.slug, "name": tag.name}
            session.connection().execute(db.insert(Tag).values(row))

    text = {"title": "One", "body": "Changed.", "tags": "New"}
    event.listen(db.session, "before_flush", add_first)
    try:
        answer = author.edit("one", text)
    finally:
        event.remove(db.session, "before_flush", add_first)
    assert answer.status_code == 409
    assert "Changed." in answer.text
    assert 'action="/posts/one/edit"' in answer.text
    assert 'action="/write"' not in answer.text
    assert author.edit("one", text).location == "/posts/one"
    with site.app.app_context():
        assert db.session.scalars(db.select(Post.body)).all() == ["Changed."]
