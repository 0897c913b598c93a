"""The audit trail: append-only, chained, and complete."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, select, update

from tenantry.catalog import SYSTEM, Actor, Catalog
from tenantry.catalog.models import AuditRecord, Head, now
from tenantry.tenant import TenantState
from tests.tenantry.support import at_once

if TYPE_CHECKING:
    from collections.abc import Callable

OPERATOR = Actor("operator", "op@example.com", "a" * 32, "192.0.2.7", "abcdefgh-1")


@pytest.fixture
def trail(any_catalog: Catalog) -> Catalog:
    """Return a catalog with five events."""
    for number in range(5):
        any_catalog.record(
            f"test.{number}", detail={"n": number, "\u00e4": ["\x00", None]}, by=OPERATOR
        )
    return any_catalog


def tamper(catalog: Catalog, statement: Any) -> None:
    """Change the database behind the catalog's back."""
    with catalog.engine.begin() as connection:
        connection.execute(statement)


def test_an_event_says_who_what_and_where(any_catalog: Catalog) -> None:
    """R58, Law 12: what was given is what is read, on each database."""
    tenant = any_catalog.add_tenant("acme", name="Acme", by=SYSTEM)
    any_catalog.record("site.export", tenant_id=tenant.id, detail={"rows": 7}, by=OPERATOR)
    any_catalog.record("site.gone", tenant_id="0" * 32, by=OPERATOR)
    gone, event, created = any_catalog.list_audit().items

    assert (event.actor_kind, event.actor) == ("operator", "op@example.com")
    assert (event.ip, event.request_id) == ("192.0.2.7", "abcdefgh-1")
    assert (event.action, event.tenant_id, event.tenant_slug) == ("site.export", tenant.id, "acme")
    assert event.detail == {"rows": 7}
    assert now() - event.at < timedelta(minutes=1)
    assert created.action == "tenant.create"
    assert (gone.tenant_id, gone.tenant_slug) == (None, None)
    assert [e.action for e in any_catalog.list_audit(tenant_id=tenant.id).items] == [
        "site.export",
        "tenant.create",
    ]
    assert any_catalog.list_audit(page=2, size=2).items == (created,)


def test_every_write_leaves_an_event(any_catalog: Catalog) -> None:
    """Law 12: every control action has an audit row, in the same transaction."""
    tenant = any_catalog.add_tenant("acme", name="Acme", by=OPERATOR)
    any_catalog.activate_tenants({tenant.id: "olga@example.com"}, by=OPERATOR)
    account = any_catalog.list_accounts().items[0]
    any_catalog.move_tenant(tenant.id, TenantState.SUSPENDED, by=OPERATOR)
    any_catalog.configure_tenant(tenant.id, name="Acme 2", by=OPERATOR)
    any_catalog.add_host(tenant.id, "acme.org", proof="operator", by=OPERATOR)
    any_catalog.remove_host(tenant.id, "acme.org", by=OPERATOR)
    any_catalog.add_membership(account.id, tenant.id, "staff", by=OPERATOR)
    token = any_catalog.create_link(
        "enter", account_id=account.id, lifetime=timedelta(minutes=1), by=OPERATOR
    )
    any_catalog.use_link("enter", token, by=OPERATOR)
    any_catalog.set_password(account.id, "four brown horses walk", by=OPERATOR)
    any_catalog.end_sessions(account.id, by=OPERATOR)

    events = any_catalog.list_audit().items
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
    assert any_catalog.check_audit() is None


def test_an_untouched_trail_checks(trail: Catalog) -> None:
    """R58: the chain follows from the first event to the head."""
    assert trail.check_audit() is None
    assert [event.number for event in trail.list_audit().items] == [5, 4, 3, 2, 1]


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
        pytest.param(delete(AuditRecord).where(AuditRecord.number == 5), 0, id="the last removed"),
        pytest.param(delete(AuditRecord), 0, id="all removed"),
        pytest.param(update(Head).values(audit_hash="0" * 64), 0, id="the head"),
    ],
)
def test_tampering_is_found(trail: Catalog, statement: Any, found: int) -> None:
    """R58: whoever changes, or cuts out, an event breaks the chain there."""
    tamper(trail, statement)

    assert trail.check_audit() == found


def test_a_refused_write_leaves_the_chain_whole(any_catalog: Catalog) -> None:
    """Law 12: a transaction that fails leaves neither its event nor its hash."""

    def fail() -> None:
        with any_catalog.writing(OPERATOR) as writer:
            writer.audit("test.never")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    any_catalog.record("test.after", by=OPERATOR)

    assert [event.action for event in any_catalog.list_audit().items] == ["test.after"]
    assert any_catalog.check_audit() is None


def test_writers_in_parallel_make_one_chain(
    any_url: str, open_catalog_at: Callable[..., Catalog]
) -> None:
    """R58: threads and nodes that write at once never fork the chain."""
    nodes = [open_catalog_at(any_url, node=f"node-{number}") for number in range(3)]

    def write(number: int) -> None:
        for step in range(8):
            nodes[number % 3].record(f"test.{number}.{step}", by=SYSTEM)

    assert at_once(6, write) == [None] * 6
    assert nodes[0].list_audit().total == 48
    assert nodes[0].check_audit() is None
    with nodes[0].reading() as session:
        hashes = session.scalars(select(AuditRecord.hash)).all()
    assert len(set(hashes)) == 48
