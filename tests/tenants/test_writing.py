"""Writing posts and comments, and who may."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tenants.database import db, now
from tenants.forms import POST_LENGTH
from tenants.models import Comment, Post
from tenants.permissions import Role
from tests.routes import list_routes

if TYPE_CHECKING:
    from tests.tenants.helpers import Site, Visitor

TEXT = {"title": "A title", "body": "Some *words*."}
TITLES = [
    pytest.param("Straße nach München", "strasse-nach-munchen", id="german"),
    pytest.param("Привет, мир", "привет-мир", id="cyrillic"),
    pytest.param("../../etc/passwd", "etc-passwd", id="path"),
    pytest.param("!!!", "post", id="no letters"),
    pytest.param("x" * 160, "x" * 80, id="long"),
]


def find_post(site: Site, slug: str) -> Post | None:
    """Return a post as the database has it now."""
    with site.app.app_context():
        found: Post | None = db.session.scalar(db.select(Post).where(Post.slug == slug))
        return found


def visitors(site: Site) -> dict[str, Visitor]:
    """Return one visitor of each kind; "own" wrote what the tests are about."""
    kinds = {"own": Role.AUTHOR, **{role.value: role for role in Role}}
    found = {name: site.member(name, role) for name, role in kinds.items()}
    return {"nobody": site.visitor(), **found}


MAY_WRITE = {"own", "author", "editor", "admin"}
MAY_EDIT = {"own", "editor", "admin"}


def test_a_post_is_written_and_published(site: Site, visitor: Visitor) -> None:
    """What an author publishes, everybody reads."""
    author = site.member("ann", Role.AUTHOR)
    answer = author.post("/write", {**TEXT, "intent": "publish"})
    assert answer.status_code == 303
    assert answer.location == "/posts/a-title"
    assert "Some <em>words</em>." in visitor.get(answer.location).text


def test_a_draft_is_for_its_author_and_editors(site: Site) -> None:
    """Others learn not even that it exists."""
    everybody = visitors(site)
    everybody["own"].post("/write", {**TEXT, "intent": "draft"})
    for name, visitor in everybody.items():
        seen = visitor.get("/posts/a-title").status_code == 200
        assert seen == (name in MAY_EDIT), name
        assert ("A title" in visitor.get("/drafts", follow_redirects=True).text) == seen
        assert "A title" not in visitor.get("/").text
        assert "A title" not in visitor.get("/feed.xml").text


def test_who_may_write(site: Site) -> None:
    """Authors and above write; members get 403 and visitors the sign-in page."""
    for name, visitor in visitors(site).items():
        expected = 200 if name in MAY_WRITE else 302 if name == "nobody" else 403
        assert visitor.get("/write").status_code == expected, name
        assert visitor.get("/drafts").status_code == expected, name
        posted = visitor.post("/write", {**TEXT, "intent": "publish"}).status_code
        assert posted == (303 if expected == 200 else expected), name
        preview = visitor.post("/write/preview", {"body": "**x**"})
        assert preview.status_code == expected, name


def test_who_may_edit_and_delete(site: Site) -> None:
    """Authors change their own posts, editors and owners any."""
    everybody = visitors(site)
    author_view = everybody["own"]
    for name, visitor in everybody.items():
        slug = site.add_post(f"Of {name}", by="own")
        allowed = name in MAY_EDIT
        refused = 302 if name == "nobody" else 403
        assert visitor.get(f"/posts/{slug}/edit").status_code == (200 if allowed else refused)
        changed = visitor.edit(slug, {"title": "New", "body": "New text."})
        assert changed.status_code == (303 if allowed else refused), name
        post = find_post(site, slug)
        assert post is not None
        assert (post.body == "New text.") == allowed
        assert ("Delete" in visitor.get(f"/posts/{slug}").text) == allowed
        deleted = visitor.confirm(f"/posts/{slug}/delete")
        assert deleted.status_code == (303 if allowed else refused), name
        gone = author_view.get(f"/posts/{slug}").status_code == 404
        assert gone == allowed


def test_drafts_of_others_are_not_there(site: Site) -> None:
    """An author who guesses a draft's slug gets the answer for no post at all."""
    own, author = site.member("own", Role.AUTHOR), site.member("author", Role.AUTHOR)
    slug = site.add_post(by="own", draft=True)
    assert author.get(f"/posts/{slug}/edit").status_code == 404
    assert author.confirm(f"/posts/{slug}/delete").status_code == 404
    assert own.get(f"/posts/{slug}/edit").status_code == 200


def test_an_author_who_lost_the_role_edits_nothing(site: Site) -> None:
    """The role counts at the moment of the request, not of the sign-in."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post()
    site.change_member("ann", role=Role.MEMBER)
    assert author.get(f"/posts/{slug}/edit").status_code == 403


def test_a_published_post_keeps_its_address(site: Site) -> None:
    """A new title moves a draft, but never what others may have linked to."""
    author = site.member("ann", Role.AUTHOR)
    author.post("/write", {**TEXT, "intent": "draft"})
    moved = author.edit("a-title", {"title": "Other", "body": "x", "intent": "publish"})
    assert moved.location == "/posts/other"
    kept = author.edit("other", {"title": "Third", "body": "x", "intent": "save"})
    assert kept.location == "/posts/other"


def test_a_post_is_taken_back(site: Site, visitor: Visitor) -> None:
    """A published post becomes a draft again."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post()
    author.edit(slug, {**TEXT, "intent": "unpublish"})
    post = find_post(site, slug)
    assert post is not None
    assert not post.is_published
    assert visitor.get(f"/posts/{slug}").status_code == 404


@pytest.mark.parametrize(("title", "slug"), TITLES)
def test_titles_make_slugs(site: Site, title: str, slug: str) -> None:
    """Every title leads to an address, and the address leads to the post."""
    author = site.member("ann", Role.AUTHOR)
    answer = author.post("/write", {"title": title, "body": "x", "intent": "publish"})
    assert find_post(site, slug) is not None
    assert author.get(answer.location).status_code == 200


def test_equal_titles_get_different_slugs(site: Site) -> None:
    """No post takes another one's address."""
    site.add_member()
    assert [site.add_post("Same") for _ in range(3)] == ["same", "same-2", "same-3"]
    assert site.add_post("Same 2") == "same-2-2"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"title": "", "body": "x"}, id="no title"),
        pytest.param({"title": "  \x00\n ", "body": "x"}, id="blank title"),
        pytest.param({"title": "x", "body": ""}, id="no text"),
        pytest.param({"title": "x" * 161, "body": "x"}, id="long title"),
        pytest.param({"title": "x", "body": "x" * 100_001}, id="long text"),
    ],
)
def test_what_is_no_post_is_not_saved(site: Site, data: dict[str, str]) -> None:
    """The form comes back with what was typed, and says what is missing."""
    author = site.member("ann", Role.AUTHOR)
    answer = author.post("/write", data)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    with site.app.app_context():
        assert db.session.scalar(db.select(db.func.count()).select_from(Post)) == 0


def test_the_preview_is_the_post(site: Site) -> None:
    """The preview renders and cleans as the post does."""
    author = site.member("ann", Role.AUTHOR)
    answer = author.post("/write/preview", {"body": "**x** <script>alert(1)</script>"})
    assert "<strong>x</strong>" in answer.text
    assert "<script" not in answer.text


def test_who_may_comment(site: Site) -> None:
    """Every member comments on what is published; visitors are asked to sign in."""
    everybody = visitors(site)
    slug, draft = site.add_post(by="own"), site.add_post("Draft", by="own", draft=True)
    for name, visitor in everybody.items():
        answer = visitor.post(f"/posts/{slug}/comments", {"text": f"From {name}."})
        assert answer.status_code == (302 if name == "nobody" else 303)
        assert (f"From {name}." in visitor.get(f"/posts/{slug}").text) == (name != "nobody")
        refused = visitor.post(f"/posts/{draft}/comments", {"text": "x"}).status_code
        assert refused == (302 if name == "nobody" else 404)


@pytest.mark.parametrize("text", ["", "   ", "x" * 5001])
def test_what_is_no_comment_is_not_saved(site: Site, text: str) -> None:
    """The post comes back with the form and what is wrong with it."""
    member = site.member()
    slug = site.add_post()
    answer = member.post(f"/posts/{slug}/comments", {"text": text})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text


def test_who_may_delete_comments(site: Site) -> None:
    """Those who wrote them, editors and owners; the author of the post may not."""
    everybody = visitors(site)
    site.add_member("ann")
    slug = site.add_post(by="own")
    for name, visitor in everybody.items():
        (comment_id,) = site.add_comments(slug, by="ann")
        allowed = name in {"editor", "admin"}
        expected = 303 if allowed else 302 if name == "nobody" else 403
        answer = visitor.confirm(f"/comments/{comment_id}/delete")
        assert answer.status_code == expected, name
        with site.app.app_context():
            assert (db.session.get(Comment, comment_id) is None) == allowed
    (own_id,) = site.add_comments(slug, by="member")
    assert everybody["member"].confirm(f"/comments/{own_id}/delete").status_code == 303


@pytest.mark.parametrize("number", ["1", str(2**31), str(2**63), "9" * 40])
def test_comments_that_are_not_there(site: Site, number: str) -> None:
    """No number in the address makes more than a 404."""
    assert site.member().confirm(f"/comments/{number}/delete").status_code == 404


def test_a_deleted_post_takes_its_comments_along(site: Site) -> None:
    """No comment is left without its post."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post()
    site.add_comments(slug, 3)
    author.confirm(f"/posts/{slug}/delete")
    assert author.confirm(f"/posts/{slug}/erase").status_code == 303
    with site.app.app_context():
        assert db.session.scalar(db.select(db.func.count()).select_from(Comment)) == 0


def test_a_deleted_post_can_be_restored(site: Site, visitor: Visitor) -> None:
    """It is asked for first, then nobody sees the post, and an undo brings all of it back."""
    author, other = site.member("ann", Role.AUTHOR), site.member("bob", Role.AUTHOR)
    slug = site.add_post("Hello")
    (comment,) = site.add_comments(slug)
    asked = author.post(f"/posts/{slug}/delete")
    assert asked.status_code == 200
    assert "Delete “Hello” and its comments?" in asked.text
    assert visitor.get(f"/posts/{slug}").status_code == 200

    deleted = author.confirm(f"/posts/{slug}/delete").location
    for path in (f"/posts/{slug}", f"/posts/{slug}/edit"):
        assert author.get(path).status_code == 404
    for path in ("/", "/feed.xml"):
        assert "Hello" not in visitor.get(path).text
    assert author.confirm(f"/comments/{comment}/delete").status_code == 404
    assert author.post(f"/posts/{slug}/comments", {"text": "x"}).status_code == 404
    assert deleted in author.get("/drafts").text
    assert "Undo" in author.get(deleted).text
    assert other.get(deleted).status_code == other.post(f"/posts/{slug}/restore").status_code == 404
    assert site.add_post("Hello") == "hello-2"

    assert author.post(f"/posts/{slug}/restore").location == f"/posts/{slug}"
    assert "Remark 1." in visitor.get(f"/posts/{slug}").text


def test_posts_deleted_long_ago_are_gone(site: Site) -> None:
    """A deleted post is kept for 30 days; the next deletion erases the older ones."""
    author = site.member("ann", Role.AUTHOR)
    old, new = site.add_post("Old"), site.add_post("New")
    author.confirm(f"/posts/{old}/delete")
    with site.app.app_context():
        db.session.execute(db.update(Post).values(deleted_at=now() - timedelta(days=31)))
        db.session.execute(db.update(Post).where(Post.slug == new).values(deleted_at=None))
        db.session.commit()
    author.confirm(f"/posts/{new}/delete")
    assert find_post(site, old) is None
    assert find_post(site, new) is not None


def test_forms_need_their_token(site: Site) -> None:
    """Every unsafe route refuses a form without the session's token."""
    owner = site.member("olga", Role.EDITOR)
    slug = site.add_post(by="olga")
    (comment_id,) = site.add_comments(slug, by="olga")
    values = {"slug": slug, "comment_id": comment_id, "session_id": 1, "version": 1, "token": "x"}
    values["key"] = site.add_file("olga")
    values["name"] = "x"
    values["member_id"] = 1
    checked = 0
    for route in list_routes(site.app, values):
        if route.method != "POST":
            continue
        for data in ({}, {"csrf_token": "forged"}):
            answer = owner.client.post(route.path, base_url=owner.base, data=data)
            assert answer.status_code == 400, route
            assert "sent from another site" in answer.text
        checked += 1
    assert checked >= 11
    assert find_post(site, slug) is not None
    assert owner.is_signed_in()


def test_sibling_sites_cannot_send_forms(site: Site) -> None:
    """A page of another tenant is same-site to the browser, and refused all the same (R22)."""
    author = site.member("ann", Role.AUTHOR)
    for headers in (
        {"Sec-Fetch-Site": "same-site", "Origin": "http://globex.example.test"},
        {"Origin": "http://globex.example.test"},
    ):
        answer = author.post("/write", {**TEXT, "intent": "publish"}, headers=headers)
        assert answer.status_code == 403
    assert find_post(site, "a-title") is None


def test_the_longest_post_can_be_sent_in_any_script(site: Site) -> None:
    """A form's limit in bytes must not be a tenth of the text's in characters."""
    author = site.member("ann", Role.AUTHOR)
    text = "語" * POST_LENGTH
    assert author.post("/write", {**TEXT, "body": text, "intent": "draft"}).status_code == 303
    found = find_post(site, "a-title")
    assert found is not None
    assert found.body == text
