"""What the owner manages from the backend, and the link that leads to the site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from tenants.database import db
from tenants.models import EntryLink
from tenants.sign_in import LINK_LIVES
from tests.tenants.helpers import PASSWORD, make_site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenantry.management import Listing
    from tests.tenants.helpers import Site


class Backend:
    """The backend's side: it calls the management within the site's context."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.management: Any = site.app.extensions["tenantry.management"]

    def section(self, name: str) -> Any:
        """Return a section by its name."""
        return next(it for it in self.management.sections if it.name == name)

    def find(self, name: str, search: str = "", page: int = 1, size: int = 25) -> Listing:
        """Return a page of a section."""
        with self.site.app.app_context():
            listing: Listing = self.section(name).find(search=search, page=page, size=size)
            return listing

    def act(self, name: str, action: str, row_id: str, choice: str | None = None) -> str:
        """Do something with a row."""
        with self.site.app.app_context():
            done: str = self.section(name).act(action, row_id, choice=choice, actor="o@mail.test")
            return done

    def enter(self, email: str = "o@mail.test", name: str = "Olga") -> str:
        """Make a link for the owner."""
        with self.site.app.app_context():
            path: str = self.management.entry_path(email=email, name=name)
            return path


@pytest.fixture
def backend(site: Site) -> Iterator[Backend]:
    """Return the backend of the site."""
    return Backend(site)  # type: ignore[return-value]


def test_sections_describe_themselves(backend: Backend) -> None:
    """Every cell has its column and every row's action exists."""
    backend.site.add_member()
    backend.site.add_post()
    for section in backend.management.sections:
        (row,) = backend.find(section.name).rows
        assert set(row.cells) == {column.name for column in section.columns}
        assert set(row.actions) <= {action.name for action in section.actions}


def test_posts_are_listed_and_found(backend: Backend) -> None:
    """The newest comes first; words find titles and authors; percent signs are only that."""
    site = backend.site
    site.add_member()
    site.add_member("bob")
    site.add_comments(site.add_post("Red apples"), 2)
    site.add_post("100% green", by="bob", draft=True)
    listing = backend.find("posts")
    assert [row.cells["title"] for row in listing.rows] == ["100% green", "Red apples"]
    assert listing.total == 2
    assert [row.cells["comments"] for row in listing.rows] == [0, 2]
    assert [row.url for row in listing.rows] == [None, "/posts/red-apples"]
    for words, title in (("APPLES", "Red apples"), ("bob", "100% green"), ("100%", "100% green")):
        assert [row.cells["title"] for row in backend.find("posts", words).rows] == [title]
    assert backend.find("posts", "%p%").rows == ()


def test_sections_have_pages(backend: Backend) -> None:
    """A page holds what was asked for and the total counts all."""
    site = backend.site
    for number in range(5):
        site.add_member(f"m{number}")
    names = [row.cells["name"] for row in backend.find("members", page=2, size=2).rows]
    assert names == ["m2", "m1"]
    assert backend.find("members", page=9, size=2).rows == ()
    assert backend.find("members", page=9, size=2).total == 5


def test_posts_are_published_and_taken_back_and_deleted(backend: Backend) -> None:
    """Each action does what it says, and says what it did."""
    site = backend.site
    site.add_member()
    site.add_comments(site.add_post("Hello"))
    (row,) = backend.find("posts").rows
    assert row.actions == ("unpublish", "delete")
    assert backend.act("posts", "unpublish", row.id) == "“Hello” is a draft."
    assert site.visitor().get("/posts/hello").status_code == 404
    (row,) = backend.find("posts").rows
    assert row.actions == ("publish", "delete")
    assert backend.act("posts", "publish", row.id) == "“Hello” is published."
    assert site.visitor().get("/posts/hello").status_code == 200
    assert backend.act("posts", "delete", row.id).startswith("“Hello” is deleted.")
    assert backend.find("posts").rows == ()
    assert site.visitor().get("/posts/hello").status_code == 404


def test_roles_are_changed(backend: Backend) -> None:
    """A new role counts at once; what is none is refused."""
    member = backend.site.member()
    row_id = backend.find("members").rows[0].id
    assert backend.act("members", "role", row_id, "author") == "ann is an author now."
    assert member.get("/write").status_code == 200
    for choice in ("god", "", None):
        with pytest.raises(ValueError, match="is not a valid"):
            backend.act("members", "role", row_id, choice)


def test_members_are_blocked_and_let_in_again(backend: Backend) -> None:
    """Blocking ends the sessions for good: they do not come back with the member."""
    site = backend.site
    member = site.member()
    row_id = backend.find("members").rows[0].id
    assert backend.act("members", "block", row_id) == "ann is blocked."
    assert not member.is_signed_in()
    assert backend.find("members").rows[0].cells["status"] == "Blocked"
    backend.act("members", "unblock", row_id)
    assert not member.is_signed_in()
    assert member.sign_in("ann@mail.test").status_code == 303


def test_nobody_becomes_an_owner_on_the_site(backend: Backend) -> None:
    """The backend of one who was called owner here answered 422: the catalog knew nothing of it."""
    backend.site.add_member()
    action = next(it for it in backend.section("members").actions if it.name == "role")
    assert action.choices == ("member", "author", "editor", "admin")
    row_id = backend.find("members").rows[0].id
    with pytest.raises(ValueError, match="is not a valid"):
        backend.act("members", "role", row_id, "owner")


def test_an_owner_is_who_the_catalog_says(tmp_path: Path) -> None:
    """Vouched for and named there: neither a signed-up address nor a former owner is one."""
    site = make_site(tmp_path, owners=("o@mail.test", "p@mail.test"))
    squatter = site.member("p")
    assert squatter.get("/write").status_code == 403
    backend = Backend(site)
    owner = site.visitor()
    owner.get(backend.enter())
    former = site.visitor()
    former.get(backend.enter("former@mail.test", "Former"))
    assert [owner.get("/write").status_code, former.get("/write").status_code] == [200, 403]
    assert "Open the backend" in owner.get("/members/me").text
    assert "Open the backend" not in former.get("/members/me").text
    roles = {row.cells["email"]: row.cells["role"] for row in backend.find("members").rows}
    assert roles == {"o@mail.test": "owner", "p@mail.test": "member", "former@mail.test": "member"}
    site.close()


def test_an_owner_stays_one_whatever_is_done_on_the_site(tmp_path: Path) -> None:
    """Neither another role nor blocking is offered, or done."""
    site = make_site(tmp_path, owners=("o@mail.test",))
    backend = Backend(site)
    site.visitor().get(backend.enter())
    (row,) = backend.find("members").rows
    assert row.actions == ()
    for action, choice in (("role", "member"), ("block", None)):
        with pytest.raises(ValueError, match="owns this site"):
            backend.act("members", action, row.id, choice)
    site.close()


def test_a_site_from_before_keeps_its_writers(backend: Backend) -> None:
    """Whoever was called owner on the site may do what an editor may, before the migration, too."""
    site = backend.site
    member = site.member()
    with site.app.app_context():
        db.session.execute(text("UPDATE member SET role = 'owner'"))
        db.session.commit()
    assert member.get("/write").status_code == 200
    assert backend.find("members").rows[0].cells["role"] == "editor"


@pytest.mark.parametrize("row_id", ["7", "0", "-1", "x", "", str(2**31), str(2**63), "9" * 50, "٣"])
def test_rows_that_are_gone(backend: Backend, row_id: str) -> None:
    """Whatever stands for a row, what is not there is a LookupError."""
    for section, action in (("posts", "delete"), ("members", "block")):
        with pytest.raises(LookupError):
            backend.act(section, action, row_id)


def test_unknown_actions_do_nothing(backend: Backend) -> None:
    """Only the section's own actions exist."""
    backend.site.add_member()
    backend.site.add_post()
    for section in ("posts", "members"):
        with pytest.raises(LookupError):
            backend.act(section, "promote", "1")


def test_a_link_signs_the_owner_in_once(backend: Backend) -> None:
    """The owner becomes a member; the link is worth nothing after."""
    path = backend.enter()
    first, second = backend.site.visitor(), backend.site.visitor()
    assert first.get(path).location == "/"
    again = first.get(path, follow_redirects=True)
    assert "This link has expired or was already used. You are signed in already." in again.text
    refused = second.get(path)
    assert refused.status_code == 403
    assert "This link has expired or was already used." in refused.text
    assert not second.is_signed_in()
    owner = backend.site.find_member("o")
    assert owner is not None
    assert (owner.name, owner.password_hash, owner.is_platform_owner) == ("Olga", None, True)


def test_the_owner_stays_one_member(backend: Backend) -> None:
    """Each link is for the same member, who keeps password and sessions."""
    visitor = backend.site.visitor()
    visitor.get(backend.enter())
    data = {"password": "nine brown foxes", "again": "nine brown foxes"}
    assert visitor.post("/members/me/password", data).status_code == 303
    assert backend.site.visitor().get(backend.enter("O@MAIL.test")).status_code == 303
    assert backend.find("members").total == 1
    assert visitor.is_signed_in()
    assert backend.site.visitor().sign_in("o@mail.test", "nine brown foxes").status_code == 303


def test_whoever_took_the_owners_address_loses_it(backend: Backend) -> None:
    """A visitor who signed up with the owner's address does not become owner with them."""
    site = backend.site
    squatter = site.member("o")
    path = backend.enter()
    assert not squatter.is_signed_in()
    assert site.visitor().sign_in("o@mail.test", PASSWORD).status_code == 422
    owner = site.visitor()
    owner.get(path)
    assert owner.is_signed_in()


def test_a_link_is_worth_nothing_after_a_minute(backend: Backend) -> None:
    """A link that was not used in time is refused and swept away."""
    path = backend.enter()
    with backend.site.app.app_context():
        link = db.session.scalar(db.select(EntryLink))
        link.expires_at -= LINK_LIVES
        db.session.commit()
    assert backend.site.visitor().get(path).status_code == 403
    backend.enter()
    with backend.site.app.app_context():
        assert db.session.scalar(db.select(db.func.count()).select_from(EntryLink)) == 1


def test_looking_at_a_link_does_not_use_it(backend: Backend) -> None:
    """HEAD, as link previews send it, leaves the link for the owner."""
    path = backend.enter()
    visitor = backend.site.visitor()
    assert visitor.client.head(path, base_url=visitor.base).status_code == 200
    assert not visitor.is_signed_in()
    assert visitor.get(path).status_code == 303


def test_the_database_holds_no_link(backend: Backend) -> None:
    """Whoever reads the database cannot sign in with what is there (R53)."""
    token = backend.enter().rpartition("/")[2]
    with backend.site.app.app_context():
        [row] = db.session.execute(text("SELECT * FROM entry_link")).all()
    assert token not in str(row)
    if backend.site.path.exists():
        for path in backend.site.path.parent.iterdir():
            assert token.encode() not in path.read_bytes()


@pytest.mark.parametrize("token", ["x", "", "ä", "x" * 500])
def test_made_up_links_open_nothing(backend: Backend, token: str) -> None:
    """A guessed token is a refusal, not a crash."""
    assert backend.site.visitor().get(f"/members/enter/{token}").status_code in {403, 404}
