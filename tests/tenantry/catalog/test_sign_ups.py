"""Sign-ups: a site and its owner at once, an address that somebody has, a site that nobody confirms."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from tenantry.catalog import SYSTEM, Account, Catalog, NewOwner
from tenantry.catalog.models import TenantRecord
from tenantry.errors import BadTransitionError, LinkError
from tenantry.security.passwords import hash_password
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.values.tenant import Tenant

PASSWORD = "four brown horses walk"
OLGA = "olga@example.com"
SOON = datetime.now(UTC) + timedelta(hours=48)


def sign_up(catalog: Catalog, slug: str, email: str = OLGA) -> tuple[Tenant, Account]:
    """Open a site as the platform does for somebody who signs up."""
    owner = NewOwner(uuid.uuid4().hex, email, hash_password(PASSWORD), "1")
    made = catalog.tenants.add(slug, name=slug.title(), by=SYSTEM)
    return catalog.sign_ups.open(made.id, owner, held_until=SOON, by=SYSTEM)


def confirm(catalog: Catalog, account: Account) -> Account:
    """Use the link of the mail."""
    hour = timedelta(hours=1)
    token = catalog.links.create("confirm", account_id=account.id, lifetime=hour, by=SYSTEM)
    confirmed = catalog.sign_ups.confirm(token, by=SYSTEM)
    with pytest.raises(LinkError):
        catalog.sign_ups.confirm(token, by=SYSTEM)
    return confirmed


def expire(catalog: Catalog, tenant: Tenant) -> None:
    """Let 48 hours pass, and delete the site as the platform does."""
    with catalog.store.writing(SYSTEM) as writer:
        past = datetime.now(UTC) - timedelta(seconds=1)
        held = update(TenantRecord).where(TenantRecord.id == tenant.id)
        writer.session.execute(held.values(held_until=past))
    for state in (TenantState.ARCHIVED, TenantState.DELETED):
        catalog.tenants.transition(tenant.id, state, by=SYSTEM)


def test_a_site_is_held_until_its_address_is_confirmed(any_catalog: Catalog) -> None:
    """It is active and quiet at once; the link in the mail releases it."""
    tenant, olga = sign_up(any_catalog, "acme")
    assert (tenant.state, tenant.quiet, tenant.held_until) == (TenantState.ACTIVE, True, SOON)
    assert tenant.owners == (OLGA,)
    assert (olga.email, olga.confirmed_at, olga.terms_version) == (OLGA, None, "1")
    assert any_catalog.sign_ups.count_held() == 1
    assert any_catalog.accounts.sign_in(OLGA, PASSWORD, by=SYSTEM) == olga

    assert confirm(any_catalog, olga).confirmed_at is not None
    found = any_catalog.tenants.get("acme")
    assert (found.quiet, found.held_until) == (False, None)
    assert found.revision > tenant.revision


def test_an_address_that_is_taken_gets_the_site_when_it_confirms(any_catalog: Catalog) -> None:
    """R34: nobody can tell from the sign-up; the site ends up with the account that has the address."""
    holder = any_catalog.accounts.add_invited(OLGA, name="", password=PASSWORD, by=SYSTEM)
    tenant, other = sign_up(any_catalog, "acme")
    assert other.id != holder.id
    assert (other.is_provisional, other.shown_email) == (True, OLGA)
    assert any_catalog.memberships.find_role(holder.id, tenant.id) is None

    assert confirm(any_catalog, other).id == holder.id
    assert any_catalog.accounts.find_by_id(other.id) is None
    assert any_catalog.tenants.get("acme").owners == (OLGA,)
    assert any_catalog.memberships.find_role(holder.id, tenant.id) == "owner"


def test_whoever_confirms_first_has_the_address(any_catalog: Catalog) -> None:
    """A sign-up with someone else's address keeps nobody from it."""
    squatted, squatter = sign_up(any_catalog, "squat")
    _, olga = sign_up(any_catalog, "acme")
    assert olga.is_provisional

    assert confirm(any_catalog, olga).email == OLGA
    assert any_catalog.tenants.get("acme").owners == (OLGA,)
    other = any_catalog.accounts.find_by_id(squatter.id)
    assert other is not None
    assert other.is_provisional
    assert any_catalog.tenants.get("squat").owners == (other.email,)
    assert any_catalog.tenants.get_by_id(squatted.id).held_until is not None


def test_a_site_that_nobody_confirms_frees_its_name(any_catalog: Catalog) -> None:
    """The site keeps its bundle and purge date under another slug; its account is forgotten."""
    tenant, _ = sign_up(any_catalog, "acme")
    with pytest.raises(BadTransitionError):
        any_catalog.sign_ups.give_up(tenant.id, by=SYSTEM)
    assert any_catalog.sign_ups.list_expired() == ()
    expire(any_catalog, tenant)
    assert any_catalog.sign_ups.list_expired() == ("acme",)

    any_catalog.sign_ups.give_up(tenant.id, by=SYSTEM)

    assert any_catalog.sign_ups.list_expired() == ()
    any_catalog.names.check("acme")
    assert any_catalog.accounts.find(OLGA) is None
    given_up = any_catalog.tenants.get_by_id(tenant.id)
    assert (given_up.state, given_up.owners) == (TenantState.DELETED, ())
    assert sign_up(any_catalog, "acme")[0].id != tenant.id
    assert any_catalog.audit.verify().first_bad is None


def test_those_that_cannot_be_given_up_hide_none(any_catalog: Catalog) -> None:
    """The first ones are left out, and those behind them come."""
    for slug in ("acme", "bolt", "coil"):
        expire(any_catalog, sign_up(any_catalog, slug)[0])
    listed = any_catalog.sign_ups.list_expired()
    assert len(listed) == 3
    seen = [any_catalog.sign_ups.list_expired(skip=skip, limit=1) for skip in range(4)]
    assert seen == [listed[:1], listed[1:2], listed[2:], ()]


def test_a_confirmed_owner_outlives_a_site_that_is_given_up(any_catalog: Catalog) -> None:
    """An account with another site, or a confirmed one, stays."""
    first, olga = sign_up(any_catalog, "acme")
    other = any_catalog.tenants.add("bolt", name="Bolt", by=SYSTEM)
    any_catalog.sign_ups.open(other.id, olga, held_until=SOON, by=SYSTEM)
    expire(any_catalog, first)
    any_catalog.sign_ups.give_up(first.id, by=SYSTEM)
    assert any_catalog.accounts.find(OLGA) == olga
