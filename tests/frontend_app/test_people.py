"""People of a site: invited, accepted, changed, gone; and never another site's or account's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tests.frontend_app.conftest import PASSWORD
from tests.markup import find_flaws

if TYPE_CHECKING:
    from tests.frontend_app.conftest import Front

OLGA, OTTO, EVE = "olga@mail.test", "otto@mail.test", "eve@mail.test"
PEOPLE = "/sites/acme/people"


@pytest.fixture(autouse=True)
def _sites(front: Front) -> None:
    """Olga owns Acme, Eve owns Bolt."""
    for email in (OLGA, EVE):
        front.add_account(email)
    front.add_tenant("acme", OLGA)
    front.add_tenant("bolt", EVE)


def role_of(front: Front, email: str, slug: str = "acme") -> str | None:
    account = front.catalog.accounts.find(email)
    tenant = front.catalog.tenants.get(slug)
    return front.catalog.memberships.find_role(account.id, tenant.id) if account else None


def invite(front: Front, email: str = OTTO, role: str = "staff") -> str:
    """Invite somebody as Olga; return the link's path."""
    form = {"invite-email": email, "invite-role": role}
    assert front.person(OLGA).post(f"{PEOPLE}/invite", form).status_code == 303
    return front.link(email)


def test_a_colleague_without_an_account_joins(front: Front) -> None:
    """The link makes the account, with the invited address and no other."""
    link = invite(front)
    otto = front.person()
    page = otto.get(link)
    assert find_flaws(page.text) == []
    assert role_of(front, OTTO) is None
    form = {"name": "Otto", "password": PASSWORD, "again": PASSWORD}
    assert otto.post(link, form | {"again": "other"}).status_code == 422
    assert otto.post(link, form | {"password": "short", "again": "short"}).status_code == 422
    assert otto.post(link, form).status_code == 303
    assert role_of(front, OTTO) == "staff"
    assert "Acme" in otto.get("/sites").text
    account = front.catalog.accounts.find(OTTO)
    assert account is not None
    assert account.confirmed_at is not None
    assert front.person().get(link).status_code == 404


def test_a_colleague_with_an_account_accepts(front: Front) -> None:
    """Signed in as the invited address; another account gets nothing from the link."""
    front.add_account(OTTO)
    link = invite(front, role="owner")
    eve = front.person(EVE)
    assert "This invitation is for otto@mail.test" in eve.get(link).text
    eve.post(link)
    assert role_of(front, EVE) is None
    stranger = front.person()
    assert f"/signin?next={link}" in stranger.get(link).text
    stranger.post(link, {"password": PASSWORD, "again": PASSWORD})
    assert role_of(front, OTTO) is None
    otto = front.person(OTTO)
    assert otto.post(link).status_code == 303
    assert role_of(front, OTTO) == "owner"


def test_an_invitation_is_withdrawn(front: Front) -> None:
    """By an owner of that site; then the link is over."""
    link = invite(front)
    acme = front.catalog.tenants.get("acme")
    (open_one,) = front.catalog.invitations.list(acme.id)
    front.person(EVE).post("/sites/bolt/people/withdraw", {"invitation": open_one.hash})
    assert front.person().get(link).status_code == 200
    front.person(OLGA).post(f"{PEOPLE}/withdraw", {"invitation": open_one.hash})
    assert front.person().get(link).status_code == 404


def test_a_transfer_needs_both(front: Front) -> None:
    """Olga offers and says so twice; Otto accepts; then he owns it, and she is an admin."""
    front.add_account(OTTO)
    olga = front.person(OLGA)
    assert olga.post(f"{PEOPLE}/transfer", {"transfer-email": OLGA}).status_code == 422
    asked = olga.post(f"{PEOPLE}/transfer", {"transfer-email": OTTO})
    assert "They will own it in your place" in asked.text
    assert front.mails(OTTO) == []
    olga.post(f"{PEOPLE}/transfer", {"transfer-email": OTTO, "confirmed": "yes"})
    assert role_of(front, OTTO) is None
    link = front.link(OTTO)
    front.person(OTTO).post(link)
    assert (role_of(front, OTTO), role_of(front, OLGA)) == ("owner", "staff")
    assert olga.post(f"{PEOPLE}/invite", {"invite-email": EVE}).status_code == 403


def test_there_is_always_an_owner(front: Front) -> None:
    """The last one neither leaves nor steps down, nor is removed."""
    olga = front.catalog.accounts.find(OLGA)
    assert olga is not None
    person = front.person(OLGA)
    for path, form in (
        ("role", {"account": olga.id, "role": "staff"}),
        ("remove", {"account": olga.id, "confirmed": "yes"}),
    ):
        person.post(f"{PEOPLE}/{path}", form)
        assert role_of(front, OLGA) == "owner"
    front.add_account(OTTO)
    acme = front.catalog.tenants.get("acme")
    otto = front.catalog.accounts.find(OTTO)
    assert otto is not None
    front.catalog.memberships.add(otto.id, acme.id, "staff", by=SYSTEM)
    person.post(f"{PEOPLE}/role", {"account": otto.id, "role": "owner"})
    person.post(f"{PEOPLE}/remove", {"account": olga.id, "confirmed": "yes"})
    assert (role_of(front, OTTO), role_of(front, OLGA)) == ("owner", None)


def test_an_admin_sees_and_leaves(front: Front) -> None:
    """And changes nobody's role, nor the own one."""
    acme, otto = front.catalog.tenants.get("acme"), front.add_account(OTTO)
    front.catalog.memberships.add(otto.id, acme.id, "staff", by=SYSTEM)
    olga = front.catalog.accounts.find(OLGA)
    assert olga is not None
    person = front.person(OTTO)
    page = person.get(PEOPLE)
    assert find_flaws(page.text) == []
    assert OLGA in page.text
    assert "Invite a colleague" not in page.text
    for path, form in (
        ("invite", {"invite-email": EVE}),
        ("transfer", {"transfer-email": OTTO, "confirmed": "yes"}),
        ("role", {"account": otto.id, "role": "owner"}),
        ("remove", {"account": olga.id, "confirmed": "yes"}),
        ("withdraw", {"invitation": "x"}),
    ):
        assert person.post(f"{PEOPLE}/{path}", form).status_code == 403, path
    assert (
        person.post(f"{PEOPLE}/remove", {"account": otto.id, "confirmed": "yes"}).status_code == 303
    )
    assert role_of(front, OTTO) is None


@pytest.mark.parametrize("email", ["no address", "", "a@b.test\nBcc: c@d.test", "x" * 300])
def test_a_wrong_address_invites_nobody(front: Front, email: str) -> None:
    """The form comes back, and no mail goes out."""
    answer = front.person(OLGA).post(f"{PEOPLE}/invite", {"invite-email": email})
    assert answer.status_code == 422
    assert [mail for mail in front.mails() if "invites" in mail["Subject"]] == []


def test_opening_and_managing(front: Front) -> None:
    """The owner is signed in at the site; an admin goes to its backend."""
    olga = front.person(OLGA)
    assert "/members/enter/olga@mail.test" in olga.post("/sites/acme/open").headers["Refresh"]
    assert "/backend/enter/" in olga.post("/sites/acme/manage").headers["Refresh"]
    acme, otto = front.catalog.tenants.get("acme"), front.add_account(OTTO)
    front.catalog.memberships.add(otto.id, acme.id, "staff", by=SYSTEM)
    assert "/backend/enter/" in front.person(OTTO).post("/sites/acme/open").headers["Refresh"]
