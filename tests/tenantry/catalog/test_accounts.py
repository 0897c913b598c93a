"""Accounts, sign-in, memberships and one-use links, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from tenantry.catalog import SYSTEM, Account, Actor, Catalog, canonical_email
from tenantry.catalog.models import AccountRecord, LinkRecord
from tenantry.errors import (
    AccountExistsError,
    AccountNotFoundError,
    BadEmailError,
    HashingBusyError,
    LinkError,
    SignInError,
    TenantNotFoundError,
    WeakPasswordError,
)
from tests.hashing import every_place_taken
from tests.tenantry.support import at_once

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

VISITOR = Actor("visitor", "", ip="192.0.2.7")
GOOD = "four brown horses walk"
MINUTE = timedelta(minutes=1)
NOBODY = "0" * 32


@pytest.fixture
def olga(any_catalog: Catalog) -> Account:
    """Return an account with a password."""
    account = any_catalog.accounts.add("olga@example.com", name="Olga", by=SYSTEM)
    return any_catalog.accounts.set_password(account.id, GOOD, by=SYSTEM)


def write(catalog: Catalog, statement: Any) -> None:
    """Do to the database what time, or an attacker, would."""
    session: Session
    with catalog.store.writing(SYSTEM) as writer:
        session = writer.session
        session.execute(statement)


def refusal(catalog: Catalog, email: str, password: str = "wrong") -> SignInError:
    with pytest.raises(SignInError) as caught:
        catalog.accounts.sign_in(email, password, by=VISITOR)
    return caught.value


def test_a_new_account_has_no_password(any_catalog: Catalog) -> None:
    """An account is found by its address and id, and opens to nobody yet."""
    account = any_catalog.accounts.add("Olga@Example.com", name=" Olga ", by=SYSTEM)

    assert (account.email, account.name, account.operator) == ("olga@example.com", "Olga", False)
    assert not account.has_password
    assert any_catalog.accounts.find(" OLGA@example.com ") == account
    assert any_catalog.accounts.find_by_id(account.id) == account
    assert refusal(any_catalog, "olga@example.com", "")


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param("OLGA@EXAMPLE.COM", id="case"),
        pytest.param("  olga@example.com ", id="blanks"),
    ],
)
def test_an_address_has_one_account(any_catalog: Catalog, olga: Account, spelling: str) -> None:
    """Another spelling of an address is the same address."""
    with pytest.raises(AccountExistsError):
        any_catalog.accounts.add(spelling, by=SYSTEM)


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param("j\u00f6rg@m\u00fcnchen.de", id="composed"),
        pytest.param("jo\u0308rg@mu\u0308nchen.de", id="decomposed"),
        pytest.param("J\u00d6RG@M\u00dcNCHEN.DE", id="upper case"),
        pytest.param("j\u00f6rg@xn--mnchen-3ya.de", id="A-label"),
    ],
)
def test_every_spelling_of_an_address_opens_the_account(
    any_catalog: Catalog, spelling: str
) -> None:
    """What cannot be registered twice can be found by each of its spellings."""
    account = any_catalog.accounts.add("j\u00f6rg@m\u00fcnchen.de", by=SYSTEM)
    any_catalog.accounts.set_password(account.id, GOOD, by=SYSTEM)

    with pytest.raises(AccountExistsError):
        any_catalog.accounts.add(spelling, by=SYSTEM)
    assert any_catalog.accounts.find(spelling) is not None
    assert any_catalog.accounts.sign_in(spelling, GOOD, by=VISITOR).id == account.id


@pytest.mark.parametrize(
    "address", ["", "olga", "olga@", "@example.com", "a b@example.com", "a@b\x00.com", "x" * 300]
)
def test_what_is_no_address_is_refused(catalog: Catalog, address: str) -> None:
    """Nobody is invited to an address that cannot exist."""
    with pytest.raises(BadEmailError):
        catalog.accounts.add(address, by=SYSTEM)
    with pytest.raises(BadEmailError):
        canonical_email(address)


@pytest.mark.parametrize("address", ["operator@localhost", "olga@intranet.local", "a@b.test"])
def test_addresses_of_the_house_are_addresses(address: str) -> None:
    """Development and intranets have mail too."""
    assert canonical_email(address) == address


def test_an_operator_counts_with_a_password_only(any_catalog: Catalog) -> None:
    """Nobody can operate the platform before somebody has set a password."""
    account = any_catalog.accounts.add("op@example.com", operator=True, by=SYSTEM)
    assert not any_catalog.accounts.has_operator()
    any_catalog.accounts.set_password(account.id, GOOD, by=SYSTEM)
    assert any_catalog.accounts.has_operator()


def test_accounts_are_listed(any_catalog: Catalog, olga: Account) -> None:
    """The listing searches addresses and names, and knows operators from owners."""
    any_catalog.accounts.add("op@example.com", name="Opal", operator=True, by=SYSTEM)

    assert [a.email for a in any_catalog.accounts.list().items] == [
        "olga@example.com",
        "op@example.com",
    ]
    assert [a.email for a in any_catalog.accounts.list(search="OPA").items] == ["op@example.com"]
    assert any_catalog.accounts.list(operators=True).total == 1
    assert any_catalog.accounts.list(page=2, size=1).items[0].email == "op@example.com"


# --- sign-in ------------------------------------------------------------------------------------


def test_the_right_password_signs_in(any_catalog: Catalog, olga: Account) -> None:
    """The credentials open the account, and the trail says who came from where."""
    assert any_catalog.accounts.sign_in(" OLGA@example.com", GOOD, by=VISITOR) == olga
    event = any_catalog.audit.list().items[0]
    assert (event.action, event.detail["email"]) == ("account.sign-in", olga.email)
    assert event.ip == "192.0.2.7"


@pytest.mark.parametrize(
    ("email", "password"),
    [
        pytest.param("olga@example.com", "wrong", id="wrong password"),
        pytest.param("olga@example.com", "", id="empty password"),
        pytest.param("nobody@example.com", GOOD, id="unknown address"),
        pytest.param("new@example.com", "", id="account without password"),
        pytest.param("not an address", GOOD, id="no address"),
        pytest.param("olga@example.com\x00", GOOD, id="NUL"),
        pytest.param("", "", id="nothing"),
        pytest.param("%", GOOD, id="wildcard"),
        pytest.param("x" * 5000, GOOD, id="long"),
    ],
)
def test_every_refusal_is_the_same(
    any_catalog: Catalog, olga: Account, email: str, password: str
) -> None:
    """R34: the answer does not tell whether the address has an account; the trail keeps no typing."""
    any_catalog.accounts.add("new@example.com", by=SYSTEM)
    known = refusal(any_catalog, olga.email)
    error = refusal(any_catalog, email, password)

    assert (str(error), error.retry_after) == (str(known), known.retry_after)
    event = any_catalog.audit.list().items[0]
    assert event.action == "account.sign-in-failed"
    assert event.detail["email"] in {None, "olga@example.com", "new@example.com"}


def test_a_busy_process_refuses_at_once(any_catalog: Catalog, olga: Account) -> None:
    """Nobody waits for a place to hash in, and a set-up link is not used up by a refusal."""
    token = any_catalog.links.create(
        "setup", account_id=olga.id, lifetime=timedelta(hours=1), by=SYSTEM
    )
    with every_place_taken():
        with pytest.raises(HashingBusyError):
            any_catalog.accounts.sign_in(olga.email, GOOD, by=VISITOR)
        with pytest.raises(HashingBusyError):
            any_catalog.accounts.use_setup_link(token, "six green birds swim", by=VISITOR)
    made = any_catalog.sessions.start(olga.id, lifetime=MINUTE, by=SYSTEM)
    changed = any_catalog.accounts.use_setup_link(token, "six green birds swim", by=VISITOR)

    assert any_catalog.sessions.find(made.id) is None
    assert any_catalog.accounts.sign_in(olga.email, "six green birds swim", by=VISITOR) == changed
    with pytest.raises(LinkError):
        any_catalog.accounts.use_setup_link(token, GOOD, by=VISITOR)


def test_an_old_hash_is_renewed(any_catalog: Catalog, olga: Account) -> None:
    """R49: parameters grow over the years; the next sign-in brings the hash along."""
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD)
    write(any_catalog, update(AccountRecord).values(password_hash=weak))
    any_catalog.accounts.sign_in(olga.email, GOOD, by=VISITOR)
    with any_catalog.store.reading() as session:
        record = session.scalars(select(AccountRecord)).one()

    assert record.password_hash != weak
    assert any_catalog.accounts.sign_in(olga.email, GOOD, by=VISITOR)


def test_a_new_password_ends_every_session(any_catalog: Catalog, olga: Account) -> None:
    """R25: changing the password ends what was signed in before."""
    made = any_catalog.sessions.start(olga.id, lifetime=MINUTE, by=SYSTEM)
    assert any_catalog.sessions.find(made.id) == (made, olga)
    any_catalog.accounts.set_password(olga.id, "six green birds swim", by=SYSTEM)

    assert any_catalog.sessions.find(made.id) is None
    assert refusal(any_catalog, olga.email, GOOD)


def test_a_weak_password_changes_nothing(any_catalog: Catalog, olga: Account) -> None:
    """R50: what is refused leaves the old password and the sessions as they are."""
    with pytest.raises(WeakPasswordError):
        any_catalog.accounts.set_password(olga.id, "olga@example.com", by=SYSTEM)

    assert any_catalog.accounts.sign_in(olga.email, GOOD, by=VISITOR) == olga


@pytest.mark.parametrize(
    "task",
    [
        lambda catalog: catalog.accounts.set_password(NOBODY, GOOD, by=SYSTEM),
        lambda catalog: catalog.sessions.end_all(NOBODY, by=SYSTEM),
        lambda catalog: catalog.sessions.start(NOBODY, lifetime=MINUTE, by=SYSTEM),
        lambda catalog: catalog.memberships.add(
            NOBODY, catalog.tenants.add("acme", name="A", by=SYSTEM).id, by=SYSTEM
        ),
        lambda catalog: catalog.links.create(
            "setup", account_id=NOBODY, lifetime=MINUTE, by=SYSTEM
        ),
    ],
    ids=["set_password", "end_sessions", "start_session", "add_membership", "create_link"],
)
def test_nothing_is_done_to_an_account_that_is_not_there(any_catalog: Catalog, task: Any) -> None:
    """Refusals are the catalog's own errors, never the database's."""
    with pytest.raises(AccountNotFoundError):
        task(any_catalog)


# --- memberships --------------------------------------------------------------------------------


def test_a_membership_has_one_role(any_catalog: Catalog, olga: Account) -> None:
    """Saying it again changes the role; nobody is a member by default."""
    bolt = any_catalog.tenants.add("bolt", name="Bolt", by=SYSTEM)
    acme = any_catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    assert any_catalog.memberships.find_role(olga.id, acme.id) is None
    any_catalog.memberships.add(olga.id, bolt.id, by=SYSTEM)
    any_catalog.memberships.add(olga.id, acme.id, "owner", by=SYSTEM)
    any_catalog.memberships.add(olga.id, acme.id, "staff", by=SYSTEM)

    assert any_catalog.memberships.find_role(olga.id, acme.id) == "staff"
    found = [(tenant.slug, role) for tenant, role in any_catalog.memberships.list(olga.id)]
    assert found == [("acme", "staff"), ("bolt", "owner")]


def test_nobody_joins_a_tenant_that_is_not_there(any_catalog: Catalog, olga: Account) -> None:
    """Refusals are the catalog's own errors, never the database's."""
    with pytest.raises(TenantNotFoundError):
        any_catalog.memberships.add(olga.id, NOBODY, by=SYSTEM)
    with pytest.raises(TenantNotFoundError):
        any_catalog.links.create(
            "enter", account_id=olga.id, tenant_id=NOBODY, lifetime=MINUTE, by=SYSTEM
        )


# --- one-use links ------------------------------------------------------------------------------


def link(catalog: Catalog, account: Account, purpose: str = "enter", **options: Any) -> str:
    options.setdefault("lifetime", MINUTE)
    return catalog.links.create(purpose, account_id=account.id, by=SYSTEM, **options)


def test_a_link_works_once(any_catalog: Catalog, olga: Account) -> None:
    """R53: looking is free, using it uses it up, and only its hash is stored."""
    token = link(any_catalog, olga)
    with any_catalog.store.reading() as session:
        stored = session.scalars(select(LinkRecord.hash)).one()

    assert token not in stored
    assert any_catalog.links.peek("enter", token) == olga
    assert any_catalog.links.peek("enter", token) == olga
    assert any_catalog.links.use("enter", token, by=VISITOR) == olga
    with pytest.raises(LinkError):
        any_catalog.links.peek("enter", token)
    with pytest.raises(LinkError):
        any_catalog.links.use("enter", token, by=VISITOR)


def test_of_many_who_use_a_link_one_gets_in(any_catalog: Catalog, olga: Account) -> None:
    """R53: one use is one use, also when both come in the same instant."""
    token = link(any_catalog, olga)
    results = at_once(6, lambda _: any_catalog.links.use("enter", token, by=VISITOR))

    assert results.count(olga) == 1
    assert sum(isinstance(result, LinkError) for result in results) == 5
    used = [e for e in any_catalog.audit.list().items if e.action == "link.enter.used"]
    assert len(used) == 1


def test_every_link_that_does_not_work_is_refused_alike(
    any_catalog: Catalog, olga: Account
) -> None:
    """R53: unknown, expired, for another purpose or another tenant: one sentence, and it stays."""
    acme = any_catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    bolt = any_catalog.tenants.add("bolt", name="Bolt", by=SYSTEM)
    for_acme = link(any_catalog, olga, tenant_id=acme.id)
    for_apex = link(any_catalog, olga)
    expired = link(any_catalog, olga, lifetime=timedelta(seconds=-1))
    refusals = set()
    for purpose, token, tenant_id in [
        ("enter", "unknown", None),
        ("enter", "", None),
        ("enter", "\x00", None),
        ("setup", for_apex, None),
        ("enter", expired, None),
        ("enter", for_acme, None),
        ("enter", for_acme, bolt.id),
        ("enter", for_apex, acme.id),
    ]:
        with pytest.raises(LinkError) as caught:
            any_catalog.links.use(purpose, token, tenant_id=tenant_id, by=VISITOR)
        refusals.add(str(caught.value))

    assert len(refusals) == 1
    assert any_catalog.links.use("enter", for_acme, tenant_id=acme.id, by=VISITOR) == olga
    assert any_catalog.links.use("enter", for_apex, by=VISITOR) == olga


def test_a_new_setup_link_ends_the_old_one(any_catalog: Catalog, olga: Account) -> None:
    """R53: only the newest invitation works, and setting a password ends that too."""
    first = link(any_catalog, olga, "setup")
    entry = link(any_catalog, olga, "enter")
    second = link(any_catalog, olga, "setup")
    with pytest.raises(LinkError):
        any_catalog.links.peek("setup", first)
    assert any_catalog.links.peek("setup", second) == olga
    changed = any_catalog.accounts.set_password(olga.id, "six green birds swim", by=SYSTEM)
    with pytest.raises(LinkError):
        any_catalog.links.peek("setup", second)

    assert any_catalog.links.use("enter", entry, by=VISITOR) == changed


def test_expired_links_leave_the_table(catalog: Catalog) -> None:
    """Law 6: links that nobody used do not stay for ever."""
    account = catalog.accounts.add("olga@example.com", by=SYSTEM)
    for _ in range(5):
        link(catalog, account, lifetime=timedelta(seconds=-1))
    link(catalog, account)

    with catalog.store.reading() as session:
        assert len(session.scalars(select(LinkRecord)).all()) == 1
