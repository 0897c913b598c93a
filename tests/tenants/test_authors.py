"""Authors: their pages, what they say of themselves, and members who follow them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from tenants.database import db
from tenants.models import CommentRules, Follow, Profile
from tenants.permissions import Role
from tests.markup import find_flaws

if TYPE_CHECKING:
    from tests.tenants.helpers import Site, Visitor


def address_of(site: Site, name: str) -> str:
    """Return the path of an author's page."""
    with site.app.app_context():
        return f"/authors/{site.id_of(name)}"


def test_an_author_has_a_page(site: Site, visitor: Visitor) -> None:
    """With their posts, what they say of themselves, and nobody else's; their posts lead there."""
    author = site.member("ann", Role.AUTHOR)
    site.add_member("bob", Role.AUTHOR)
    slug, path = site.add_post("Of springs"), address_of(site, "ann")
    site.add_post("Of bob", by="bob")
    assert "Of springs" in visitor.get(path).text
    assert author.post("/members/profile", {"about": "I write <b>\nof springs."}).status_code == 303
    page = visitor.get(path).text
    assert "I write &lt;b&gt; of springs." in page
    assert "Of bob" not in page
    assert "Follow" not in page
    assert f'href="{path}"' in visitor.get(f"/posts/{slug}").text
    form = author.get("/members/profile").text
    assert ">\r\nI write" in form or "I write &lt;b&gt; of springs.</textarea>" in form
    long = author.post("/members/profile", {"about": "x" * 501})
    assert long.status_code == 422
    assert "longer than 500 characters" in long.text
    assert find_flaws(page) == find_flaws(form) == []


@pytest.mark.parametrize(
    ("path", "model", "form"),
    [
        pytest.param("/members/profile", Profile, {"about": "Hello."}, id="profile"),
        pytest.param("/moderation/rules", CommentRules, {"held_words": "casino"}, id="rules"),
    ],
)
def test_a_form_that_is_sent_twice_at_once_is_saved(
    site: Site, path: str, model: type[Any], form: dict[str, str]
) -> None:
    """The first one makes the row between the second one's look and its own."""
    admin = site.member("ada", Role.ADMIN)
    twin = site.visitor()
    twin.sign_in("ada@mail.test")
    first: list[int] = []

    def send_first(session: Any, *_: object) -> None:
        if not first and any(isinstance(row, model) for row in session.new):
            first.append(0)
            with ThreadPoolExecutor(1) as other:  # a request of its own, and no part of this one
                first[0] = other.submit(twin.post, path, form).result().status_code

    event.listen(db.session, "before_flush", send_first)
    try:
        second = admin.post(path, form).status_code
    finally:
        event.remove(db.session, "before_flush", send_first)
    assert (first, second) == ([303], 303)
    assert next(iter(form.values())) in admin.get(path).text


@pytest.mark.parametrize("number", ["0", str(2**31), "9" * 40])
def test_members_without_posts_have_no_page(site: Site, visitor: Visitor, number: str) -> None:
    """Neither readers, nor those who have only drafts, nor numbers that nobody has."""
    member = site.member("bob")
    site.add_member("ann", Role.AUTHOR)
    site.add_post("Draft", draft=True)
    for path in (address_of(site, "ann"), address_of(site, "bob"), f"/authors/{number}"):
        assert visitor.get(path).status_code == 404
        assert member.post(f"{path}/follow").status_code == 404


def test_posts_of_followed_authors_come_together(site: Site) -> None:
    """Following twice is following once; unfollowing ends it, and is nobody else's matter."""
    ann = site.member("ann", Role.AUTHOR)
    reader, other = site.member("eve"), site.member("joe")
    for name in ("bob", "cid"):
        site.add_member(name, Role.AUTHOR)
        site.add_post(f"Of {name}", by=name)
    path = address_of(site, "bob")
    assert "Nothing here yet" in reader.get("/following").text
    for _ in range(2):
        assert reader.post(f"{path}/follow").location == path
    other.post(f"{path}/follow")
    assert "Unfollow" in reader.get(path).text
    feed = reader.get("/following").text
    assert "Of bob" in feed
    assert "Of cid" not in feed
    assert "Of bob" not in ann.get("/following").text
    reader.post(f"{path}/unfollow")
    assert "Of bob" not in reader.get("/following").text
    assert "Of bob" in other.get("/following").text
    with site.app.app_context():
        assert db.session.scalar(db.select(db.func.count()).select_from(Follow)) == 1
    assert find_flaws(feed) == find_flaws(reader.get(path).text) == []
