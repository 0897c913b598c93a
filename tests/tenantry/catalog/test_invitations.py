"""Invitations: for one address, once, and never to less than one has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from tenantry.catalog import SYSTEM, Account, Actor, Catalog
from tenantry.catalog.invitations import MOST_OPEN
from tenantry.catalog.models import InvitationRecord
from tenantry.errors import LastOwnerError, LinkError, TooManyInvitationsError

if TYPE_CHECKING:
    from tenantry.values.tenant import Tenant


@pytest.fixture
def acme(any_catalog: Catalog) -> Tenant:
    """Return Olga's site."""
    made = any_catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    return any_catalog.provisioning.activate({made.id: "olga@x.test"}, by=SYSTEM)[0]


def account(catalog: Catalog, email: str) -> Account:
    return catalog.accounts.find(email) or catalog.accounts.add(email, by=SYSTEM)


def as_person(person: Account) -> Actor:
    return Actor("owner", person.email, account_id=person.id)


def test_an_invitation_works_for_its_address_once(any_catalog: Catalog, acme: Tenant) -> None:
    """Another account's holder gets nothing from it; the right one is confirmed by it."""
    otto, eve = account(any_catalog, "otto@x.test"), account(any_catalog, "eve@x.test")
    token = any_catalog.invitations.create("OTTO@x.test", "staff", tenant_id=acme.id, by=SYSTEM)
    assert any_catalog.invitations.find(token).email == otto.email
    with pytest.raises(LinkError):
        any_catalog.invitations.accept(token, eve, by=SYSTEM)
    with pytest.raises(LinkError):
        any_catalog.invitations.use_sign_up(token, by=SYSTEM)

    any_catalog.invitations.accept(token, otto, by=SYSTEM)

    assert any_catalog.memberships.find_role(otto.id, acme.id) == "staff"
    assert any_catalog.memberships.find_role(eve.id, acme.id) is None
    assert account(any_catalog, otto.email).confirmed_at is not None
    with pytest.raises(LinkError):
        any_catalog.invitations.accept(token, otto, by=SYSTEM)


def test_invitations_end(any_catalog: Catalog, acme: Tenant) -> None:
    """After a week, when withdrawn by their own site, and when a newer one replaces them."""
    invitations = any_catalog.invitations
    older = invitations.create("otto@x.test", "staff", tenant_id=acme.id, by=SYSTEM)
    newer = invitations.create("otto@x.test", "owner", tenant_id=acme.id, by=SYSTEM)
    with pytest.raises(LinkError):
        invitations.find(older)
    (found,) = invitations.list(acme.id)
    other = any_catalog.tenants.add("bolt", name="Bolt", by=SYSTEM)
    assert not invitations.withdraw(other.id, found.hash, by=SYSTEM)
    assert invitations.withdraw(acme.id, found.hash, by=SYSTEM)
    with pytest.raises(LinkError):
        invitations.find(newer)
    last = invitations.create("otto@x.test", "staff", tenant_id=acme.id, by=SYSTEM)
    with any_catalog.store.writing(SYSTEM) as writer:
        past = datetime.now(UTC) - timedelta(seconds=1)
        writer.session.execute(update(InvitationRecord).values(expires_at=past))
    with pytest.raises(LinkError):
        invitations.find(last)


def test_a_site_has_so_many_open_ones(any_catalog: Catalog, acme: Tenant) -> None:
    """Law 6: an owner cannot fill the catalog."""
    for number in range(MOST_OPEN):
        any_catalog.invitations.create(f"p{number}@x.test", "staff", tenant_id=acme.id, by=SYSTEM)
    with pytest.raises(TooManyInvitationsError):
        any_catalog.invitations.create("one@x.test", "staff", tenant_id=acme.id, by=SYSTEM)


def test_a_transfer_needs_both_sides(any_catalog: Catalog, acme: Tenant) -> None:
    """The one who offers stays on as staff; an offer by someone who owns nothing is void."""
    olga, otto = account(any_catalog, "olga@x.test"), account(any_catalog, "otto@x.test")
    offer = any_catalog.invitations.create(
        otto.email, "transfer", tenant_id=acme.id, by=as_person(olga)
    )
    assert any_catalog.tenants.get("acme").owners == (olga.email,)
    assert any_catalog.invitations.accept(offer, otto, by=SYSTEM).owners == (otto.email,)
    assert any_catalog.memberships.find_role(olga.id, acme.id) == "staff"

    void = any_catalog.invitations.create(
        "eve@x.test", "transfer", tenant_id=acme.id, by=as_person(olga)
    )
    with pytest.raises(LinkError):
        any_catalog.invitations.accept(void, account(any_catalog, "eve@x.test"), by=SYSTEM)
    assert any_catalog.tenants.get("acme").owners == (otto.email,)


def test_an_owner_is_not_made_less_by_an_invitation(any_catalog: Catalog, acme: Tenant) -> None:
    """There is always an owner, whatever is accepted, changed or left."""
    olga, members = account(any_catalog, "olga@x.test"), any_catalog.memberships
    token = any_catalog.invitations.create(olga.email, "staff", tenant_id=acme.id, by=SYSTEM)
    any_catalog.invitations.accept(token, olga, by=SYSTEM)
    assert members.find_role(olga.id, acme.id) == "owner"
    with pytest.raises(LastOwnerError):
        members.remove(olga.id, acme.id, by=SYSTEM)
    with pytest.raises(LastOwnerError):
        members.change_role(olga.id, acme.id, "staff", by=SYSTEM)
    otto = account(any_catalog, "otto@x.test")
    members.add(otto.id, acme.id, "staff", by=SYSTEM)
    members.change_role(otto.id, acme.id, "owner", by=SYSTEM)
    members.remove(olga.id, acme.id, by=SYSTEM)
    assert [(it.email, role) for it, role in members.list_members(acme.id)] == [
        (otto.email, "owner")
    ]
