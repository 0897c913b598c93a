"""Nothing that a member has typed is lost: not by a sign-out, not by another editor, not by leaving."""

from __future__ import annotations

import html
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from tenants.database import db, now
from tenants.forms import POST_LENGTH
from tenants.models import MemberSession, Post, UnsavedText
from tenants.permissions import Role
from tests.markup import find_flaws
from tests.tenants.helpers import PASSWORD, read_field

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.tenants.helpers import Site, Visitor

JSON = {"Accept": "application/json"}
TEXT = {"title": "Of springs", "body": 'They are\r\npatient & "quoted".'}
SHOWN = "They are\npatient &amp; &#34;quoted&#34;."


def open_new(author: Visitor) -> dict[str, str]:
    """Return the hidden fields of the page on which a new post is written."""
    page = author.get("/write?new=").text
    return {name: read_field(page, name) for name in ("key", "version", "writer", "csrf_token")}


def open_comment(member: Visitor, slug: str) -> dict[str, str]:
    """Return the hidden fields of the form below a post."""
    page = member.get(f"/posts/{slug}").text
    return {name: read_field(page, name) for name in ("key", "writer", "csrf_token")}


def send(visitor: Visitor, path: str, data: dict[str, str], **options: Any) -> TestResponse:
    """Send a form just as the page had it, with the token that it had."""
    return visitor.client.post(path, base_url=visitor.base, data=data, **options)


def sign_in_with(visitor: Visitor, page: TestResponse, email: str, password: str = PASSWORD) -> Any:
    """Fill in the sign-in page that came back instead, as a browser without scripts does."""
    data = {"email": email, "password": password}
    hidden = {name: read_field(page.text, name) for name in ("csrf_token", "carried")}
    fields = {**hidden, **data}
    return send(visitor, "/members/sign-in", fields, content_type="multipart/form-data")


def count(site: Site, model: Any) -> int:
    """Return how many rows there are."""
    with site.app.app_context():
        return int(db.session.scalar(db.select(db.func.count()).select_from(model)) or 0)


# --- a session that ends --------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["signed out here", "signed out everywhere", "cookie gone"])
def test_text_survives_a_session_that_ended_elsewhere(site: Site, how: str) -> None:
    """Publish without a session: the sign-in page holds the text, and the editor opens with it."""
    author = site.member("ann", Role.AUTHOR)
    form = open_new(author)
    if how == "signed out here":
        author.post("/members/sign-out")
    elif how == "signed out everywhere":
        with site.app.app_context():
            db.session.execute(db.delete(MemberSession))
            db.session.commit()
    else:
        author.client.delete_cookie("session", domain="acme.example.test")
    page = send(author, "/write", {**form, **TEXT, "intent": "publish"})
    assert page.status_code == 401
    assert "Nothing is lost" in page.text
    assert count(site, UnsavedText) == 0, "nothing is kept for people who are not signed in"

    wrong = sign_in_with(author, page, "ann@mail.test", "not this one")
    assert wrong.status_code == 422
    right = sign_in_with(author, wrong, "ann@mail.test")
    assert right.status_code == 303
    editor = author.get(right.location)
    assert SHOWN in editor.text
    assert 'value="Of springs"' in editor.text
    assert "This text is not saved." in editor.text
    assert count(site, Post) == 0

    fresh = {name: read_field(editor.text, name) for name in form}
    assert send(author, "/write", {**fresh, **TEXT, "intent": "publish"}).status_code == 303
    assert count(site, UnsavedText) == 0
    assert SHOWN not in author.get("/write").text


def test_text_of_an_edit_and_of_a_comment_survive_it_too(site: Site) -> None:
    """They come back in the post's own editor, and below the post that they comment on."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post()
    edit, comment = author.open_editor(slug), open_comment(author, slug)
    author.client.delete_cookie("session", domain="acme.example.test")
    page = send(author, f"/posts/{slug}/edit", {**edit, **TEXT, "intent": "save"})
    landed = sign_in_with(author, page, "ann@mail.test").location
    assert landed == f"/posts/{slug}/edit"
    assert SHOWN in author.get(landed).text

    author.client.delete_cookie("session", domain="acme.example.test")
    page = send(author, f"/posts/{slug}/comments", {**comment, "text": "Me *too*."})
    landed = sign_in_with(author, page, "ann@mail.test").location
    assert landed == f"/posts/{slug}#comment-form"
    assert "Me *too*.</textarea>" in author.get(landed).text.replace("\r\n", "\n")


def test_a_reply_is_carried_as_a_reply(site: Site) -> None:
    """Through a sign-in, and through a token that holds no more."""
    member = site.member()
    slug = site.add_post()
    (number,) = site.add_comments(slug)
    reply = {**open_comment(member, slug), "text": "Me too.", "parent": str(number)}
    member.client.delete_cookie("session", domain="acme.example.test")
    page = send(member, f"/posts/{slug}/comments", reply)
    landed = sign_in_with(member, page, "ann@mail.test").location
    again = send(member, f"/posts/{slug}/comments", reply)
    assert again.status_code == 400
    for shown in (member.get(landed).text, again.text):
        assert read_field(shown, "parent") == str(number)
        assert "Reply to" in shown
        assert "Me too.</textarea>" in shown


def test_text_is_carried_to_a_draft_that_has_another_title(site: Site) -> None:
    """Its address has followed the title; a form with an old token is shown again there, too."""
    author, editor = site.member("ann", Role.AUTHOR), site.member("eve", Role.EDITOR)
    edit = author.open_editor(site.add_post("First", draft=True))
    assert editor.edit("first", {"title": "Second", "body": "x"}).location == "/posts/second"
    author.client.delete_cookie("session", domain="acme.example.test")
    page = send(author, "/posts/first/edit", {**edit, **TEXT, "intent": "save"})
    landed = sign_in_with(author, page, "ann@mail.test").location
    assert landed == "/posts/second/edit"
    assert SHOWN in author.get(landed).text
    again = send(author, "/posts/first/edit", {**edit, **TEXT, "intent": "save"})
    assert again.status_code == 400
    assert 'action="/posts/second/edit"' in again.text
    assert SHOWN in again.text


def test_the_longest_text_is_carried_too(site: Site) -> None:
    """100,000 characters of any script fit into the sign-in page's form, and into what is kept."""
    author = site.member("ann", Role.AUTHOR)
    form, longest = open_new(author), {**TEXT, "body": "\N{GRINNING FACE}" * POST_LENGTH}
    parts = {"content_type": "multipart/form-data"}
    assert send(author, "/unsaved", {**form, **longest}, **parts).status_code == 204
    author.post("/members/sign-out")
    page = send(author, "/write", {**form, **longest, "intent": "publish"}, **parts)
    assert page.status_code == 401
    landed = sign_in_with(author, page, "ann@mail.test")
    assert longest["body"] in author.get(landed.location).text


def test_nobody_else_gets_the_text(site: Site) -> None:
    """Another member who signs in on that page finds an empty editor, and is told."""
    author = site.member("ann", Role.AUTHOR)
    site.add_member("bob", Role.AUTHOR)
    form = open_new(author)
    author.post("/members/sign-out")
    page = send(author, "/write", {**form, **TEXT})
    landed = sign_in_with(author, page, "bob@mail.test")
    assert landed.location == "/"
    shown = author.get("/")
    assert "another member" in shown.text
    for path in ("/write", "/drafts"):
        assert "springs" not in author.get(path).text
    assert count(site, UnsavedText) == 0


def test_text_needs_the_note_of_whose_it_is(site: Site, other_site: Site) -> None:
    """Without it, or with one made up or from next door, nothing is carried anywhere."""
    author, neighbour = site.member("ann", Role.AUTHOR), other_site.member("ann", Role.AUTHOR)
    form, foreign = open_new(author), open_new(neighbour)["writer"]
    author.post("/members/sign-out")
    for writer in ("", "1", foreign, form["writer"][:-1]):
        page = author.post("/write", {**TEXT, "writer": writer})
        assert page.status_code == 302
        assert "springs" not in author.get("/members/sign-in").text
    nonsense = ['{"endpoint": "members.me"}', "[]", "{}", "no json", '{"writer": 1}']
    for carried in nonsense:
        answer = author.sign_in("ann@mail.test", "wrong") and author.post(
            "/members/sign-in", {"carried": carried, "email": "x", "password": "y"}
        )
        assert answer.status_code == 422
        assert 'name="carried"' not in answer.text


def test_a_page_from_before_another_sign_in_shows_its_text_again(site: Site) -> None:
    """Its token holds no more: the form comes back with the text and one that does."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post()
    new, edit, comment = open_new(author), author.open_editor(slug), open_comment(author, slug)
    author.post("/members/sign-out")
    author.client.delete_cookie("session", domain="acme.example.test")
    assert author.sign_in("ann@mail.test").status_code == 303

    for path, form, text in (
        ("/write", new, TEXT),
        (f"/posts/{slug}/edit", edit, TEXT),
        (f"/posts/{slug}/comments", comment, {"text": TEXT["body"]}),
    ):
        page = send(author, path, {**form, **text})
        assert page.status_code == 400
        assert SHOWN in page.text
        assert "nothing is lost" in page.text
        fresh = {name: read_field(page.text, name) for name in form}
        assert send(author, path, {**fresh, **text}).status_code == 303, path

    site.add_member("bob", Role.EDITOR)
    author.client.delete_cookie("session", domain="acme.example.test")
    assert author.sign_in("bob@mail.test").status_code == 303
    refused = send(author, "/write", {**new, **TEXT})
    assert refused.status_code == 403
    assert "springs" not in refused.text


def test_the_preview_never_holds_the_sign_in_page(site: Site, visitor: Visitor) -> None:
    """A part of a page that needs a sign-in is refused; a redirect would end in the editor."""
    assert site.add_member()
    answer = visitor.post("/write/preview", {"body": "x"}, headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert "<form" not in answer.text


# --- two editors ----------------------------------------------------------------------------------


def test_the_second_of_two_editors_overwrites_nothing(site: Site) -> None:
    """They get both texts, and can keep theirs, take the other, or merge by hand."""
    ann, bob = site.member("ann", Role.AUTHOR), site.member("bob", Role.EDITOR)
    slug = site.add_post("A post", "Old words.")
    first, second = ann.open_editor(slug), bob.open_editor(slug)
    path = f"/posts/{slug}/edit"
    assert send(ann, path, {**first, "title": "A post", "body": "Ann's."}).status_code == 303

    page = send(bob, path, {**second, "title": "A post", "body": "Bob's.", "intent": "save"})
    assert page.status_code == 409
    assert "Ann&#39;s.</textarea>" in page.text
    assert "Bob&#39;s.</textarea>" in page.text
    assert "Bob&#39;s." in bob.get(path).text, "it waits in the editor, too"
    again = send(bob, path, {**bob.open_editor(slug), "title": "A post", "body": "Bob's."})
    assert again.status_code == 409, "opening the editor again is no answer to the question"

    fresh = {name: read_field(page.text, name) for name in second}
    merged = {"title": "A post", "body": "Ann's and Bob's.", "intent": "save"}
    assert send(bob, path, {**fresh, **merged}).status_code == 303
    assert "Ann's and Bob's." in html.unescape(ann.get(path).text)


def test_the_saved_text_can_be_used_instead(site: Site) -> None:
    """One's own is dropped, after a question, and the editor shows what was saved."""
    ann, bob = site.member("ann", Role.AUTHOR), site.member("bob", Role.EDITOR)
    slug = site.add_post("A post", "Old words.")
    second = bob.open_editor(slug)
    ann.edit(slug, {"title": "A post", "body": "Ann."})
    page = send(bob, f"/posts/{slug}/edit", {**second, "title": "A post", "body": "Bob."})
    discard = {"key": read_field(page.text, "key"), "page": f"/posts/{slug}/edit"}
    assert "Discard your text?" in bob.post("/unsaved/discard", discard).text
    assert bob.confirm("/unsaved/discard", discard).location == f"/posts/{slug}/edit"
    editor = bob.get(f"/posts/{slug}/edit").text
    assert "Ann.</textarea>" in editor
    assert "not saved" not in editor


def test_programs_get_the_conflict_as_a_problem(site: Site) -> None:
    """409, with the version and the text that are there."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post("A post", "Old words.")
    data = {"title": "A post", "body": "New words."}
    answer = author.post(f"/posts/{slug}/edit", data, headers=JSON)
    assert answer.status_code == 409
    theirs = answer.get_json(force=True)["saved"]
    text = {"version": 1, "title": "A post", "body": "Old words."}
    facts = {"tags": "", "cover": "", "excerpt": "", "address": "a-post"}
    assert theirs == text | facts | {"kind": "post", "publish_at": None}
    saved = author.post(f"/posts/{slug}/edit", {**data, "version": "1"}, headers=JSON)
    assert saved.status_code == 303


def test_saving_the_same_text_is_no_conflict(site: Site) -> None:
    """Publication is no new text, and neither is what is there already."""
    ann, bob = site.member("ann", Role.AUTHOR), site.member("bob", Role.EDITOR)
    slug = site.add_post("A post", "Words.", draft=True)
    first, second = ann.open_editor(slug), bob.open_editor(slug)
    path, data = f"/posts/{slug}/edit", {"title": "A post", "body": "Words."}
    assert send(ann, path, {**first, **data, "intent": "publish"}).status_code == 303
    changed = {**data, "body": "Other words."}
    assert send(bob, path, {**second, **changed, "intent": "save"}).status_code == 303
    assert send(ann, path, {**first, **changed, "intent": "save"}).status_code == 303


@pytest.mark.parametrize(
    ("theirs", "shown"),
    [
        pytest.param({"tags": "One, two"}, '<dd dir="auto">One, two</dd>', id="tags"),
        pytest.param({"kind": "page"}, "Page, in the menu</dd>", id="kind"),
        pytest.param({"address": "elsewhere"}, '<dd dir="auto">elsewhere</dd>', id="address"),
    ],
)
def test_what_is_no_text_is_not_overwritten_either(
    site: Site, theirs: dict[str, str], shown: str
) -> None:
    """An editor that was opened before another one changed tags, kind or address is told."""
    ann, bob = site.member("ann", Role.AUTHOR), site.member("bob", Role.EDITOR)
    slug, same = site.add_post("A post", "Words."), {"title": "A post", "body": "Words."}
    facts = {"tags": "", "address": slug, "kind": "post"}
    first, second = ann.open_editor(slug), bob.open_editor(slug)
    path = f"/posts/{slug}/edit"
    assert send(ann, path, {**first, **same, **facts, **theirs}).status_code == 303
    mine = {**facts, "tags": "Mine"}
    page = send(bob, path, {**second, **same, **mine})
    assert page.status_code == 409
    assert shown in page.text
    assert 'name="tags" type="text" value="Mine"' in page.text
    merged = {"address": read_field(page.text, "address"), "kind": "post", "tags": "Mine"}
    fresh = {name: read_field(page.text, name) for name in second}
    assert send(bob, path, {**fresh, **same, **merged}).status_code == 303
    assert "Mine" in bob.get(path, follow_redirects=True).text


def test_of_two_at_the_same_moment_one_is_told(site: Site) -> None:
    """Both have read the same version: the database lets one of them through."""
    site.member("ann", Role.AUTHOR)
    slug = site.add_post("A post", "Old words.")
    editors = [site.visitor() for _ in range(4)]
    for editor in editors:
        editor.sign_in("ann@mail.test")
    forms = [editor.open_editor(slug) for editor in editors]
    start, answers = threading.Barrier(len(editors)), []

    def save(number: int) -> None:
        data = {**forms[number], "title": "A post", "body": f"Text {number}."}
        start.wait()
        answers.append(send(editors[number], f"/posts/{slug}/edit", data).status_code)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(len(editors))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [303, 409, 409, 409]


def test_who_saves_between_reading_and_writing_is_not_overwritten(site: Site) -> None:
    """Whatever the form changes beside the text: the later one is told, and has both texts."""
    ann, bob = site.member("ann", Role.AUTHOR), site.member("bob", Role.EDITOR)
    path = f"/posts/{site.add_post('A post', 'Old words.', draft=True)}/edit"
    first, second = ann.open_editor("a-post"), bob.open_editor("a-post")
    saved: list[int] = []

    def save_first(session: Any, *_: object) -> None:
        if not saved and any(isinstance(row, Post) for row in session.dirty):
            saved.append(0)
            theirs = {**second, "title": "A post", "body": "Theirs."}
            with ThreadPoolExecutor(1) as other:  # a request of its own, and no part of this one
                saved[0] = other.submit(send, bob, path, theirs).result().status_code

    event.listen(db.session, "before_flush", save_first)
    try:
        mine = {**first, "title": "Renamed", "body": "Mine.", "cover": "0" * 32}
        page = send(ann, path, mine)
    finally:
        event.remove(db.session, "before_flush", save_first)
    assert (saved, page.status_code) == ([303], 409)
    assert "Mine.</textarea>" in page.text
    assert "Theirs.</textarea>" in page.text


# --- while it is typed ----------------------------------------------------------------------------


def test_text_is_kept_while_it_is_typed(site: Site) -> None:
    """The editor opens with it again, on any device; others see nothing of it."""
    author, other = site.member("ann", Role.AUTHOR), site.member("bob", Role.EDITOR)
    form = open_new(author)
    assert send(author, "/unsaved", {**form, **TEXT}).status_code == 204
    longer = {**TEXT, "body": "They are patient, and more."}
    assert send(author, "/unsaved", {**form, **longer}).status_code == 204
    assert count(site, UnsavedText) == 1
    assert count(site, Post) == 0
    elsewhere = site.visitor()
    elsewhere.sign_in("ann@mail.test")
    assert "and more." in elsewhere.get("/write").text
    assert "Of springs" in elsewhere.get("/drafts").text
    assert "and more." not in elsewhere.get("/write?new=").text
    for path in ("/write", "/drafts", f"/write?key={form['key']}"):
        assert "springs" not in other.get(path).text
    assert send(author, "/unsaved", {**form, "title": " ", "body": ""}).status_code == 204
    assert count(site, UnsavedText) == 0


def test_text_is_kept_only_where_it_could_be_saved(site: Site) -> None:
    """No key opens a form that the member could not send."""
    site.add_member("own", Role.AUTHOR)
    member, author = site.member("ann"), site.member("bob", Role.AUTHOR)
    foreign, draft = site.add_post(by="own"), site.add_post("Draft", by="own", draft=True)
    with site.app.app_context():
        ids = {post.slug: post.id for post in db.session.scalars(db.select(Post))}
    data = {"title": "x", "body": "y"}

    def keep(visitor: Visitor, key: str) -> int:
        return visitor.post("/unsaved", {**data, "key": key}).status_code

    assert keep(member, f"comment-{ids[foreign]}") == 204
    assert keep(member, f"comment-{ids[draft]}") == 404
    assert keep(member, "new-0123456789abcdef") == 404
    assert keep(author, f"post-{ids[foreign]}") == 404
    assert keep(author, "new-0123456789abcdef") == 204
    for key in ("", "new-", "new-x", "post-", "post-999", f"post-{9**11}", "x" * 50):
        assert keep(author, key) == 404, key
    assert site.visitor().post("/unsaved", data, headers=JSON).status_code == 401


def test_what_no_database_can_keep_costs_no_text(site: Site) -> None:
    """Numbers and characters that only a made-up form has: both databases refuse some."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post()
    edit, new = author.open_editor(slug), open_new(author)
    huge = {**edit, **TEXT, "version": str(10**30)}
    assert send(author, "/unsaved", huge).status_code == 204
    assert send(author, f"/posts/{slug}/edit", huge).status_code == 409
    odd = {"key": "\0", "confirmed": "yes", "csrf_token": edit["csrf_token"]}
    assert send(author, "/unsaved/discard", odd).status_code == 303
    covered = {**edit, **TEXT, "cover": "\0"}
    too_long = {**covered, "excerpt": "x" * 301}
    assert send(author, f"/posts/{slug}/edit", too_long).status_code == 422
    assert send(author, f"/posts/{slug}/edit", covered).status_code == 303
    author.client.delete_cookie("session", domain="acme.example.test")
    page = send(author, "/write", {**new, "title": "Of\0 springs", "body": "Pat\0ient."})
    landed = sign_in_with(author, page, "ann@mail.test")
    assert landed.status_code == 303
    assert "Patient.</textarea>" in author.get(landed.location).text


def test_what_is_kept_has_a_limit(site: Site) -> None:
    """20 begun posts a member, 30 days; the oldest go first."""
    author = site.member("ann", Role.AUTHOR)
    for number in range(22):
        data = {"key": f"new-{number:016x}", "title": f"Text {number}", "body": "x"}
        assert author.post("/unsaved", data).status_code == 204
    assert count(site, UnsavedText) == 20
    shown = author.get("/drafts").text
    assert re.findall(r">Text (\d+)<", shown) == [str(number) for number in range(21, 1, -1)]
    with site.app.app_context():
        db.session.execute(db.update(UnsavedText).values(saved_at=now() - timedelta(days=31)))
        db.session.commit()
    author.post("/unsaved", {"key": "new-fedcba9876543210", "title": "Last", "body": "x"})
    assert count(site, UnsavedText) == 1


def test_a_saved_text_is_not_kept_and_browsers_are_told(site: Site) -> None:
    """The next page names it once, so that the browser drops its own copy."""
    author = site.member("ann", Role.AUTHOR)
    form = open_new(author)
    send(author, "/unsaved", {**form, **TEXT})
    page = send(author, "/write", {**form, **TEXT, "intent": "draft"}, follow_redirects=True)
    store = f"tenantry:text:{site.tenant.id}:1:"
    assert f'<meta name="saved-text" content="{store}{form["key"]}">' in page.text
    site.add_post("Another")
    for path in ("/write", "/posts/another", "/posts/another/edit"):
        assert f'data-text="{store}"' in author.get(path).text, path
    assert "saved-text" not in author.get("/").text
    assert count(site, UnsavedText) == 0


def test_a_post_that_is_erased_takes_unsaved_text_along(site: Site) -> None:
    """Nothing is left that belongs to no post."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post()
    send(author, "/unsaved", {**author.open_editor(slug), **TEXT})
    assert count(site, UnsavedText) == 1
    author.confirm(f"/posts/{slug}/delete")
    author.confirm(f"/posts/{slug}/erase")
    assert count(site, UnsavedText) == 0


def test_the_pages_about_text_are_valid(site: Site) -> None:
    """Editor with restored text, both texts, a question, a deleted post, a sign-in with a text."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post()
    form = open_new(author)
    send(author, "/unsaved", {**form, **TEXT})
    pages = [
        author.get("/write"),
        author.get("/drafts"),
        author.get(f"/posts/{slug}"),
        author.post(f"/posts/{slug}/edit", TEXT),
        author.post(f"/posts/{slug}/delete"),
    ]
    deleted = author.confirm(f"/posts/{slug}/delete")
    pages += [author.get(deleted.location), author.get("/drafts")]
    author.post("/members/sign-out")
    pages.append(send(author, "/write", {**form, **TEXT}))
    assert [page.status_code for page in pages] == [200, 200, 200, 409, 200, 200, 200, 401]
    assert [find_flaws(page.text) for page in pages] == [[]] * len(pages)
