"""Addresses of posts: chosen or made from titles, and old ones lead to new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenants.permissions import Role
from tests.tenants.helpers import read_field

if TYPE_CHECKING:
    from tests.tenants.helpers import Site, Visitor

TEXT = {"title": "A title", "body": "Words."}


def test_an_old_address_leads_to_the_new_one(site: Site, visitor: Visitor) -> None:
    """Published posts move with a permanent redirect that browsers check; it can be taken back."""
    author = site.member("ann", Role.AUTHOR)
    site.add_post("A title")
    for address in ("second", "third"):
        at = "a-title" if address == "second" else "second"
        moved = author.edit(at, {**TEXT, "address": address})
        assert moved.location == f"/posts/{address}"
    for old in ("a-title", "second"):
        answer = visitor.get(f"/posts/{old}?page=2")
        assert (answer.status_code, answer.location) == (301, "/posts/third?page=2")
        assert answer.headers["Cache-Control"] == "no-cache"
    assert "/posts/third" in visitor.get("/feed.xml").text
    author.edit("third", {**TEXT, "address": "a-title"})
    assert visitor.get("/posts/a-title").status_code == 200
    assert visitor.get("/posts/third").location == "/posts/a-title"


def test_an_address_that_was_public_is_never_another_posts(site: Site) -> None:
    """Neither by its title nor by choice, also after the post became a draft."""
    author = site.member("ann", Role.AUTHOR)
    site.add_post("A title")
    author.edit("a-title", {**TEXT, "intent": "unpublish"})
    author.edit("a-title", {"title": "Another", "body": "x"})
    assert author.get("/posts/a-title").location == "/posts/another"
    assert site.visitor().get("/posts/a-title").status_code == 404
    assert author.post("/write", {**TEXT, "intent": "publish"}).location == "/posts/a-title-2"
    for taken in ("a-title", "A Title!", "another"):
        refused = author.edit("a-title-2", {**TEXT, "address": taken})
        assert refused.status_code == 422
        assert "Another post has this address, or had it." in refused.text
    author.confirm("/posts/another/delete")
    author.confirm("/posts/another/erase")
    freed = author.edit("a-title-2", {**TEXT, "address": "a-title"})
    assert freed.location == "/posts/a-title"


def test_a_drafts_address_follows_its_title_unless_it_was_chosen(site: Site) -> None:
    """A chosen address stays; what nobody has seen leads nowhere."""
    author = site.member("ann", Role.AUTHOR)
    first = author.post("/write", {**TEXT, "intent": "draft"}).location
    second = author.edit("a-title", {"title": "B", "body": "x", "address": "a-title"}).location
    chosen = author.edit("b", {"title": "B", "body": "x", "address": "Über uns"}).location
    kept = author.edit("uber-uns", {"title": "C", "body": "x", "address": "uber-uns"}).location
    assert [first, second, chosen, kept] == [
        "/posts/a-title",
        "/posts/b",
        "/posts/uber-uns",
        "/posts/uber-uns",
    ]
    assert author.get("/posts/a-title").status_code == 404
    assert 'value="uber-uns"' in author.get("/posts/uber-uns/edit").text


def test_an_editor_that_was_open_saves_a_moved_post(site: Site) -> None:
    """Nobody loses a text or a comment because the address has changed meanwhile."""
    author, member = site.member("ann", Role.AUTHOR), site.member("bob")
    site.add_post("A title")
    version = author.open_editor("a-title")["version"]
    author.edit("a-title", {**TEXT, "address": "moved"})
    form = {**TEXT, "body": "More.", "version": version, "address": "a-title"}
    conflict = author.post("/posts/a-title/edit", form)
    assert conflict.status_code == 409
    assert 'action="/posts/moved/edit"' in conflict.text
    again = {name: read_field(conflict.text, name) for name in ("version", "address")}
    assert again["address"] == "moved"
    assert author.post("/posts/moved/edit", {**form, **again}).location == "/posts/moved"
    assert "More." in author.get("/posts/moved").text
    assert member.post("/posts/a-title/comments", {"text": "Hello."}).status_code == 303
    assert "Hello." in member.get("/posts/moved").text


def test_an_editor_that_was_open_saves_a_draft_with_another_title(site: Site) -> None:
    """Its address followed the title, and another post may be there now: neither loses a text."""
    author = site.member("ann", Role.AUTHOR)
    site.add_post("First", "Words.", draft=True)
    form = author.open_editor("first") | {"title": "First", "body": "More.", "address": "first"}
    assert author.edit("first", {"title": "Second", "body": "Words."}).location == "/posts/second"
    for taken in (False, True):
        if taken:
            site.add_post("First", "Other words.", draft=True)
        conflict = author.post("/posts/first/edit", form)
        assert conflict.status_code == 409
        assert 'action="/posts/second/edit"' in conflict.text
        assert "More.</textarea>" in conflict.text
    assert "Other words." in author.get("/posts/first").text
    author.confirm("/posts/second/delete")
    assert author.post("/posts/first/edit", form).status_code == 404


def test_a_page_that_was_open_deletes_a_moved_post(site: Site) -> None:
    """Who deletes it is led to where it can be restored."""
    author = site.member("ann", Role.AUTHOR)
    site.add_post("A title")
    author.edit("a-title", {**TEXT, "address": "moved"})
    deleted = author.confirm("/posts/a-title/delete")
    assert deleted.location == "/posts/moved/deleted"
    assert author.get(deleted.location).status_code == 200
