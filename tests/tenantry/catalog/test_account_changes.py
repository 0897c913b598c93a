"""What people change about their accounts: an address by both sides, and an end that leaves nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from tenantry.catalog import SYSTEM, Account, Actor, Catalog
from tenantry.catalog.models import Base
from tenantry.errors import AccountExistsError, LastOperatorError, LastOwnerError, LinkError

if TYPE_CHECKING:
    from tenantry.catalog.account_changes import WhichAddress

HOUR = timedelta(hours=1)
PASSWORD = "four brown horses walk"


@pytest.fixture
def olga(any_catalog: Catalog) -> Account:
    """Return the owner of a site."""
    made = any_catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    account = any_catalog.accounts.add_invited(
        "olga@x.test", name="Olga", password=PASSWORD, by=SYSTEM
    )
    any_catalog.provisioning.activate({made.id: account.email}, by=SYSTEM)
    return account


def link(catalog: Catalog, account: Account, side: WhichAddress) -> str:
    return catalog.links.create(f"email-{side}", account_id=account.id, lifetime=HOUR, by=SYSTEM)


@pytest.mark.parametrize("sides", [("old", "new"), ("new", "old")])
def test_an_address_changes_when_both_confirm(
    any_catalog: Catalog, olga: Account, sides: tuple[WhichAddress, WhichAddress]
) -> None:
    """Either may be first; sites then name the new address, and the old one is free."""
    changes = any_catalog.account_changes
    changes.ask_for_email(olga.id, "Olga@new.test", by=SYSTEM)
    first, second = (link(any_catalog, olga, side) for side in sides)
    account, done = changes.confirm_email(first, sides[0], by=SYSTEM)
    assert (account.email, account.pending_confirmed, done) == ("olga@x.test", sides[0], False)
    with pytest.raises(LinkError):
        changes.confirm_email(first, sides[0], by=SYSTEM)
    with pytest.raises(LinkError):
        changes.confirm_email(second, sides[0], by=SYSTEM)
    account, done = changes.confirm_email(second, sides[1], by=SYSTEM)
    assert (account.email, account.pending_email, done) == ("olga@new.test", "", True)
    assert any_catalog.tenants.get("acme").owners == ("olga@new.test",)
    assert any_catalog.accounts.find("olga@x.test") is None


def test_two_confirmations_of_one_side_are_one(any_catalog: Catalog, olga: Account) -> None:
    """Who reads one mailbox alone cannot make the change, nor after it was withdrawn."""
    changes = any_catalog.account_changes
    changes.ask_for_email(olga.id, "olga@new.test", by=SYSTEM)
    tokens = [link(any_catalog, olga, "new"), link(any_catalog, olga, "new")]
    assert [changes.confirm_email(token, "new", by=SYSTEM)[1] for token in tokens] == [False] * 2
    last = link(any_catalog, olga, "old")
    changes.withdraw_email(olga.id, by=SYSTEM)
    with pytest.raises(LinkError):
        changes.confirm_email(last, "old", by=SYSTEM)


def test_an_address_that_was_taken_meanwhile_is_refused(
    any_catalog: Catalog, olga: Account
) -> None:
    """Nothing is half done then."""
    changes = any_catalog.account_changes
    changes.ask_for_email(olga.id, "otto@x.test", by=SYSTEM)
    changes.confirm_email(link(any_catalog, olga, "old"), "old", by=SYSTEM)
    any_catalog.accounts.add("otto@x.test", by=SYSTEM)
    with pytest.raises(AccountExistsError):
        changes.confirm_email(link(any_catalog, olga, "new"), "new", by=SYSTEM)
    assert any_catalog.tenants.get("acme").owners == ("olga@x.test",)


def test_a_deleted_account_leaves_only_its_events(any_catalog: Catalog, olga: Account) -> None:
    """It must not leave a site without an owner; then no table but the audit trail names it."""
    acme = any_catalog.tenants.get("acme")
    with pytest.raises(LastOwnerError):
        any_catalog.account_changes.remove(olga.id, by=SYSTEM)
    any_catalog.memberships.add_owner(acme.id, "otto@x.test", by=SYSTEM)
    any_catalog.sessions.start(olga.id, lifetime=HOUR, by=SYSTEM)
    link(any_catalog, olga, "old")
    any_catalog.second_factors.make_recovery_codes(olga.id, by=SYSTEM)
    any_catalog.second_factors.add_passkey(
        olga.id, "key", public_key="k", sign_count=0, name="", by=SYSTEM
    )

    any_catalog.account_changes.remove(olga.id, by=SYSTEM)

    assert any_catalog.tenants.get("acme").owners == ("otto@x.test",)
    with any_catalog.store.connection() as connection:
        for table in Base.metadata.sorted_tables:
            if table.name == "audit_events":
                continue
            rows = repr(connection.execute(select(table)).all())
            assert olga.id not in rows, table.name
            assert olga.email not in rows, table.name
    assert any_catalog.audit.verify().first_bad is None


def test_the_last_operator_stays(any_catalog: Catalog) -> None:
    """Nobody could operate the platform any more."""
    one = any_catalog.accounts.add("one@x.test", operator=True, by=SYSTEM)
    any_catalog.accounts.set_password(one.id, PASSWORD, by=SYSTEM)
    with pytest.raises(LastOperatorError):
        any_catalog.account_changes.remove(one.id, by=SYSTEM)
    two = any_catalog.accounts.add("two@x.test", operator=True, by=SYSTEM)
    any_catalog.accounts.set_password(two.id, PASSWORD, by=SYSTEM)
    any_catalog.account_changes.remove(one.id, by=SYSTEM)


def test_an_export_has_what_is_known_and_no_secret(any_catalog: Catalog, olga: Account) -> None:
    """Profile, roles, sessions and own events as JSON; no hash, no session id."""
    who = Actor("owner", olga.email, account_id=olga.id, ip="192.0.2.7")
    any_catalog.account_changes.configure(
        olga.id, name="Olga O.", language="de", time_zone="Europe/Berlin", by=who
    )
    session = any_catalog.sessions.start(
        olga.id, lifetime=HOUR, device="Firefox on Linux", network="192.0.2.0/24", by=who
    )
    any_catalog.account_changes.accept_terms(olga.id, "v2", by=who)
    found = any_catalog.account_changes.export(olga.id)
    assert (found["name"], found["language"], found["terms_version"]) == ("Olga O.", "de", "v2")
    assert found["sites"] == [{"slug": "acme", "name": "Acme", "role": "owner"}]
    assert found["sessions"][0]["device"] == "Firefox on Linux"
    assert {event["action"] for event in found["events"]} == {"account.configure", "account.terms"}
    text = json.dumps(found)
    assert session.id not in text
    assert "argon2" not in text
