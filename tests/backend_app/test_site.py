"""A tenant's own backend: settings, sections, activity, the way in, and what states allow."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tenantry.mail.outbox import compose
from tenantry.mail.rendering import Rendered
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.backend_app.conftest import Browser, World

ACME = "acme.example.test"
YES = {"confirmed": "yes"}
LOOK = {"tagline": "Fresh", "language": "pt-BR"}
FORM = {"name": "Acme Bakery", **LOOK, "accent": "#b4541f", "listed": "y"}


def move(world: World, state: TenantState) -> None:
    world.catalog.tenants.transition(world.catalog.tenants.get("acme").id, state, by=SYSTEM)


def test_settings_change_the_tenant(world: World, olga: Browser) -> None:
    """Saving makes a new revision, which is what makes every worker rebuild the site."""
    before = world.catalog.tenants.get("acme")
    assert olga.post("/settings", FORM, ACME).status_code == 303
    after = world.catalog.tenants.get("acme")
    assert after.revision == before.revision + 1
    assert after.name == "Acme Bakery"
    mail = {"mail_name": None, "mail_reply_to": None}  # which this form did not send
    assert after.settings == {**LOOK, **mail, "accent": "#b4541f", "listed": True}
    assert "Acme Bakery" in olga.get("/settings", ACME).text
    assert world.actions(after.id)[0] == "tenant.configure"
    assert "name from “Acme” to “Acme Bakery”" in olga.get("/activity", ACME).text


def test_owners_choose_the_sender_of_their_mail(world: World, olga: Browser) -> None:
    """The name and the address for answers are what the next mail has."""
    assert "no-reply@example.test" in olga.get("/settings", ACME).text
    mail = {"mail_name": "Acme\r\nBakery", "mail_reply_to": "shop@b\u00fccher.example"}
    assert olga.post("/settings", {**FORM, **mail}, ACME).status_code == 303
    message = message_from_bytes(
        compose(
            Rendered("Hello", "Text", "<p>Text"),
            "ada@reader.test",
            "0" * 32,
            settings=world.settings,
            platform_name="Tenantry",
            tenant=world.catalog.tenants.get("acme"),
        ),
        policy=default,
    )
    assert message["From"] == "Acme Bakery <no-reply@example.test>"
    assert message["Reply-To"] == "shop@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param({"mail_reply_to": "nobody"}, "This is not an e-mail address", id="no address"),
        pytest.param({"mail_reply_to": "\u00fc@b.test"}, "only ASCII can stand", id="local part"),
        pytest.param({"mail_name": "x" * 101}, "longer than 100", id="long sender"),
        pytest.param({"name": ""}, "This field is required", id="no name"),
        pytest.param({"accent": "red;}"}, "A colour as", id="no colour"),
        pytest.param({"accent": "#b4541f\n"}, "A colour as", id="line break"),
        pytest.param({"language": "Klingon"}, "A language tag", id="no language"),
        pytest.param({"tagline": "x" * 161}, "longer than 160", id="long tagline"),
    ],
)
def test_settings_that_are_wrong_are_not_saved(
    world: World, olga: Browser, change: dict[str, str], problem: str
) -> None:
    """The form says what is wrong; the revision stays."""
    before = world.catalog.tenants.get("acme")
    response = olga.post("/settings", {**FORM, **change}, ACME)
    assert response.status_code == 422
    assert problem in response.text
    assert world.catalog.tenants.get("acme") == before


def test_a_section_is_searched_and_has_pages(olga: Browser) -> None:
    """The table is the tenant's own data, in pages."""
    first = olga.get("/sections/things", ACME).text
    assert "acme thing 01" in first
    assert "acme thing 26" not in first
    assert "acme thing 26" in olga.get("/sections/things?page=2", ACME).text
    found = olga.get("/sections/things?search=thing+07", ACME).text
    assert "acme thing 07" in found
    assert "acme thing 08" not in found
    assert 'href="http://acme.example.test/things/7"' in found


def test_an_action_is_done_and_in_the_trail(world: World, olga: Browser) -> None:
    """With its choice, its result, and the account that did it."""
    response = olga.post("/sections/things/3/paint", {"choice": "blue"}, ACME)
    assert response.location == "/backend/sections/things?page=1"
    assert "acme thing 03 is blue now." in olga.get("/sections/things", ACME).text
    event = world.catalog.audit.list(tenant_id=world.catalog.tenants.get("acme").id).items[0]
    assert (event.action, event.actor) == ("section.paint", "olga@example.com")
    assert event.detail["row"] == "3"


@pytest.mark.parametrize(
    ("path", "choice", "problem"),
    [
        pytest.param("3/paint", "green", "not one of the choices", id="unknown choice"),
        pytest.param("99/remove", None, "no longer exists", id="row is gone"),
        pytest.param("3/refuse", None, "This is never done", id="refused by the app"),
    ],
)
def test_an_action_that_fails_says_why(
    world: World, olga: Browser, path: str, choice: str | None, problem: str
) -> None:
    """And leaves no line of something done."""
    olga.post(f"/sections/things/{path}", {**YES, **({"choice": choice} if choice else {})}, ACME)
    assert problem in olga.get("/sections/things", ACME).text
    assert not [action for action in world.actions() if action.startswith("section.")]


def test_what_cannot_be_taken_back_is_asked_first(olga: Browser) -> None:
    """Without scripts a page asks; it sends the same form again, with the answer."""
    path = "/sections/things/3/remove"
    asked = olga.post(f"{path}?page=1", {"choice": "x"}, host=ACME)
    assert asked.status_code == 200
    assert "Remove it?" in asked.text
    assert f'action="/backend{path}?page=1"' in asked.text
    assert 'name="choice" value="x"' in asked.text
    assert "acme thing 03" in olga.get("/sections/things", ACME).text
    program = olga.post(path, host=ACME, headers={"Accept": "application/json"})
    assert program.status_code == 400
    assert "confirmed=yes" in program.get_json(force=True)["detail"]
    assert olga.post(path, YES, host=ACME).status_code == 303
    assert "acme thing 03 is removed" in olga.get("/sections/things", ACME).text


@pytest.mark.parametrize(
    "path", ["/sections/nothing", "/sections/nothing/3/paint", "/sections/things/3/explode"]
)
def test_what_the_app_does_not_offer_is_not_found(olga: Browser, path: str) -> None:
    """Only sections and actions that the tenant's app names can be reached."""
    method = "GET" if path.count("/") == 2 else "POST"
    response = olga.get(path, ACME) if method == "GET" else olga.post(path, host=ACME)
    assert response.status_code == 404


def test_each_site_manages_its_own(world: World, olga: Browser) -> None:
    """R40: the same path on another host is another tenant's data."""
    olga.post("/sections/things/3/remove", YES, host=ACME)
    bolt = world.browser("otto@example.com", "bolt.example.test")
    page = bolt.get("/sections/things", "bolt.example.test").text
    assert "bolt thing 03" in page
    assert "acme" not in page
    assert "acme" not in bolt.get("/activity", "bolt.example.test").text


def test_whoever_manages_a_site_sees_its_maintenance(
    world: World, olga: Browser, operator: Browser
) -> None:
    """The owner and the operator read what visitors read, and until when."""
    acme = world.catalog.tenants.get("acme")
    ends = datetime(2099, 12, 1, 6, tzinfo=UTC)
    world.catalog.tenants.begin_maintenance(
        acme.id, notice="New engine.", reason="ticket 7", reopens_at=ends, by=SYSTEM
    )
    page = olga.get("/", ACME).text
    assert "They read: “New engine.” It ends at 2099-12-01 06:00 UTC." in page
    page = operator.get("/tenants/acme").text
    assert "Visitors read: “New engine.”" in page
    assert "ticket 7" in page
    assert "Resume the site" in page


@pytest.mark.parametrize("state", [TenantState.SUSPENDED, TenantState.MAINTENANCE])
def test_a_site_that_is_not_active_can_be_read(
    world: World, olga: Browser, state: TenantState
) -> None:
    """Everything is there with a banner, and nothing on the site can be changed."""
    move(world, state)
    page = olga.get("/sections/things", ACME).text
    assert "acme thing 01" in page
    assert "Remove</button>" not in page
    assert state.value.capitalize() in page
    olga.post("/sections/things/3/remove", YES, host=ACME)
    assert "acme thing 03" in olga.get("/sections/things", ACME).text
    assert olga.post("/open", host=ACME).status_code == 403
    assert olga.post("/settings", FORM, ACME).status_code == 303


@pytest.mark.parametrize("state", [TenantState.ARCHIVED, TenantState.DELETED])
def test_a_site_that_is_gone_has_no_backend(
    world: World, olga: Browser, state: TenantState
) -> None:
    """R34: it looks like a host that nobody has."""
    move(world, TenantState.ARCHIVED)
    if state == TenantState.DELETED:
        move(world, state)
    assert olga.get("/", ACME).status_code == 404
    assert olga.get("/enter/x", ACME).text == olga.get("/enter/x", "nobody.example.test").text


def test_the_owner_opens_the_site_signed_in(world: World, olga: Browser) -> None:
    """The tenant's own app makes the way in, in its own context."""
    response = olga.post("/open", host=ACME)
    assert response.status_code == 303
    assert response.location == "http://acme.example.test/members/enter/olga@example.com"
    assert world.actions()[0] == "site.opened"


def test_staff_and_operators_are_not_made_owners_in_passing(world: World) -> None:
    """Whoever owns nothing there gets no account on a customer's site."""
    acme = world.catalog.tenants.get("acme")
    sam = world.add_account("sam@example.com")
    world.catalog.memberships.add(sam.id, acme.id, "staff", by=SYSTEM)
    staff = world.browser("sam@example.com", ACME)
    assert staff.get("/", ACME).status_code == 200
    assert "signed in<" not in staff.get("/", ACME).text
    assert staff.post("/open", host=ACME).status_code == 403
    assert world.visitor("acme").post("/open", host=ACME).status_code == 403


def test_a_custom_domain_leads_over_a_page(world: World, olga: Browser) -> None:
    """From the platform's host to the site's own one: browsers block a redirect of a form there."""
    world.catalog.hosts.add(
        world.catalog.tenants.get("acme").id, "bakery.example.org", proof="operator", by=SYSTEM
    )
    response = olga.post("/open", host=ACME)
    assert response.status_code == 200
    assert response.headers["Refresh"].startswith("0; url=http://bakery.example.org/members/enter/")


def test_a_broken_site_keeps_its_backend(world: World, olga: Browser) -> None:
    """The overview, settings and activity work; what needs the app says so, with the error's id."""
    world.workshop.broken.add("acme")
    world.pool.retire(None)
    page = olga.get("/", ACME)
    assert page.status_code == 200
    assert "does not answer" in page.text
    assert olga.get("/settings", ACME).status_code == 200
    response = olga.get("/sections/things", ACME)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "<dt>Error</dt>" in response.text


def test_a_site_with_nothing_to_manage_has_settings(world: World, olga: Browser) -> None:
    """Any app may be a tenant's; one that offers nothing has a short menu."""
    world.workshop.bare.add("acme")
    world.pool.retire(None)
    page = olga.get("/", ACME).text
    assert "Things" not in page
    assert "Settings" in page
    assert olga.get("/sections/things", ACME).status_code == 404
    assert olga.post("/open", host=ACME).status_code == 404


def test_owners_do_not_learn_where_an_operator_sits(world: World, olga: Browser) -> None:
    """The trail names the operator, not the address."""
    visitor = world.visitor("acme")
    visitor.post("/settings", FORM, ACME, environ_overrides={"REMOTE_ADDR": "192.0.2.77"})
    assert "192.0.2.77" in visitor.get("/activity", ACME).text
    page = olga.get("/activity", ACME).text
    assert "operator@example.com" in page
    assert "192.0.2.77" not in page


def test_a_backend_host_takes_the_console_from_the_apex(
    make_world: Callable[..., World],
) -> None:
    """R21: with a host of its own, the apex has no backend at all."""
    world = make_world(backend_host="console.example.test", routing="both")
    world.add_account("operator@example.com", operator=True)
    assert world.browser().get("/").status_code == 404
    operator = world.browser("operator@example.com", "console.example.test")
    assert "Overview" in operator.get("/", "console.example.test").text


def test_without_a_host_there_is_no_scope(world: World) -> None:
    """Law 1: a request that the front door did not name is refused, not guessed."""
    assert world.app.test_client().get("/").status_code == 404


def test_an_error_of_the_sites_app_is_a_page(world: World, olga: Browser) -> None:
    """With the request's number and nothing about the cause; the lease goes back all the same."""
    response = olga.get("/sections/things?search=explode", ACME)
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    assert "0123456789abcdef" in response.text
    assert "boiler" not in response.text
    assert world.pool.stats().leases == 0


def test_the_menu_marks_one_place(olga: Browser) -> None:
    """And it is the section that is shown."""
    page = olga.get("/sections/things", ACME).text
    assert page.count('aria-current="page"') == 3, "in the menu, the breadcrumb and the pager"
    assert '<a href="/backend/sections/things" aria-current="page">' in page


def test_a_site_whose_data_fails_keeps_its_backend(world: World, olga: Browser) -> None:
    """The tenant's code may raise what it likes: overview and settings are still there."""
    with world.pool.acquire(world.catalog.tenants.get("acme")) as lease:
        lease.instance.extensions["tenantry.management"].sections[0].is_broken = True
    page = olga.get("/", ACME)
    assert page.status_code == 200
    assert "does not answer" in page.text
    assert "boiler" not in page.text
    assert olga.get("/settings", ACME).status_code == 200


def test_a_form_has_a_limit(olga: Browser) -> None:
    """R48: nobody fills a worker's memory with a form."""
    assert olga.post("/settings", {"name": "x" * 300_000}, ACME).status_code == 413


def test_a_colour_that_is_changed_is_shown(olga: Browser) -> None:
    """Yellow cannot be read on paper: the settings say what it becomes, in which theme."""
    assert "in the light theme" not in olga.get("/settings", ACME).text
    olga.post("/settings", {**FORM, "accent": "#ffff00"}, ACME)
    page = olga.get("/settings", ACME).text
    assert "#ffff00 would not stand out enough everywhere." in page
    assert 'fill="#ffff00"' in page
    assert 'fill="#8f8f00"' in page
    assert "#8f8f00 in the light theme." in page
