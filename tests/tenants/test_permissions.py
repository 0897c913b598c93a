"""Each page and form, as each role and as a neighbour: the list is the app's own URL map."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenants.database import db, now
from tenants.media_models import Media
from tenants.models import Comment, Post
from tenants.permissions import GRANTS, OWNER, Permission, Role
from tests.routes import check_named, list_routes
from tests.tenants.helpers import make_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.routes import Route
    from tests.tenants.helpers import Site, Visitor

KINDS = ("sqlite",)
"""Who may do something is decided before the database is asked for more than the member."""

EVERYBODY = {
    "authors.author",
    "discovery.robots",
    "discovery.sitemap",
    "feed.atom",
    "feed.json_feed",
    "media.file",
    "members.enter",
    "members.sign_in",
    "members.sign_out",
    "members.sign_up",
    "pages.archive",
    "pages.favicon",
    "pages.front",
    "pages.old_favicon",
    "pages.page",
    "pages.post",
    "pages.theme",
    "preview_links.preview",
    "search.search",
    "tags.index",
    "tags.tag",
}
WANTED = {
    "authors.follow": Permission.COMMENT,
    "authors.following": Permission.COMMENT,
    "authors.profile": Permission.COMMENT,
    "authors.unfollow": Permission.COMMENT,
    "comments.add": Permission.COMMENT,
    "comments.delete": Permission.MODERATE,
    "history.restore": Permission.EDIT_ALL,
    "history.revision": Permission.EDIT_ALL,
    "history.revisions": Permission.EDIT_ALL,
    "media.delete": Permission.EDIT_ALL,
    "media.describe": Permission.EDIT_ALL,
    "media.item": Permission.UPLOAD,
    "media.library": Permission.UPLOAD,
    "members.change_password": Permission.COMMENT,
    "members.end_other_session": Permission.COMMENT,
    "members.me": Permission.COMMENT,
    "members.rename": Permission.COMMENT,
    "members.sign_out_everywhere": Permission.COMMENT,
    "moderation.approve": Permission.MODERATE,
    "moderation.rules": Permission.MANAGE,
    "moderation.waiting": Permission.MODERATE,
    "posts.delete": Permission.EDIT_ALL,
    "posts.deleted": Permission.EDIT_ALL,
    "posts.discard": Permission.COMMENT,
    "posts.drafts": Permission.WRITE,
    "posts.edit": Permission.EDIT_ALL,
    "posts.erase": Permission.EDIT_ALL,
    "posts.keep": Permission.COMMENT,
    "posts.preview": Permission.WRITE,
    "posts.restore": Permission.EDIT_ALL,
    "posts.write": Permission.WRITE,
}
"""What each endpoint wants of a member, where post, comment and file are another member's."""
ENDS_THE_SESSION = {"members.sign_out", "members.sign_out_everywhere"}
OF_DELETED = {"posts.deleted", "posts.erase", "posts.restore"}
KEY = "new-" + "a" * 16


@pytest.fixture
def people(tmp_path: Path) -> Iterator[tuple[Site, dict[str, Visitor]]]:
    """Return a site with a post of nobody's here, and a browser for each kind of person."""
    site = make_site(tmp_path, owners=("owner@mail.test",))
    neighbour = make_site(tmp_path, "globex")
    site.add_member("writer", Role.AUTHOR)
    site.add_comments(site.add_post("A post", by="writer"), by="writer")
    site.add_file("writer")
    gone = site.add_post("Gone", by="writer")
    with site.app.app_context():
        db.session.execute(db.update(Post).where(Post.slug == gone).values(deleted_at=now()))
        db.session.commit()
    kinds: dict[str, Visitor] = {"nobody": site.visitor()}
    editor = neighbour.member("eve", Role.EDITOR).client.get_cookie(
        "session", domain="acme.example.test"
    )
    assert editor is not None
    kinds["neighbour"] = site.visitor()
    kinds["neighbour"].client.set_cookie("session", editor.value, domain="acme.example.test")
    kinds |= {role.value: site.member(role.value, role) for role in Role}
    kinds["owner"] = site.member("owner")
    site.change_member("owner", is_platform_owner=True)
    yield site, kinds
    site.close()
    neighbour.close()


def list_all(site: Site) -> list[Route]:
    """Return the site's routes; what ends a session comes last."""
    with site.app.app_context():
        comment = db.session.scalar(db.select(Comment.id))
        author = site.id_of("writer")
        key = db.session.scalar(db.select(Media.key))
    examples = {"slug": "a-post", "comment_id": comment, "version": 1, "token": "x"}
    examples |= {"key": key, "name": "x", "member_id": author}
    routes = list_routes(site.app, examples)
    return sorted(routes, key=lambda route: route.endpoint in ENDS_THE_SESSION)


def ask(visitor: Visitor, route: Route) -> tuple[int, str]:
    """Ask for a page, or send a form that confirms nothing; return status and where it leads."""
    path = route.path
    if route.endpoint in OF_DELETED:
        path = path.replace("a-post", "gone")
    send = visitor.get if route.method == "GET" else visitor.post
    answer = send(path, **({} if route.method == "GET" else {"data": {"key": KEY, "body": "x"}}))
    return answer.status_code, answer.location or ""


def test_each_page_opens_to_its_permission_only(
    people: tuple[Site, dict[str, Visitor]],
) -> None:
    """Those without it get 403 or 404, and strangers the sign-in page: so do a neighbour's editors."""
    site, kinds = people
    granted = {role.value: grants for role, grants in GRANTS.items()} | {"owner": OWNER}
    asked, routes = 0, list_all(site)
    check_named(routes, EVERYBODY, WANTED)
    for route in routes:
        if (wanted := WANTED.get(route.endpoint)) is None:
            continue
        for name, visitor in kinds.items():
            status, location = ask(visitor, route)
            case = f"{route} as {name}: {status} {location}"
            asked += 1
            if wanted in granted.get(name, ()):
                assert status not in {401, 403}, case
                assert "/members/sign-in" not in location or route.endpoint in ENDS_THE_SESSION, (
                    case
                )
            elif name in granted:
                assert status in ({403, 404} if route.endpoint in OF_DELETED else {403}), case
            else:
                assert (status, "/members/sign-in" in location) == (302, True), case
    assert asked > 100


def test_roles_only_grow() -> None:
    """Each role may do what those before it may, and no permission is nobody's."""
    grants = [GRANTS[role] for role in Role]
    assert all(small < large for small, large in itertools.pairwise(grants))
    assert grants[-1] <= OWNER == set(Permission)


def test_a_template_cannot_ask_for_what_does_not_exist(site: Site) -> None:
    """A misspelled permission is an error, and not a no."""
    site.add_member()
    member = site.find_member("ann")
    assert member is not None
    with pytest.raises(ValueError, match="edit-al"):
        member.may("edit-al")  # type: ignore[arg-type] # as a template would


def test_the_documented_table_is_the_real_one() -> None:
    """docs/site.md says who may do what."""
    page = (Path(__file__).parents[2] / "docs" / "site.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| [^|]+ \|([^\n]+)\|$", page, re.MULTILINE)
    everybody = [*(GRANTS[role] for role in Role), OWNER]
    assert [name for name, _ in rows] == [permission.value for permission in Permission]
    for name, cells in rows:
        told = [cell.strip() == "yes" for cell in cells.split("|")]
        assert told == [Permission(name) in grants for grants in everybody], name
