"""A look at every page of all three apps: wide and narrow, by day and by night."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from tenantry.catalog import SYSTEM
from tests.live.browser.files import as_file, draw
from tests.live.browser.person import OPERATOR, PASSWORD, WINDOWS
from tests.live.server import until

if TYPE_CHECKING:
    from playwright.sync_api import Request

    from tests.live.browser.conftest import NewPerson
    from tests.live.browser.person import Person
    from tests.live.conftest import NewServer

SMALLEST = 320
"""CSS pixels: a small telephone, or 1280 pixels at four times the size (WCAG 1.4.10)."""


def test_pages_of_the_platform(visitor: Person) -> None:
    """The front app's pages keep their layout."""
    for name, path in {
        "index": "/",
        "directory": "/directory",
        "none": "/directory?search=zz",
    }.items():
        visitor.go("", path)
        visitor.look(f"front-{name}")
        visitor.fits(SMALLEST)
    visitor.go("", "/no-such-page", status=404)
    visitor.look("front-404")
    visitor.go("nobody", status=404)
    visitor.look("front-free-name")
    visitor.fits(SMALLEST)


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
    owner.fill("Title", f"About {ARABIC}")
    owner.fill("Tags", f"Weather, {ARABIC}, {LONG}")
    owner.page.get_by_text("Cover, excerpt, address, place and time").click()
    owner.fill("Address", "about")
    owner.page.get_by_label("Shown as").select_option("page")
    owner.look("site-write-page")
    owner.fill("Text", "## A heading\n\nSome *words*.")
    owner.click("Preview")
    expect(owner.page.get_by_role("region", name="Preview")).to_be_visible()
    owner.page.get_by_label("Text", exact=True).press("Control+b")
    owner.page.keyboard.type("bold")
    expect(owner.page.locator("#preview strong")).to_have_text("bold")
    owner.look("site-preview")
    owner.click("Publish")
    owner.page.wait_for_url("**/pages/about")
    owner.look("site-page")
    owner.go("globex", "/write?new=")
    owner.fill("Title", "Fog")
    owner.fill("Tags", f"{LONG}, Weather")
    owner.fill("Text", "Some words.")
    owner.click("Publish")
    owner.sees("Fog")
    look_at_files(owner)
    for name, path in {
        "post-tags": "/posts/fog",
        "tags": "/tags",
        "tag": "/tags/weather",
        "search": "/search",
        "search-none": "/search?q=zz",
        "search-odd": f"/search?q={ARABIC}",
    }.items():
        visitor.go("globex", path)
        visitor.look(f"site-{name}")
    visitor.fill("Words to search for", "THE we")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator("mark").first).to_be_visible()
    visitor.look("site-search-found")
    owner.go("globex")
    owner.page.locator("article").get_by_role("link").first.click()
    owner.look("site-post-signed-in")


def test_pages_of_a_sites_people(new_person: NewPerson) -> None:
    """What moderators, authors and their followers have on the site keeps its layout."""
    owner = new_person().enter_backend("owner@globex.test", slug="globex")
    owner.click("Open my site, signed in")
    owner.go("globex")
    owner.page.locator("article").get_by_role("link").last.click()
    owner.page.locator(".post-header").get_by_role("link").first.click()
    owner.look("site-author")
    pages = ("/moderation", "/moderation/rules", "/following", "/members/profile")
    for path in pages:
        owner.go("globex", path)
        owner.look(f"site{path.replace('/', '-')}")


def look_at_files(owner: Person) -> None:
    """Look at the library, empty and with odd names, and at its files."""
    owner.go("globex", "/media")
    owner.look("site-files-none")
    owner.expect_status(422)
    owner.click("Upload")
    owner.look("site-files-error")
    files = ((f"{ARABIC}.png", draw("teal")), (f"{LONG} {LONG}.txt", b"Words."))
    for name, content in files:
        owner.go("globex", "/media")
        owner.page.get_by_label("File", exact=True).set_input_files([as_file(name, content)])
        owner.click("Upload")
        owner.is_told("is uploaded")
        owner.look(f"site-file-{name[-3:]}")
    owner.go("globex", "/media")
    owner.look("site-files")


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
        "backups": "backups",
        "domains": "all-domains",
        "plans": "plans",
        "nodes": "nodes",
        "doctor": "doctor",
        "settings": "settings/all",
        "migrations": "migrations",
        "jobs": "jobs",
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
        "backups": "own/backups",
        "import": "own/import",
        "usage": "own/usage",
        "mail": "own/mail",
        "danger": "own/danger",
        "delete": "own/delete",
    }
    for name, path in pages.items():
        owner.go("acme", f"/backend/{path}")
        owner.look(f"site-backend-{name}")


def test_pages_of_accounts(operator: Person, visitor: Person) -> None:
    """What strangers and accounts see of the platform keeps its layout, by night and by day."""
    for name in ("signup", "signin", "forgot"):
        visitor.go("", f"/{name}")
        visitor.look(f"front-{name}")
        visitor.fits(SMALLEST)
    visitor.go("", "/password/gone", status=404)
    visitor.look("front-link-gone")
    pages = ("", "email", "password", "security", "security/authenticator", "sessions", "data")
    for name in (*pages, "delete"):
        operator.go("", f"/account/{name}")
        operator.look(f"account-{name.replace('/', '-') or 'profile'}")
        operator.fits(SMALLEST)
    operator.go("", "/sites")
    operator.look("own-sites")
    operator.fits(SMALLEST)


LONG = "x" * 40
ARABIC = "دفتر ملاحظات الورشة الصغيرة"
UNBROKEN = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 2
CODE = "    " + "one long line of code, " * 12


def test_odd_names_keep_the_layout(operator: Person, new_person: NewPerson) -> None:
    """The longest address, words that do not break, and names that are read from the right."""
    create = {"Address": LONG, "Name of the site": ARABIC, "Owner's e-mail": f"{LONG}@mail.test"}
    operator.go("", "/backend/tenants/new")
    for label, value in create.items():
        operator.fill(label, value)
    operator.click("Create site")
    operator.sees(f"{ARABIC} is online")
    operator.go(LONG)
    for path in ("", f"tenants/{LONG}", "tenants", "accounts", "workers", "audit", "backups"):
        operator.go("", f"/backend/{path}")
        operator.look(f"odd-backend-{path.partition('/')[0] or 'dashboard'}")

    platform = operator.address
    owner = new_person()
    operator.go("", f"/backend/accounts?search={LONG}")
    operator.click("Set-up link")
    owner.page.goto(operator.page.get_by_label("Link", exact=True).input_value())
    owner.page.locator("input[name=password]").fill(PASSWORD)
    owner.page.locator("input[name=again]").fill(PASSWORD)
    owner.click("Set password and sign in")
    owner.page.wait_for_url(f"http://{LONG}.**")  # signed in on the one site
    owner.go("", "/sites")
    owner.look("odd-own-sites")
    owner.manage(ARABIC)
    owner.click("Open my site, signed in")
    for title, text in ((ARABIC, f"{ARABIC}\n\n{CODE}"), (UNBROKEN, UNBROKEN)):
        owner.go(LONG, "/write")
        owner.fill("Title", title)
        owner.fill("Text", text)
        owner.click("Publish")
        owner.sees(title)
        owner.fill("Your comment", text)
        owner.click("Comment")
        owner.look(f"odd-post-{title[:3]}")
    owner.go(LONG)
    owner.look("odd-site")
    heading = owner.page.get_by_role("heading", name=ARABIC, level=1)
    expect(heading).to_have_css("direction", "rtl")
    expect(owner.page.locator("h2", has_text="Donau")).to_have_css("direction", "ltr")
    assert platform(LONG) == owner.page.url


def test_only_what_scrolls_is_a_stop_on_the_way(operator: Person) -> None:
    """A table that fits is skipped by the keyboard; one that does not can be scrolled with it."""
    table = operator.page.get_by_role("region", name="Sites")
    operator.go("", "/backend/tenants?search=acme")
    expect(table).not_to_have_attribute("tabindex", "0")
    operator.page.set_viewport_size({"width": 800, "height": 900})
    table.evaluate("(box) => { box.style.width = '20rem'; }")
    expect(table).to_have_attribute("tabindex", "0")
    table.evaluate("(box) => { box.style.width = ''; }")
    expect(table).not_to_have_attribute("tabindex", "0")


SMALL_TARGETS = """() => [...document.querySelectorAll("a, button, input, select, textarea, summary")]
    .filter((e) => e.checkVisibility() && e.getAttribute("aria-hidden") !== "true")
    .filter((e) => !e.closest("p, dd, .visually-hidden, .skip-link"))
    .map((e) => [e.getBoundingClientRect(), e.outerHTML.slice(0, 100)])
    .filter(([box]) => box.width && (box.width < 24 || box.height < 24))
    .map(([box, html]) => `${box.width}x${box.height} ${html}`)"""


@pytest.mark.parametrize(
    "path", ["", "tenants", "tenants/acme", "accounts", "audit", "workers", "backups"]
)
def test_targets_are_large_enough(operator: Person, path: str) -> None:
    """In a narrow window a finger hits what it means: 24 px at least (WCAG 2.2, 2.5.8)."""
    operator.page.set_viewport_size(WINDOWS["narrow"])
    operator.go("", f"/backend/{path}")
    assert operator.page.evaluate(SMALL_TARGETS) == []


def test_the_header_stays_one_row(visitor: Person) -> None:
    """At 390 px the name folds, and the menu's button stays beside it."""
    visitor.page.set_viewport_size(WINDOWS["narrow"])
    visitor.go("globex")
    brand = visitor.page.locator(".brand").bounding_box()
    button = visitor.page.get_by_role("button", name="Menu").bounding_box()
    assert brand is not None
    assert button is not None
    assert brand["y"] < button["y"] + button["height"]
    assert button["y"] < brand["y"] + brand["height"]


def test_a_day_is_the_readers_own(new_person: NewPerson) -> None:
    """Who reads in Auckland sees the day of Auckland, and the zone on the pointer."""
    reader = new_person(timezone_id="Pacific/Auckland")
    reader.go("acme")
    for moment in reader.page.locator("time").all():
        at = datetime.fromisoformat(moment.get_attribute("datetime") or "")
        there = at.astimezone(ZoneInfo("Pacific/Auckland"))
        expect(moment).to_have_text(f"{there:%-d %B %Y}")
        assert "GMT+1" in (moment.get_attribute("title") or "")


@pytest.mark.parametrize(
    ("slug", "path"), [("", "/"), ("", "/directory"), ("", "/backend/"), ("acme", "/")]
)
def test_a_first_page_is_light(new_person: NewPerson, slug: str, path: str) -> None:
    """A browser that knows nothing of us yet loads 50 KiB at most, everything counted."""
    visitor = new_person()
    loaded: list[Request] = []

    def note(request: Request) -> None:
        loaded.append(request)  # Playwright takes no method of a list

    visitor.context.on("requestfinished", note)
    visitor.go(slug, path)
    visitor.page.wait_for_load_state("networkidle")
    sizes = [request.sizes() for request in loaded]
    total = sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes)
    assert len(loaded) > 3
    assert total < 50 * 1024, [(request.url, request.sizes()) for request in loaded]


def test_pages_while_a_change_cannot_be_built(new_server: NewServer, new_person: NewPerson) -> None:
    """Operators read what failed, in a layout that long problems do not break; owners a sentence."""
    environment = {"TENANTRY_FACTORY": "picky:create_app", "TENANTRY_PROCESSES": "1"}
    with new_server(env=environment) as server:
        for email, operates in ((OPERATOR, True), ("owner@acme.test", False)):
            account = server.catalog.accounts.find(email) or server.catalog.accounts.add(
                email, operator=operates, by=SYSTEM
            )
            server.catalog.accounts.set_password(account.id, PASSWORD, by=SYSTEM)
        for slug in ("acme", "globex"):
            if slug == "acme":
                assert server.site(slug).status == 200  # has an older instance to go on with
            tenant = server.catalog.tenants.get(slug)
            broken = {"tagline": "broken"}
            server.catalog.tenants.configure(tenant.id, name=slug, settings=broken, by=SYSTEM)
            server.site(slug)
        operator = new_person(server=server).enter_backend(OPERATOR)
        page = operator.page
        alert = page.get_by_role("alert").filter(has_text="could not be built")
        until(lambda: page.reload() and page.get_by_text("2 sites could not").count())
        expect(page.get_by_text("2 sites could not")).to_be_visible()
        operator.look("backend-failing-dashboard")
        for slug, words in {"acme": "goes on serving", "globex": "no older revision"}.items():
            operator.go("", f"/backend/tenants/{slug}")
            expect(alert).to_contain_text("The factory does not like the tagline")
            expect(alert).to_contain_text(words)
            operator.look(f"backend-failing-{slug}")
        operator.go("", "/backend/workers")
        operator.look("backend-failing-workers")
        owner = new_person(server=server).enter_backend("owner@acme.test", slug="acme")
        expect(owner.page.get_by_role("alert")).to_contain_text("not in effect yet")
        owner.look("site-backend-failing")
