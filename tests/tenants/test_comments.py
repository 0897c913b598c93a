"""Comments in threads, comments that wait for a moderator, and posts that take none any more."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tenants.comment_rules import next_change
from tenants.database import db, now
from tenants.models import Comment, CommentRules, Post
from tenants.permissions import Role
from tenants.reading import COMMENTS_PER_PAGE
from tests.markup import find_flaws

if TYPE_CHECKING:
    from tests.tenants.helpers import Site, Visitor

RULES = {"held_words": "", "max_links": "", "close_days": ""}
PATH = "/posts/a-post"


def say(member: Visitor, text: str, **data: object) -> str:
    """Comment on the post; return the path of the page that shows it."""
    answer = member.post(f"{PATH}/comments", {"text": text, **data})
    assert answer.status_code == 303
    return answer.location or ""


def order_of(page: str) -> list[str]:
    """Return the texts of the comments on a page, an answer with its mark."""
    found = re.findall(
        r'<article class="comment( comment-reply)?".*?prose-small"[^>]*><p>(.*?)</p>',
        page,
        re.DOTALL,
    )
    return [("> " if reply else "") + text for reply, text in found]


def set_rules(site: Site, **rules: object) -> None:
    """Change the site's rules behind its back."""
    facts = {"hold_first": False, "max_links": None, "held_words": "", "close_days": None}
    with site.app.app_context():
        db.session.merge(CommentRules(id=1, **facts | rules))
        db.session.commit()


def test_answers_stand_below_what_they_answer(site: Site, visitor: Visitor) -> None:
    """Answers to answers join the thread; an answer to what is gone is kept, at the end."""
    ann, bob = site.member("ann"), site.member("bob")
    site.add_post()
    one, two = site.add_comments("a-post", 2)
    editor = bob.get(f"{PATH}?reply={one}").text
    assert f'name="parent" type="hidden" value="{one}"' in editor
    assert "Reply to" in editor
    say(bob, "To one.", parent=one)
    with site.app.app_context():
        answer = db.session.scalar(db.select(Comment.id).where(Comment.parent_id == one))
    say(ann, "To the answer.", parent=answer)
    say(ann, "To nothing.", parent=9**17)
    say(ann, "To a foreign one.", parent=site.add_comments(site.add_post("Other"))[0])
    shown = ["Remark 1.", "> To one.", "> To the answer.", "Remark 2."]
    shown += ["To nothing.", "To a foreign one."]
    page = visitor.get(PATH).text
    assert order_of(page) == shown
    assert "6 comments" in page
    assert find_flaws(page) == find_flaws(editor) == []

    assert "and the replies to it?" in ann.post(f"/comments/{one}/delete").text
    ann.confirm(f"/comments/{one}/delete")
    assert order_of(visitor.get(PATH).text) == shown[3:]
    assert two


def test_an_answer_leads_to_its_own_page(site: Site) -> None:
    """It stands in its thread, and not on the last page."""
    member = site.member()
    site.add_post()
    first, *_ = site.add_comments("a-post", COMMENTS_PER_PAGE)
    assert "page=2" in say(member, "A new one.")
    location = say(member, "An answer.", parent=first)
    assert "page" not in location
    assert "&gt; An answer." not in member.get(location).text
    assert order_of(member.get(location).text)[1] == "> An answer."


@pytest.mark.parametrize(
    ("rules", "text", "waits"),
    [
        pytest.param({"hold_first": True}, "Hello.", True, id="first"),
        pytest.param({"max_links": 1}, "[a](https://a.test)", False, id="one link"),
        pytest.param({"max_links": 1}, "[a](https://a.test) <https://b.test>", True, id="links"),
        pytest.param({"held_words": "cheap pills\ncasino"}, "CHEAP, pills!", True, id="phrase"),
        pytest.param(
            {"held_words": "cheap pills\ncasino"}, "cheaper pills", False, id="other words"
        ),
    ],
)
def test_a_rule_holds_a_comment_back(
    site: Site, visitor: Visitor, rules: dict[str, object], text: str, *, waits: bool
) -> None:
    """Its author sees it, and moderators do; others after it was approved. Authors are trusted."""
    editor, member, other = site.member("eve", Role.EDITOR), site.member(), site.member("bob")
    site.add_post()
    set_rules(site, **rules)
    page = member.get(say(member, text)).text
    assert ("Your comment waits for a moderator." in page) == waits
    assert len(order_of(page)) == len(order_of(editor.get(PATH).text)) == 1
    for reader in (visitor, other):
        assert len(order_of(reader.get(PATH).text)) == (0 if waits else 1)
    assert ("1 comment" in visitor.get("/").text) == (not waits)
    queue = editor.get("/moderation").text
    assert len(order_of(queue)) == int(waits)
    if waits:
        with site.app.app_context():
            number = db.session.scalar(db.select(Comment.id))
        assert editor.post(f"/comments/{number}/approve").location == "/moderation"
        assert find_flaws(queue) == find_flaws(editor.get(PATH).text) == []
        assert "Nothing waits" in editor.get("/moderation").text
        assert len(order_of(visitor.get(PATH).text)) == 1
    say(editor, f"{text} again")
    assert len(order_of(visitor.get(PATH).text)) == 2


def test_the_second_comment_of_a_known_member_does_not_wait(site: Site, visitor: Visitor) -> None:
    """Once one of theirs is shown, members comment as before."""
    editor, member = site.member("eve", Role.EDITOR), site.member()
    site.add_post()
    set_rules(site, hold_first=True)
    say(member, "One.")
    say(member, "Two.")
    assert len(order_of(editor.get("/moderation").text)) == 2
    with site.app.app_context():
        number = db.session.scalar(db.select(db.func.min(Comment.id)))
    editor.post(f"/comments/{number}/approve", {"page": f"{PATH}#comment-{number}"})
    say(member, "Three.")
    assert order_of(visitor.get(PATH).text) == ["One.", "Three."]
    assert editor.post(f"/comments/{9**19}/approve").status_code == 404


def test_an_old_post_takes_no_more_comments(site: Site, visitor: Visitor) -> None:
    """Its page says so from that moment on; a text that comes too late stays in its form."""
    editor, member = site.member("eve", Role.EDITOR), site.member()
    site.add_post()
    set_rules(site, close_days=30)
    assert "no more comments" not in visitor.get(PATH).text
    with site.app.app_context():
        db.session.execute(db.update(Post).values(published_at=now() - timedelta(days=31)))
        db.session.commit()
    for reader in (visitor, member):
        assert "This post takes no more comments." in reader.get(PATH).text
    late = member.post(f"{PATH}/comments", {"text": "Too late."})
    assert late.status_code == 403
    assert "Too late.</textarea>" in late.text
    say(editor, "A last word.")


def test_a_kept_page_ends_when_its_post_closes(site: Site) -> None:
    """The sooner of that and the next publication is when the page is rendered again."""
    site.add_member()
    site.add_post()
    with site.app.app_context():
        published = db.session.scalar(db.select(Post.published_at))
    set_rules(site, close_days=30)
    with site.app.test_request_context(PATH):
        assert next_change() == published + timedelta(days=30)
    site.add_post("Later")
    soon = datetime.now(UTC) + timedelta(days=1)
    with site.app.app_context():
        later = db.update(Post).where(Post.slug == "later")
        db.session.execute(later.values(published_at=soon))
        db.session.commit()
    with site.app.test_request_context(PATH):
        assert next_change() == soon


def test_the_latest_time_of_publication_has_no_days_after_it(site: Site, visitor: Visitor) -> None:
    """A post that is scheduled for the end of the calendar has a page for its author."""
    author = site.member("ann", Role.AUTHOR)
    set_rules(site, close_days=30)
    last = {"publish_at": "9999-12-31T23:59", "intent": "publish"}
    path = author.post("/write", {"title": "A post", "body": "Words.", **last}).location
    assert path == PATH
    assert "31 December 9999" in author.get(PATH).text
    assert visitor.get(PATH).status_code == 404


def test_rules_are_set_on_their_page(site: Site) -> None:
    """What is no rule is refused in words; an emptied field is none."""
    admin = site.member("ada", Role.ADMIN)
    page = admin.get("/moderation/rules").text
    assert find_flaws(page) == []
    wrong = admin.post("/moderation/rules", {**RULES, "max_links": "many", "close_days": "0"})
    assert wrong.status_code == 422
    assert "Enter a number from 1 to 3650, or none." in wrong.text
    right = {"hold_first": "y", "max_links": "2", "held_words": "casino", "close_days": "14"}
    assert admin.post("/moderation/rules", right).status_code == 303
    saved = admin.get("/moderation/rules").text
    assert 'value="14"' in saved
    assert ">casino</textarea>" in saved.replace("\r\n", "")
    assert "checked" in saved
    admin.post("/moderation/rules", RULES)
    with site.app.app_context():
        rules = db.session.get(CommentRules, 1)
        assert rules is not None
        assert (rules.hold_first, rules.max_links, rules.close_days) == (False, None, None)
