"""Sessions of accounts: found while they live, ended one by one, and never too many."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from tenantry.catalog import SYSTEM, Account, Actor, Catalog
from tenantry.catalog.models import SessionRecord, now
from tenantry.catalog.sessions import IDLE_FOR, MAX_SESSIONS, SEEN_EVERY

if TYPE_CHECKING:
    from typing import Any

    from tenantry.catalog import AccountSession

HOUR = timedelta(hours=1)
BY = Actor("owner", "olga@example.com")


@pytest.fixture
def olga(any_catalog: Catalog) -> Account:
    """Return an account."""
    return any_catalog.accounts.add("olga@example.com", name="Olga", by=SYSTEM)


def start(catalog: Catalog, account: Account, **facts: Any) -> AccountSession:
    """Begin a session."""
    return catalog.sessions.start(account.id, by=BY, **{"lifetime": HOUR, **facts})


def change(catalog: Catalog, session_id: str, **values: Any) -> None:
    """Do to a session what time would."""
    with catalog.store.writing(SYSTEM) as writer:
        statement = update(SessionRecord).where(SessionRecord.id == session_id)
        writer.session.execute(statement.values(values))


def test_a_session_says_who_where_and_since_when(any_catalog: Catalog, olga: Account) -> None:
    """What people recognise it by is kept; its id is nothing that anybody could guess."""
    acme = any_catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    here = start(any_catalog, olga, device="Firefox on Linux", network="192.0.2.0/24")
    there = start(any_catalog, olga, tenant_id=acme.id, as_operator=True)

    assert any_catalog.sessions.find(here.id) == (here, olga)
    assert (here.device, here.network, here.tenant_id) == ("Firefox on Linux", "192.0.2.0/24", None)
    assert (there.tenant_id, there.as_operator) == (acme.id, True)
    assert now() - here.created_at < timedelta(minutes=1)
    assert len({here.id, there.id}) == 2
    assert len(here.id) >= 43
    assert {found.id for found in any_catalog.sessions.list(olga.id)} == {here.id, there.id}


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"expires_at": now() - timedelta(seconds=1)}, id="expired"),
        pytest.param({"seen_at": now() - IDLE_FOR}, id="idle"),
    ],
)
def test_a_session_ends_by_the_clock(
    any_catalog: Catalog, olga: Account, values: dict[str, Any]
) -> None:
    """R25: after its lifetime, however busy, and after a time without use."""
    made = start(any_catalog, olga)
    change(any_catalog, made.id, **values)

    assert any_catalog.sessions.find(made.id) is None
    assert any_catalog.sessions.list(olga.id) == ()


def test_one_session_ends_alone(any_catalog: Catalog, olga: Account) -> None:
    """R25: signing out ends this session; nobody ends another account's."""
    one, other = start(any_catalog, olga), start(any_catalog, olga)
    otto = any_catalog.accounts.add("otto@example.com", by=SYSTEM)

    assert not any_catalog.sessions.end(one.id, account_id=otto.id, by=BY)
    assert any_catalog.sessions.end(one.id, account_id=olga.id, by=BY)
    assert not any_catalog.sessions.end(one.id, account_id=olga.id, by=BY)
    assert any_catalog.sessions.find(one.id) is None
    assert any_catalog.sessions.find(other.id) is not None
    events = any_catalog.audit.list().items
    assert [event.action for event in events].count("account.sign-out") == 1


def test_all_others_end_together(any_catalog: Catalog, olga: Account) -> None:
    """R25: signing out everywhere else leaves this session."""
    sessions = [start(any_catalog, olga) for _ in range(3)]
    any_catalog.sessions.end_all(olga.id, but=sessions[1].id, by=BY)
    assert [found.id for found in any_catalog.sessions.list(olga.id)] == [sessions[1].id]
    any_catalog.sessions.end_all(olga.id, by=BY)
    assert any_catalog.sessions.list(olga.id) == ()


def test_an_account_has_only_so_many_sessions(any_catalog: Catalog, olga: Account) -> None:
    """Law 6: a further one ends the one that was unused for longest, and of this account alone."""
    otto = any_catalog.accounts.add("otto@example.com", by=SYSTEM)
    others = start(any_catalog, otto)
    oldest = start(any_catalog, olga)
    change(any_catalog, oldest.id, seen_at=now() - HOUR)
    for _ in range(MAX_SESSIONS):
        start(any_catalog, olga)

    assert len(any_catalog.sessions.list(olga.id)) == MAX_SESSIONS
    assert any_catalog.sessions.find(oldest.id) is None
    assert any_catalog.sessions.find(others.id) is not None


def test_expired_sessions_leave_the_table(any_catalog: Catalog, olga: Account) -> None:
    """Law 6: what is over does not stay for ever."""
    for _ in range(3):
        start(any_catalog, olga, lifetime=timedelta(seconds=-1))
    last = start(any_catalog, olga)

    with any_catalog.store.reading() as session:
        assert session.scalars(select(SessionRecord.id)).all() == [last.id]


def test_use_is_noted_now_and_then(any_catalog: Catalog, olga: Account) -> None:
    """A request writes at most every few minutes, and leaves the head and the trail alone."""
    made = start(any_catalog, olga)
    before = any_catalog.audit.list().total
    any_catalog.sessions.touch(made)
    assert any_catalog.sessions.list(olga.id)[0].seen_at == made.seen_at
    change(any_catalog, made.id, seen_at=now() - SEEN_EVERY)
    (old,) = any_catalog.sessions.list(olga.id)
    any_catalog.sessions.touch(old)
    (seen,) = any_catalog.sessions.list(olga.id)

    assert now() - seen.seen_at < timedelta(minutes=1)
    assert any_catalog.audit.list().total == before


def test_where_nothing_can_be_written_sessions_are_read_on(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    """Law 8: that a use cannot be noted signs nobody out."""
    account = catalog.accounts.add("olga@example.com", by=SYSTEM)
    made = start(catalog, account)
    change(catalog, made.id, seen_at=now() - SEEN_EVERY)
    (old,) = catalog.sessions.list(account.id)
    with (
        catalog.store.engine.connect() as connection
    ):  # the only one in the pool, so the next one, too
        connection.exec_driver_sql("PRAGMA query_only = ON")
    catalog.sessions.touch(old)

    assert catalog.sessions.list(account.id) == (old,)
    assert "cannot record when a session was last used" in caplog.text
