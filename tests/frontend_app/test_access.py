"""Who may do what: every route of the front app, as everybody; the list is the app's own URL map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tests.routes import check_named, list_routes

if TYPE_CHECKING:
    from tests.frontend_app.conftest import Front, Person
    from tests.routes import Route

OLGA, OTTO, EVE, MIRA = "olga@mail.test", "otto@mail.test", "eve@mail.test", "mira@mail.test"

EMAILS = {"another account": EVE, "operator": MIRA, "admin": OTTO, "owner": OLGA}

EVERYBODY = {
    *("changed_terms.form", "email_links.confirm_email", "invitations.accept"),
    *("look.colours", "look.logo", "pages.directory", "pages.favicon", "pages.imprint"),
    *("pages.index", "pages.privacy", "pages.robots", "pages.sitemap", "passkeys.sign_in"),
    *("passkeys.sign_in_options", "provider.back", "provider.begin", "sign_in.forgot"),
    *("sign_in.form", "sign_in.second", "sign_in.set_password", "sign_in.sign_out"),
    *("sign_up.check", "sign_up.confirm", "sign_up.form", "sign_up.terms"),
}
"""Pages for all; those of a link and of a step before the session know who comes by themselves."""
ACCOUNT = {
    *("own_account.data", "own_account.delete", "own_account.email", "own_account.end_session"),
    *("own_account.export", "own_account.index", "own_account.password", "own_account.sessions"),
    *("own_account.sign_out_everywhere", "own_account.withdraw_email", "own_sites.index"),
    *("second_factors.add_passkey", "second_factors.authenticator", "second_factors.index"),
    *("second_factors.make_codes", "second_factors.passkey_options", "second_factors.prove"),
    *("second_factors.remove_authenticator", "second_factors.remove_passkey"),
    *("sign_in.again", "sign_up.confirm_again"),
}
"""What an account does with itself, and with no other one."""
MEMBER = {"own_sites.manage", "own_sites.visit", "people.index", "people.remove"}
OWNER = {"people.change_role", "people.invite", "people.transfer", "people.withdraw"}
OF_DELETED = {"own_sites.undelete"}
"""There is nothing to bring back of Acme, which is open: not even its owner finds something."""

EXAMPLES = {
    "slug": "acme",
    "token": "no-such-token",
    "invitation": "no-such-invitation",
    "session_id": "no-such-session",
    "side": "new",
}
LAST = {"own_account.end_session", "own_account.sign_out_everywhere", "sign_in.sign_out"}
"""What ends sessions is asked last."""


@pytest.fixture
def people(front: Front) -> dict[str, Person]:
    """Return a browser for each kind of person. Olga owns Acme with Otto's help, Eve owns Bolt."""
    for email in (OLGA, OTTO, EVE):
        front.add_account(email)
    front.add_account(MIRA, operator=True)
    acme, _ = front.add_tenant("acme", OLGA), front.add_tenant("bolt", EVE)
    otto = front.catalog.accounts.find(OTTO)
    assert otto is not None
    front.catalog.memberships.add(otto.id, acme.id, "staff", by=SYSTEM)
    return {
        "nobody": front.person(),
        **{name: front.person(email) for name, email in EMAILS.items()},
    }


def list_all(front: Front) -> list[Route]:
    """Return all routes; what ends sessions comes last."""
    routes = list_routes(front.app, EXAMPLES)
    return sorted(routes, key=lambda route: route.endpoint in LAST)


def ask(front: Front, name: str, person: Person, route: Route) -> tuple[int, str]:
    """Ask for a page, or send a form about oneself; return status and where it leads."""
    account = front.catalog.accounts.find(EMAILS.get(name, OLGA))
    assert account is not None
    form = {"account": account.id, "role": "owner"}
    answer = person.post(route.path, form) if route.method == "POST" else person.get(route.path)
    return answer.status_code, answer.location or ""


def expected(name: str, endpoint: str) -> set[int] | None:
    """Return the statuses of a refusal; ``None`` if the person may do it."""
    if endpoint in EVERYBODY:
        return None
    if name == "nobody":
        return {303}
    if endpoint in ACCOUNT:
        return None
    if name in {"another account", "operator"} or endpoint in OF_DELETED:
        return {404}  # as if there were no such site (R40)
    return {403} if name == "admin" and endpoint in OWNER else None


def test_each_route_says_who_may_use_it(front: Front) -> None:
    """A new one has to be put into one of the lists, with an example of what its path names."""
    check_named(list_routes(front.app, EXAMPLES), EVERYBODY, ACCOUNT, MEMBER, OWNER, OF_DELETED)


def test_no_route_lets_another_one_in(front: Front, people: dict[str, Person]) -> None:
    """R40: every route as everybody; strangers sign in, and another account finds no such site."""
    tenant = front.catalog.tenants.get("acme")
    before = front.catalog.memberships.list_members(tenant.id)
    for name, person in people.items():
        for route in list_all(front):
            refused = expected(name, route.endpoint)
            status, location = ask(front, name, person, route)
            case = f"{route} as {name}: {status} {location}"
            if refused is not None:
                assert status in refused, case
                assert status != 303 or location.startswith("/signin"), case
            elif route.endpoint not in EVERYBODY | LAST:
                assert status not in {401, 403, 404}, case
                assert not location.startswith("/signin?"), case
    assert front.catalog.memberships.list_members(tenant.id) == before
    assert front.catalog.accounts.find(OLGA) is not None


def test_another_site_is_as_good_as_none(front: Front, people: dict[str, Person]) -> None:
    """R34: an owner of one site cannot tell another one's from a name that nobody has."""
    for route in list_all(front):
        if "slug" not in route.arguments:
            continue
        other = route.path.replace("/acme/", "/nobody/")
        send = people["another account"].open
        form = {"csrf_token": people["another account"].token()} if route.method == "POST" else None
        answers = [send(route.method, path, data=form) for path in (route.path, other)]
        texts = {answer.text.replace("nobody", "acme") for answer in answers}
        assert len(texts) == 1, route
