"""Who may do what: every route with every credential, generated from the URL map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from flask import Flask

from backend_app.access import Audience, audience_of, require_audiences
from tests.routes import list_routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.test import TestResponse

    from tests.backend_app.conftest import World

APEX = "example.test"
ACME = "acme.example.test"


@dataclass(frozen=True)
class Person:
    """Somebody with a credential, at a host where it may or may not count."""

    name: str
    host: str
    account: str | None = None
    session_of: str | None = None
    """The tenant whose session it is; ``None`` for the platform's."""
    as_operator: bool = False
    counts: bool = False
    """Whether the session is good on this host."""
    operator: bool = False


PEOPLE = [
    Person("anonymous on the apex", APEX),
    Person("anonymous on Acme", ACME),
    Person("anonymous on a host of nobody", "nobody.example.test"),
    Person("owner of Acme on the apex", APEX, "olga@example.com", counts=True),
    Person("owner of Acme on Acme", ACME, "olga@example.com", "acme", counts=True),
    Person("owner of Bolt on the apex", APEX, "otto@example.com", counts=True),
    Person("owner of Bolt with Bolt's session on Acme", ACME, "otto@example.com", "bolt"),
    Person("owner of Bolt with a session for Acme", ACME, "otto@example.com", "acme"),
    Person("owner of Acme with Acme's session on the apex", APEX, "olga@example.com", "acme"),
    Person("operator on the apex", APEX, "operator@example.com", counts=True, operator=True),
    Person("operator with the apex's session on Acme", ACME, "operator@example.com"),
    Person("operator without a link on Acme", ACME, "operator@example.com", "acme"),
    Person("operator on a visit", ACME, "operator@example.com", "acme", True, counts=True),
    Person("operator's visit, taken to the apex", APEX, "operator@example.com", "acme", True),
    Person("operator on a host of nobody", "nobody.example.test", "operator@example.com"),
    Person("owner on her archived site", "old.example.test", "olga@example.com", "old"),
]

ARGUMENTS = {
    "slug": "acme",
    "host": "shop.example.org",
    "token": "no-such-token",
    "session_id": "no-such-session",
    "token_id": "no-such-token",
    "name": "things",
    "row_id": "3",
    "action": "paint",
    "operation": "release",
    "destructive": "restore",
    "job_id": 1,
    "document": "terms",
    "number": 0,
    "own": "export",
    "many": "archive",
    "node_id": "no-such-node",
    "change": "drain",
    "announcement_id": 1,
    "webhook_id": "no-such-webhook",
    "message_id": "no-such-message",
    "choice": "on",
}


@pytest.fixture
def crowd(make_world: Callable[..., World]) -> World:
    """Return a platform whose people have sessions but, to save time, no passwords."""
    from tenantry.catalog import SYSTEM
    from tenantry.values.tenant import TenantState

    world = make_world()
    world.add_tenant("acme", "olga@example.com")
    world.add_tenant("bolt", "otto@example.com")
    old = world.add_tenant("old", "olga@example.com")
    world.catalog.tenants.transition(old.id, TenantState.ARCHIVED, by=SYSTEM)
    world.catalog.accounts.add("operator@example.com", operator=True, by=SYSTEM)
    return world


def requests_of(world: World) -> list[tuple[str, str, Audience]]:
    """Return method, path and audience of everything that the app answers."""
    account = world.catalog.accounts.find("otto@example.com")
    assert account is not None
    found = []
    for route in list_routes(world.app, {**ARGUMENTS, "account_id": account.id}):
        audience = audience_of(world.app.view_functions[route.endpoint])
        assert audience is not None, f"{route.endpoint} says not who may use it"
        if audience.name != "nobody":
            found.append((route.method, route.path, audience))
    # What ends sessions or closes the site comes last, so that the others meet them open.
    last = ("/suspend", "/sign-out", "/end-sessions")
    return sorted(found, key=lambda it: (it[1].endswith(last), it[1], it[0]))


def send(world: World, person: Person, method: str, path: str) -> TestResponse:
    browser = world.browser()
    if person.account:
        claims = {"as_operator": True} if person.as_operator else {}
        browser.adopt(world.sign_cookie(person.account, person.session_of, **claims), person.host)
    data = {"csrf_token": world.form_token()} if method == "POST" else None
    return browser.open(method, path, person.host, data=data)


def expected(person: Person, audience: Audience, method: str) -> set[str]:
    """Return the acceptable outcomes, from the rules alone."""
    if person.host not in {APEX, ACME}:
        return {"404"}
    if not (audience.platform if person.host == APEX else audience.site):
        return {"404"}
    if not audience.signed_in:
        return {
            "answered",
            "sign in",
            "404",
            "400",
        }  # a token that opens nothing, a form without a session
    if not person.counts:
        return {"sign in"}
    if (audience.operator and not person.operator) or (audience.member and person.as_operator):
        return {"403"}
    return {"answered", "404"}  # 404: somebody else's site


def outcome(response: TestResponse) -> str:
    if response.status_code in {302, 303} and "/signin" in response.location:
        # Signing out leads there, too; but then the session is gone.
        return "sign in"
    if response.status_code in {400, 403, 404, 405}:
        return str(response.status_code)
    assert response.status_code < 500, response.text
    return "answered"


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.name)
def test_every_route_holds_to_its_audience(crowd: World, person: Person) -> None:
    """R40: no credential opens more than its audience says, on any route, now and later."""
    wrong = []
    for method, path, audience in requests_of(crowd):
        found = outcome(send(crowd, person, method, path))
        wanted = expected(person, audience, method)
        if path.endswith("/sign-out") and person.counts:
            wanted = {"sign in", "answered"}
        if found not in wanted:
            wrong.append(f"{method} {path}: {found}, not {wanted}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "person",
    [person for person in PEOPLE if person.counts],
    ids=lambda person: person.name,
)
def test_every_post_wants_its_token(crowd: World, person: Person) -> None:
    """A form without this session's token is refused with 400, on every route."""
    for method, path, audience in requests_of(crowd):
        here = audience.platform if person.host == APEX else audience.site
        if method != "POST" or not here:
            continue
        if (audience.operator and not person.operator) or (audience.member and person.as_operator):
            continue
        claims = {"as_operator": True} if person.as_operator else {}
        cookie = crowd.sign_cookie(person.account or "", person.session_of, **claims)
        browser = crowd.browser().adopt(cookie, person.host)
        assert browser.open("POST", path, person.host).status_code == 400, path


def test_a_view_that_nobody_marked_stops_the_start() -> None:
    """A new view has to say who may use it."""
    app = Flask("forgetful", static_folder=None)
    app.add_url_rule("/", "forgotten", lambda: "open to all")
    with pytest.raises(RuntimeError, match="forgotten"):
        require_audiences(app)


@pytest.mark.parametrize("sender", ["same-site", "cross-site"])
def test_a_sibling_sites_form_is_refused(crowd: World, sender: str) -> None:
    """R22: a page on bolt.example.test cannot act on acme.example.test, token or not."""
    browser = crowd.browser().adopt(crowd.sign_cookie("olga@example.com", "acme"), ACME)
    response = browser.open(
        "POST",
        "/settings",
        ACME,
        data={"csrf_token": crowd.form_token(), "name": "Taken over"},
        headers={"Sec-Fetch-Site": sender},
    )
    assert response.status_code == 403
    assert crowd.catalog.tenants.get("acme").name == "Acme"
