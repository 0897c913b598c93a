"""When posts are public: at once, at a chosen time, by a link before it; what lists show of them."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from itsdangerous import TimestampSigner

from tenants import preview_links
from tenants.database import db, now
from tenants.models import Post
from tenants.permissions import Role
from tests.markup import find_flaws
from tests.tenants.helpers import make_site, read_field

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tenants.helpers import Site, Visitor

TEXT = {"title": "A title", "body": "Some words."}
WEEK = 7 * 24 * 3600


def schedule(author: Visitor, at: str, **text: str) -> str:
    """Write a post that is published later; return its path."""
    data = {**TEXT, **text, "intent": "publish", "publish_at": at}
    return author.post("/write", data).location or ""


def test_a_scheduled_post_is_not_there_yet(site: Site, visitor: Visitor) -> None:
    """Only those who may edit it see it, with its time, and can change or withdraw that."""
    author = site.member("ann", Role.AUTHOR)
    path = schedule(author, "2999-01-31T09:30", tags="Later")
    for public in ("/", "/archive", "/feed.xml", "/feed.json", "/sitemap.xml", "/search?q=title"):
        assert "A title" not in visitor.get(public).text, public
    assert visitor.get(path).status_code == visitor.get("/tags/later").status_code == 404
    drafts = author.get("/drafts").text
    assert "scheduled" in drafts
    assert "31 January 2999 at 09:30 UTC" in drafts
    editor = author.get(f"{path}/edit").text
    assert 'value="2999-01-31T09:30"' in editor
    author.edit("a-title", {**TEXT, "intent": "save", "publish_at": "2998-01-31 09:30"})
    assert "31 January 2998" in author.get(path).text
    author.edit("a-title", {**TEXT, "intent": "publish-now", "publish_at": "2998-01-31T09:30"})
    assert visitor.get(path).status_code == 200
    author.edit("a-title", {**TEXT, "intent": "unpublish"})
    assert "scheduled" not in author.get("/drafts").text
    assert find_flaws(editor) == find_flaws(drafts) == []


def test_a_post_appears_at_its_time(site: Site, visitor: Visitor) -> None:
    """Not before, and not after: also on a page that was kept before."""
    author = site.member("ann", Role.AUTHOR)
    schedule(author, "2999-01-31T09:30", kind="page")
    moment = now() + timedelta(seconds=2)
    with site.app.app_context():
        db.session.execute(db.update(Post).values(published_at=moment))
        db.session.commit()
    for ended in iter(lambda: now() > moment + timedelta(seconds=0.1), None):
        for path in ("/", "/posts/a-title", "/sitemap.xml"):
            before = now()
            seen = "a-title" in visitor.get(path, follow_redirects=True).text
            if before >= moment:
                assert seen, path
            elif now() < moment:
                assert not seen, path
        if ended:
            return
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        pytest.param({"publish_at": "soon"}, "like this: 2027-01-31 09:30", id="no time"),
        pytest.param({"publish_at": "2001-01-01T00:00"}, "This moment has passed.", id="past"),
        pytest.param(
            {"publish_at": "2999-01-01T00:00", "intent": "draft"}, "A draft stays one.", id="draft"
        ),
        pytest.param({"excerpt": "x" * 301}, "longer than 300 characters", id="excerpt"),
    ],
)
def test_what_is_no_schedule_is_refused(site: Site, data: dict[str, str], fault: str) -> None:
    """The form says why, and keeps what was typed."""
    author = site.member("ann", Role.AUTHOR)
    answer = author.post("/write", {**TEXT, "intent": "publish", **data})
    assert answer.status_code == 422
    assert fault in answer.text
    assert "Some words." in answer.text
    with site.app.app_context():
        assert db.session.scalar(db.select(Post.id)) is None


def test_a_time_that_another_editor_set_is_kept(site: Site) -> None:
    """An editor that was opened before shows both."""
    author = site.member("ann", Role.AUTHOR)
    path = schedule(author, "2999-01-31T09:30")
    old = author.open_editor("a-title")
    author.edit("a-title", {**TEXT, "intent": "save", "publish_at": "2998-01-31T09:30"})
    stale = {**TEXT, "version": old["version"], "intent": "save", "publish_at": "2999-01-31T09:30"}
    page = author.post(f"{path}/edit", stale)
    assert page.status_code == 409
    assert "2998-01-31T09:30</dd>" in page.text


def test_lists_show_the_excerpt_and_featured_posts_first(site: Site, visitor: Visitor) -> None:
    """An emptied excerpt gives way to the first paragraph."""
    author = site.member("ann", Role.AUTHOR)
    data = {**TEXT, "excerpt": "In short.", "kind": "featured", "intent": "publish"}
    author.post("/write", data)
    site.add_post("Newer")
    front = visitor.get("/").text
    assert front.index("A title") < front.index("Newer")
    assert "In short." in front
    assert "Some words." not in front
    assert "featured" in front
    assert 'content="In short."' in visitor.get("/posts/a-title").text
    author.edit("a-title", {**TEXT, "excerpt": "", "kind": "post"})
    front = visitor.get("/").text
    assert front.index("Newer") < front.index("A title")
    assert "Some words." in front


def test_a_draft_is_shown_by_its_link(site: Site, visitor: Visitor, tmp_path: Path) -> None:
    """To anyone who has it, never to search engines, until it is published or deleted."""
    author = site.member("ann", Role.AUTHOR)
    site.add_post("Secret", "Not yet.", draft=True)
    link = read_link(author)
    shown = visitor.get(link)
    assert "Not yet." in shown.text
    assert shown.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert "no-store" in shown.headers["Cache-Control"]
    assert find_flaws(shown.text) == []
    neighbour = make_site(tmp_path, "globex")
    neighbour.add_member()
    neighbour.add_post("Other", draft=True)
    assert neighbour.visitor().get(link).status_code == 404
    neighbour.close()
    assert visitor.get(f"{link}x").status_code == 404
    author.edit("secret", {"title": "Secret", "body": "Now.", "intent": "publish"})
    assert visitor.get(link).location == "/posts/secret"
    author.confirm("/posts/secret/delete")
    assert visitor.get(link).status_code == 404


def test_a_link_to_an_erased_draft_shows_no_other(site: Site, visitor: Visitor) -> None:
    """The next post can get the number of the last one."""
    author = site.member("ann", Role.AUTHOR)
    site.add_post("Secret", "For you.", draft=True)
    link = read_link(author)
    author.confirm("/posts/secret/delete")
    author.confirm("/posts/secret/erase")
    site.add_post("Secret", "For nobody yet.", draft=True)
    assert visitor.get(link).status_code == 404
    assert "For nobody yet." in visitor.get(read_link(author)).text


def test_a_link_to_a_draft_ends_after_a_week(site: Site, visitor: Visitor) -> None:
    """It is signed with its time."""
    site.add_member("ann", Role.AUTHOR)
    site.add_post("Secret", draft=True)
    for age, status in ((WEEK - 60, 200), (WEEK + 60, 404)):
        with site.app.app_context():
            serializer = preview_links._serializer()
            serializer.signer = signer_of(age)
            token = serializer.dumps(preview_links._name(db.session.scalars(db.select(Post)).one()))
        assert visitor.get(f"/preview/{token}").status_code == status


def signer_of(age: int) -> type[TimestampSigner]:
    """Return what signs as it did some seconds ago."""

    class Old(TimestampSigner):
        def get_timestamp(self) -> int:
            return super().get_timestamp() - age

    return Old


def read_link(author: Visitor) -> str:
    """Return the path of the link on a draft's page."""
    page = author.get("/posts/secret").text
    link = page.partition('id="preview-link" value="')[2].partition('"')[0]
    assert read_field(page, "csrf_token")
    assert link.startswith("http://acme.example.test/preview/")
    return link.removeprefix("http://acme.example.test")
