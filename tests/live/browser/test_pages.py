"""A look at every page of all three apps: wide and narrow, by day and by night."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tenantry.catalog import SYSTEM
from tests.live.browser.person import OPERATOR, PASSWORD
from tests.live.server import until

if TYPE_CHECKING:
    from tests.live.browser.conftest import NewPerson
    from tests.live.browser.person import Person
    from tests.live.conftest import NewServer


def test_pages_of_the_platform(visitor: Person) -> None:
    """The front app's pages keep their layout."""
    for name, path in {
        "index": "/",
        "directory": "/directory",
        "none": "/directory?search=zz",
    }.items():
        visitor.go("", path)
        visitor.look(f"front-{name}")
    visitor.go("", "/no-such-page", status=404)
    visitor.look("front-404")
    visitor.go("nobody", status=404)
    visitor.look("front-free-name")


def test_pages_of_a_site(new_person: NewPerson) -> None:
    """A site's pages keep their layout, for strangers and for its owner."""
    visitor = new_person()
    visitor.go("acme")
    visitor.look("site-front")
    visitor.page.locator("article").get_by_role("link").last.click()
    visitor.look("site-post")
    for name in ("sign-in", "sign-up"):
        visitor.go("acme", f"/members/{name}")
        visitor.look(f"site-{name}")
    visitor.expect_status(422)
    visitor.click("Join")
    expect(visitor.page.get_by_text("Choose a password.")).to_be_visible()
    visitor.look("site-sign-up-errors")
    visitor.go("acme", "/no-such-page", status=404)
    visitor.look("site-404")

    owner = new_person().enter_backend("owner@globex.test", slug="globex")
    owner.click("Open my site, signed in")
    for name, path in {"account": "/members/me", "drafts": "/drafts", "write": "/write"}.items():
        owner.go("globex", path)
        owner.look(f"site-{name}")
    owner.fill("Text", "## A heading\n\nSome *words*.")
    owner.click("Preview")
    expect(owner.page.get_by_role("region", name="Preview")).to_be_visible()
    owner.look("site-preview")
    owner.go("globex")
    owner.page.locator("article").get_by_role("link").first.click()
    owner.look("site-post-signed-in")


def test_pages_of_the_platforms_backend(operator: Person, visitor: Person) -> None:
    """The backend's pages on the platform's host keep their layout."""
    visitor.go("", "/backend/")
    visitor.look("backend-sign-in")
    pages = {
        "dashboard": "",
        "sites": "tenants",
        "sites-none": "tenants?search=zz",
        "site": "tenants/acme",
        "new-site": "tenants/new",
        "accounts": "accounts",
        "workers": "workers",
        "audit": "audit",
        "own-sites": "sites",
        "account": "account",
    }
    for name, path in pages.items():
        operator.go("", f"/backend/{path}")
        operator.look(f"backend-{name}")
    operator.go("", "/backend/no-such-page", status=404)
    operator.look("backend-404")


def test_pages_of_a_sites_backend(new_person: NewPerson) -> None:
    """The backend's pages on a site's host keep their layout."""
    owner = new_person().enter_backend("owner@acme.test", slug="acme")
    pages = {
        "overview": "",
        "posts": "sections/posts",
        "members": "sections/members",
        "settings": "settings",
        "activity": "activity",
    }
    for name, path in pages.items():
        owner.go("acme", f"/backend/{path}")
        owner.look(f"site-backend-{name}")
    owner.go("", "/backend/")
    owner.look("backend-sign-in-again")


def test_pages_while_a_change_cannot_be_built(new_server: NewServer, new_person: NewPerson) -> None:
    """Operators read what failed, in a layout that long problems do not break; owners a sentence."""
    environment = {"TENANTRY_FACTORY": "picky:create_app", "TENANTRY_PROCESSES": "1"}
    with new_server(env=environment) as server:
        for email, operates in ((OPERATOR, True), ("owner@acme.test", False)):
            account = server.catalog.find_account(email) or server.catalog.add_account(
                email, operator=operates, by=SYSTEM
            )
            server.catalog.set_password(account.id, PASSWORD, by=SYSTEM)
        for slug in ("acme", "globex"):
            if slug == "acme":
                assert server.site(slug).status == 200  # has an older instance to go on with
            tenant = server.catalog.get_tenant(slug)
            broken = {"tagline": "broken"}
            server.catalog.configure_tenant(tenant.id, name=slug, settings=broken, by=SYSTEM)
            server.site(slug)
        operator = new_person(server=server).enter_backend(OPERATOR)
        page = operator.page
        alert = page.get_by_role("alert").filter(has_text="could not be built")
        until(lambda: page.reload() and page.get_by_text("2 sites could not").count())
        expect(alert).to_be_visible()
        operator.look("backend-failing-dashboard")
        for slug, words in {"acme": "goes on serving", "globex": "No older revision"}.items():
            operator.go("", f"/backend/tenants/{slug}")
            expect(alert).to_contain_text("The factory does not like the tagline")
            expect(alert).to_contain_text(words)
            operator.look(f"backend-failing-{slug}")
        operator.go("", "/backend/workers")
        operator.look("backend-failing-workers")
        owner = new_person(server=server).enter_backend("owner@acme.test", slug="acme")
        expect(owner.page.get_by_role("alert")).to_contain_text("not in effect yet")
        owner.look("site-backend-failing")
