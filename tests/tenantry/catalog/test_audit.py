"""The audit trail: append-only, chained, and complete."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError

from tenantry.catalog import SYSTEM, Actor, AuditPoint, Catalog
from tenantry.catalog.anchor import AuditAnchor
from tenantry.catalog.audit_chain import GENESIS
from tenantry.catalog.models import AuditRecord, Head, now
from tenantry.errors import AuditAnchorError, AuditTrailError
from tenantry.values.tenant import TenantState
from tests.tenantry.support import at_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPERATOR = Actor("operator", "op@example.com", "a" * 32, "192.0.2.7", "abcdefgh-1")


@pytest.fixture
def trail(any_catalog: Catalog) -> Catalog:
    """Return a catalog with five events."""
    for number in range(5):
        any_catalog.audit.record(
            f"test.{number}", detail={"n": number, "\u00e4": ["\x00", None]}, by=OPERATOR
        )
    return any_catalog


def tamper(catalog: Catalog, statement: Any) -> None:
    """Change the database behind the catalog's back, as somebody who owns it can: without triggers."""
    with catalog.store.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            for word in ("update", "delete"):
                connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS audit_events_no_{word}")
        else:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.execute(statement)


def cut(catalog: Catalog, last: int) -> None:
    """Remove all events after the one with the number *last*, and set the head back to it."""
    hashes = {event.number: event.hash for event in catalog.audit.list().items}
    tamper(catalog, delete(AuditRecord).where(AuditRecord.number > last))
    tamper(catalog, update(Head).values(audit_hash=hashes.get(last, GENESIS)))


def test_an_event_says_who_what_and_where(any_catalog: Catalog) -> None:
    """R58, Law 12: what was given is what is read, on each database."""
    tenant = any_catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    any_catalog.audit.record("site.export", tenant_id=tenant.id, detail={"rows": 7}, by=OPERATOR)
    any_catalog.audit.record("site.gone", tenant_id="0" * 32, by=OPERATOR)
    gone, event, created = any_catalog.audit.list().items

    assert (event.actor_kind, event.actor) == ("operator", "op@example.com")
    assert (event.ip, event.request_id) == ("192.0.2.7", "abcdefgh-1")
    assert (event.action, event.tenant_id, event.tenant_slug) == ("site.export", tenant.id, "acme")
    assert event.detail == {"rows": 7}
    assert now() - event.at < timedelta(minutes=1)
    assert created.action == "tenant.create"
    assert (gone.tenant_id, gone.tenant_slug) == (None, None)
    assert [e.action for e in any_catalog.audit.list(tenant_id=tenant.id).items] == [
        "site.export",
        "tenant.create",
    ]
    assert any_catalog.audit.list(page=2, size=2).items == (created,)


def test_every_write_leaves_an_event(any_catalog: Catalog) -> None:
    """Law 12: every control action has an audit row, in the same transaction."""
    tenant = any_catalog.tenants.add("acme", name="Acme", by=OPERATOR)
    any_catalog.provisioning.activate({tenant.id: "olga@example.com"}, by=OPERATOR)
    account = any_catalog.accounts.list().items[0]
    any_catalog.tenants.transition(tenant.id, TenantState.SUSPENDED, by=OPERATOR)
    any_catalog.tenants.configure(tenant.id, name="Acme 2", by=OPERATOR)
    any_catalog.hosts.add(tenant.id, "acme.org", proof="operator", by=OPERATOR)
    any_catalog.hosts.remove(tenant.id, "acme.org", by=OPERATOR)
    any_catalog.memberships.add(account.id, tenant.id, "staff", by=OPERATOR)
    token = any_catalog.links.create(
        "enter", account_id=account.id, lifetime=timedelta(minutes=1), by=OPERATOR
    )
    any_catalog.links.use("enter", token, by=OPERATOR)
    any_catalog.accounts.set_password(account.id, "four brown horses walk", by=OPERATOR)
    any_catalog.sessions.end_all(account.id, by=OPERATOR)

    events = any_catalog.audit.list().items
    assert [event.action for event in reversed(events)] == [
        "tenant.create",
        "account.create",
        "membership.add",
        "tenant.state",
        "tenant.state",
        "tenant.configure",
        "host.add",
        "host.remove",
        "membership.add",
        "link.enter",
        "link.enter.used",
        "account.password",
        "account.end-sessions",
    ]
    assert {event.actor for event in events} == {"op@example.com"}
    assert token not in repr(events)
    assert any_catalog.audit.verify().first_bad is None


def test_an_untouched_trail_checks(trail: Catalog) -> None:
    """R58: the chain follows from the first event to the head."""
    assert trail.audit.verify().first_bad is None
    assert [event.number for event in trail.audit.list().items] == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        pytest.param(
            update(AuditRecord).where(AuditRecord.number == 3).values(actor="x"), 3, id="actor"
        ),
        pytest.param(
            update(AuditRecord).where(AuditRecord.number == 1).values(action="x"), 1, id="action"
        ),
        pytest.param(
            update(AuditRecord).where(AuditRecord.number == 5).values(detail={}), 5, id="detail"
        ),
        pytest.param(
            update(AuditRecord).where(AuditRecord.number == 2).values(ip="::1"), 2, id="address"
        ),
        pytest.param(
            update(AuditRecord).where(AuditRecord.number == 4).values(at=now()), 4, id="time"
        ),
        pytest.param(
            update(AuditRecord).where(AuditRecord.number == 2).values(hash="0" * 64), 2, id="hash"
        ),
        pytest.param(
            update(AuditRecord).where(AuditRecord.number == 2).values(tenant_id="a"), 2, id="tenant"
        ),
        pytest.param(delete(AuditRecord).where(AuditRecord.number == 2), 3, id="one removed"),
        pytest.param(delete(AuditRecord).where(AuditRecord.number == 1), 2, id="the first removed"),
        pytest.param(delete(AuditRecord).where(AuditRecord.number == 5), 5, id="the last removed"),
        pytest.param(delete(AuditRecord), 1, id="all removed"),
        pytest.param(update(Head).values(audit_hash="0" * 64), 6, id="the head"),
    ],
)
def test_tampering_is_found(trail: Catalog, statement: Any, found: int) -> None:
    """R58: whoever changes, or cuts out, an event breaks the chain there."""
    tamper(trail, statement)

    assert trail.audit.verify().first_bad == found


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(
            update(AuditRecord).where(AuditRecord.number == 3).values(actor="x"), id="one"
        ),
        pytest.param(update(AuditRecord).values(actor="x"), id="all"),
        pytest.param(delete(AuditRecord).where(AuditRecord.number == 5), id="the last"),
        pytest.param(delete(AuditRecord), id="remove all"),
    ],
)
def test_the_database_refuses_to_change_the_trail(trail: Catalog, statement: Any) -> None:
    """R58: a mistake, or injected SQL, cannot change or remove an event."""
    with (
        pytest.raises(DBAPIError, match="the audit trail is append-only"),
        trail.store.engine.begin() as connection,
    ):
        connection.execute(statement)

    assert trail.audit.verify().first_bad is None
    assert trail.audit.list().total == 5


@pytest.mark.postgresql
def test_the_trail_cannot_be_truncated(
    clean_postgres_url: str, open_catalog_at: Callable[..., Catalog]
) -> None:
    """R58: on PostgreSQL that is another word for removing all."""
    catalog = open_catalog_at(clean_postgres_url)
    catalog.audit.record("test.event", by=OPERATOR)
    with (
        pytest.raises(DBAPIError, match="the audit trail is append-only"),
        catalog.store.engine.begin() as connection,
    ):
        connection.exec_driver_sql("TRUNCATE audit_events")
    assert catalog.audit.list().total == 1


def test_a_refused_write_leaves_the_chain_whole(any_catalog: Catalog) -> None:
    """Law 12: a transaction that fails leaves neither its event nor its hash."""

    def fail() -> None:
        with any_catalog.store.writing(OPERATOR) as writer:
            writer.audit("test.never")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    any_catalog.audit.record("test.after", by=OPERATOR)

    assert [event.action for event in any_catalog.audit.list().items] == ["test.after"]
    assert any_catalog.audit.verify().first_bad is None


def test_writers_in_parallel_make_one_chain(
    any_url: str, open_catalog_at: Callable[..., Catalog]
) -> None:
    """R58: threads and nodes that write at once never fork the chain."""
    nodes = [open_catalog_at(any_url, node=f"node-{number}") for number in range(3)]

    def write(number: int) -> None:
        for step in range(8):
            nodes[number % 3].audit.record(f"test.{number}.{step}", by=SYSTEM)

    assert at_once(6, write) == [None] * 6
    assert nodes[0].audit.list().total == 48
    assert nodes[0].audit.verify().first_bad is None
    with nodes[0].store.reading() as session:
        hashes = session.scalars(select(AuditRecord.hash)).all()
    assert len(set(hashes)) == 48


# --- the anchor ---------------------------------------------------------------------------------


@pytest.fixture
def anchored(any_catalog: Catalog, tmp_path: Path) -> Catalog:
    """Return a catalog with an anchor, and five events."""
    any_catalog.store.anchor = AuditAnchor(tmp_path / "audit.anchor")
    for number in range(5):
        any_catalog.audit.record(f"test.{number}", by=OPERATOR)
    return any_catalog


def at(catalog: Catalog) -> int | None:
    """Return the number of the event that the anchor is at."""
    assert catalog.store.anchor is not None
    point = catalog.store.anchor.read()
    return point.number if point is not None else None


def test_the_anchor_is_at_the_newest_event(anchored: Catalog) -> None:
    """R58: with each commit, it has seen all there is."""
    found = anchored.audit.verify()

    assert (found.checked, found.problem, found.first_bad) == (5, "", None)
    assert found.anchor == found.newest == AuditPoint(5, anchored.audit.list().items[0].hash)
    assert anchored.audit.verify_end().problem == ""


@pytest.mark.parametrize("last", [4, 2, 0])
def test_a_cut_end_is_found_although_the_head_was_set_back(anchored: Catalog, last: int) -> None:
    """R58: what is left is a whole chain, and the anchor has seen more."""
    cut(anchored, last)

    found = anchored.audit.verify()
    assert found.first_bad == last + 1
    assert f"ends at event {last}, and event 5 was seen before" in found.problem
    assert anchored.audit.verify_end().first_bad == last + 1


def test_writing_on_does_not_hide_a_cut(
    anchored: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    """R58: new events in the place of the removed ones are others, and the anchor waits for its own."""
    cut(anchored, 2)
    for number in range(6):
        anchored.audit.record(f"test.new.{number}", by=OPERATOR)

    assert at(anchored) == 5
    found = anchored.audit.verify()
    assert found.first_bad == 5
    assert "Event 5 of the audit trail is not the one that was seen before" in found.problem
    assert anchored.audit.verify_end().first_bad == 5
    assert "audit event 5 is gone" in caplog.text


def test_an_end_that_was_written_anew_is_found(anchored: Catalog) -> None:
    """R58: a chain with other events up to the same number is not the trail that was seen."""
    cut(anchored, 3)
    anchor, anchored.store.anchor = anchored.store.anchor, None
    for number in range(4):
        anchored.audit.record(f"test.forged.{number}", by=OPERATOR)
    assert anchored.audit.verify().first_bad is None
    anchored.store.anchor = anchor
    anchored.audit.record("test.next", by=OPERATOR)

    assert anchored.audit.verify().first_bad == 5


def test_the_anchor_follows_what_others_have_written(anchored: Catalog) -> None:
    """R58: a node's own anchor also sees the events of other nodes, once it writes or is told to."""
    anchor, anchored.store.anchor = anchored.store.anchor, None
    for number in range(3):
        anchored.audit.record(f"test.elsewhere.{number}", by=OPERATOR)
    anchored.store.anchor = anchor
    assert at(anchored) == 5
    anchored.audit.record("test.here", by=OPERATOR)
    assert at(anchored) == 9
    assert anchored.audit.verify().first_bad is None


def test_parallel_writers_leave_the_anchor_at_the_end(
    any_url: str, open_catalog_at: Callable[..., Catalog], tmp_path: Path
) -> None:
    """R58: it never goes back, whoever comes first."""
    nodes = [open_catalog_at(any_url, node=f"node-{number}") for number in range(3)]
    for node in nodes:
        node.store.anchor = AuditAnchor(tmp_path / "audit.anchor")

    def write(number: int) -> None:
        for step in range(8):
            nodes[number % 3].audit.record(f"test.{number}.{step}", by=SYSTEM)

    assert at_once(6, write) == [None] * 6
    nodes[0].audit.follow_anchor()
    assert at(nodes[0]) == 48
    assert nodes[0].audit.verify().problem == ""


def test_an_older_trail_gets_an_anchor(trail: Catalog, tmp_path: Path) -> None:
    """A platform from before there were anchors begins with the newest event."""
    trail.store.anchor = AuditAnchor(tmp_path / "audit.anchor")
    assert trail.audit.verify().anchor is None
    assert trail.audit.verify().first_bad is None
    trail.audit.follow_anchor()
    assert at(trail) == 5


def test_a_restored_catalog_is_accepted_with_a_note(anchored: Catalog) -> None:
    """R58: an older backup looks like a cut; whoever restored it says so in the trail itself."""
    cut(anchored, 3)
    found = anchored.audit.accept("restored the backup of Friday", by=OPERATOR)

    assert (found.problem, found.checked) == ("", 4)
    assert at(anchored) == found.newest.number
    event = anchored.audit.list().items[0]
    assert event.action == "audit.accept"
    assert event.detail == {"reason": "restored the backup of Friday", "newest": 3, "anchor": 5}
    anchored.audit.record("test.next", by=OPERATOR)
    assert anchored.store.anchor is not None
    assert anchored.store.anchor.read() == anchored.audit.verify().newest
    assert anchored.audit.verify().first_bad is None


def test_a_broken_chain_is_never_accepted(anchored: Catalog) -> None:
    """R58: only a missing end can be explained by a backup."""
    tamper(anchored, update(AuditRecord).where(AuditRecord.number == 2).values(actor="x"))
    with pytest.raises(AuditTrailError, match="Event 2"):
        anchored.audit.accept("it will do", by=OPERATOR)
    assert anchored.audit.list().total == 5


@pytest.mark.parametrize("known", [3, 5, 6])
def test_what_was_noted_elsewhere_is_compared(trail: Catalog, known: int) -> None:
    """R58: an event that somebody has kept off the machine proves the trail up to it."""
    hashes = {event.number: event.hash for event in trail.audit.list().items}
    assert trail.audit.verify(known=AuditPoint(3, hashes[3])).first_bad is None
    assert trail.audit.verify(known=AuditPoint(known, "f" * 64)).first_bad == known


@pytest.mark.parametrize("text", [b"nonsense", b"x" * 86, b"1" * 300])
def test_a_damaged_anchor_is_told_and_stops_nobody(
    anchored: Catalog, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be anchored is done all the same, and nobody takes the trail for sound."""
    assert anchored.store.anchor is not None
    anchored.store.anchor.path.write_bytes(text)
    anchored.audit.record("test.next", by=OPERATOR)

    assert anchored.audit.list().total == 6
    assert "could not be updated" in caplog.text
    assert "is damaged" in anchored.audit.verify().problem
    assert "is damaged" in anchored.audit.verify_end().problem
    with pytest.raises(AuditAnchorError):
        anchored.store.anchor.read()
    assert anchored.audit.accept("the disk", by=OPERATOR).problem == ""
    assert at(anchored) == 7


def test_an_anchor_that_cannot_be_written_stops_nobody(
    anchored: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk, or a folder in its place, is told; the control action stands."""
    assert anchored.store.anchor is not None
    anchored.store.anchor.path.unlink()
    anchored.store.anchor.path.mkdir()
    anchored.audit.record("test.next", by=OPERATOR)

    assert anchored.audit.list().total == 6
    assert "could not be updated" in caplog.text
    assert "cannot be read" in anchored.audit.verify().problem
