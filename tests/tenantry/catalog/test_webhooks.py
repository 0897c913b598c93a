"""Webhooks in the catalog, on both databases: who is told what, and how much of it is kept."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from tenantry.catalog import SYSTEM, Actor, DeliveryState, JobState
from tenantry.catalog import webhook_messages as messages
from tenantry.catalog import webhooks as kept
from tenantry.catalog.models import TenantRecord, WebhookDeliveryRecord, WebhookRecord, now
from tenantry.errors import WebhookLimitError, WebhookNotFoundError
from tenantry.values.tenant import TenantState
from tenantry.values.webhook_events import PING

if TYPE_CHECKING:
    from tenantry.catalog import Catalog, Webhook
    from tenantry.values.tenant import Tenant

ANN = Actor("operator", "ann@example.com")
URL = "https://hooks.example.com/"


def add(catalog: Catalog, name: str, *, tenant_id: str | None = None, **options: object) -> Webhook:
    """Add a webhook."""
    facts = {"events": (), "sealed_secret": "x", **options}
    return catalog.webhooks.create(name, URL, tenant_id=tenant_id, by=ANN, **facts)  # type: ignore[arg-type]


def open_tenant(catalog: Catalog, slug: str) -> Tenant:
    """Add a tenant whose site is served."""
    made = catalog.tenants.add(slug, name=slug, by=SYSTEM)
    return catalog.tenants.transition(made.id, TenantState.ACTIVE, by=SYSTEM)


def types(catalog: Catalog, hook: Webhook) -> list[str]:
    """Return the types of a webhook's messages, the oldest first."""
    return sorted(message.type for message in catalog.webhooks.list_deliveries(hook.id))


def test_what_happens_is_written_down_for_those_who_ask(any_catalog: Catalog) -> None:
    """All sites' events for the platform's webhooks, a site's own for its own, chosen types only."""
    catalog = any_catalog
    acme = open_tenant(catalog, "acme")
    bolt = open_tenant(catalog, "bolt")
    every, chosen = add(catalog, "all"), add(catalog, "chosen", events=["tenant.suspended"])
    own = add(catalog, "own", tenant_id=acme.id)
    off = add(catalog, "off")
    catalog.webhooks.change(off.id, is_on=False, by=ANN)
    for tenant in (acme, bolt):
        catalog.tenants.transition(tenant.id, TenantState.SUSPENDED, reason="unpaid", by=ANN)
    catalog.names.rename(acme.id, "apex-1", redirects_until=now(), by=ANN)
    catalog.audit.record("tenant.drill", tenant_id=acme.id, detail={"file": "secret"}, by=ANN)

    assert types(catalog, every) == ["tenant.renamed", "tenant.suspended", "tenant.suspended"]
    assert types(catalog, chosen) == ["tenant.suspended"] * 2
    assert types(catalog, own) == ["tenant.renamed", "tenant.suspended"]
    assert types(catalog, off) == []
    (renamed,) = (it for it in catalog.webhooks.list_deliveries(own.id) if "renamed" in it.type)
    told = json.loads(renamed.body)
    assert told["data"] == {
        "tenant_id": acme.id,
        "tenant_slug": "apex-1",
        "by": "operator",
        "before": "acme",
        "after": "apex-1",
    }
    assert told["type"] == "tenant.renamed"
    assert told["timestamp"].endswith("Z")
    jobs = catalog.jobs.list(name=messages.JOB).items
    assert len(jobs) == 7
    assert {job.tenant_id for job in jobs} == {None, acme.id}
    assert {job.state for job in jobs} == {JobState.QUEUED}


def test_what_is_undone_is_told_to_nobody(any_catalog: Catalog) -> None:
    """A message is a part of the transaction that makes it true."""
    catalog = any_catalog
    acme = open_tenant(catalog, "acme")
    hook = add(catalog, "all")
    with suppress(ZeroDivisionError), catalog.store.writing(ANN) as writer:
        writer.audit("tenant.purge", tenant=acme.id)
        raise ZeroDivisionError
    assert catalog.webhooks.list_deliveries(hook.id) == ()
    assert catalog.jobs.list().total == 0


def test_a_quiet_site_calls_nothing(any_catalog: Catalog) -> None:
    """As its mail, its webhooks wait for its release; the platform's hear of it all the same."""
    catalog = any_catalog
    acme = open_tenant(catalog, "acme")
    own, every = add(catalog, "own", tenant_id=acme.id), add(catalog, "all")
    with catalog.store.updating() as connection:
        connection.execute(update(TenantRecord).values(quiet=True))
    catalog.tenants.change_plan(acme.id, "gold", by=ANN)
    assert types(catalog, own) == []
    assert types(catalog, every) == ["tenant.plan_changed"]
    catalog.tenants.release(acme.id, by=ANN)
    assert types(catalog, own) == ["tenant.released"]


def test_what_waits_has_a_limit(any_catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond it is counted; the change itself is made."""
    monkeypatch.setattr(messages, "MAX_WAITING", 2)
    monkeypatch.setattr(kept, "MAX_WAITING", 2)
    catalog = any_catalog
    acme = open_tenant(catalog, "acme")
    hook = add(catalog, "all")
    for plan in ("a", "b", "c", "d"):
        catalog.tenants.change_plan(acme.id, plan, by=ANN)
    assert catalog.tenants.get("acme").plan == "d"
    assert len(catalog.webhooks.list_deliveries(hook.id)) == 2
    found = catalog.webhooks.find(hook.id)
    assert found is not None
    assert found.missed == 2
    with pytest.raises(WebhookLimitError, match="2 messages that wait"):
        catalog.webhooks.send_test(hook.id, by=ANN)
    monkeypatch.setattr(kept, "MAX_WEBHOOKS", 2)
    add(catalog, "second")
    with pytest.raises(WebhookLimitError, match="The platform has 2 webhooks"):
        add(catalog, "third")
    add(catalog, "own", tenant_id=acme.id)


def test_old_messages_are_forgotten(any_catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest that are over stay, and all that wait."""
    monkeypatch.setattr(kept, "KEPT", 3)
    webhooks, hook = any_catalog.webhooks, add(any_catalog, "all")
    sent = [webhooks.send_test(hook.id, by=ANN) for _ in range(5)]
    for message in sent[:4]:
        webhooks.note_accepted(message.id, 200)
    monkeypatch.setattr(kept, "KEPT", 100)
    assert {it.id for it in webhooks.list_deliveries(hook.id)} == {it.id for it in sent[1:]}
    with any_catalog.store.updating() as connection:
        old = now() - kept.STALE - timedelta(seconds=1)
        connection.execute(update(WebhookDeliveryRecord).values(created_at=old))
    assert webhooks.give_up_stale() == 1
    found = webhooks.find_delivery(sent[4].id)
    assert found is not None
    assert found[1].state is DeliveryState.FAILED


def test_what_becomes_of_a_message_is_noted(any_catalog: Catalog) -> None:
    """And of its webhook: since when it fails, and that it works again."""
    webhooks, hook = any_catalog.webhooks, add(any_catalog, "all")
    message = webhooks.send_test(hook.id, by=ANN)
    assert message.type == PING
    webhooks.note_refused(message.id, 500, "the answer was 500", is_last=False)
    found = webhooks.find_delivery(message.id)
    assert found is not None
    failing, tried = found
    assert (tried.state, tried.status, tried.attempts) == (DeliveryState.WAITING, 500, 1)
    assert failing.failing_since is not None
    assert failing.problem == "the answer was 500"
    assert [it.id for it in webhooks.list_failing(limit=5)] == [hook.id]
    webhooks.note_refused(message.id, None, "no answer", is_last=True)
    found = webhooks.find_delivery(message.id)
    assert found is not None
    assert found[1].state is DeliveryState.FAILED
    assert found[0].failing_since == failing.failing_since
    again = webhooks.send_again(message.id, by=ANN)
    assert (again.state, again.body, again.attempts) == (DeliveryState.WAITING, message.body, 0)
    assert webhooks.send_again(message.id, by=ANN) == again
    assert any_catalog.jobs.list(name=messages.JOB).total == 2
    webhooks.note_accepted(message.id, 200)
    found = webhooks.find_delivery(message.id)
    assert found is not None
    assert found[1].state is DeliveryState.ACCEPTED
    assert found[0].failing_since is None
    assert webhooks.list_failing(limit=5) == ()
    webhooks.note_accepted("gone", 200)
    webhooks.note_refused("gone", None, "x", is_last=True)
    with pytest.raises(WebhookNotFoundError):
        webhooks.send_again("gone", by=ANN)


def test_a_webhook_is_changed_turned_off_and_removed(any_catalog: Catalog) -> None:
    """Each with a line in the audit trail that has no secret."""
    webhooks, hook = any_catalog.webhooks, add(any_catalog, "all", sealed_secret="sealed-1")
    changed = webhooks.change(hook.id, url=f"{URL}new", events=["backup.made"] * 2, by=ANN)
    assert (changed.url, changed.events) == (f"{URL}new", ("backup.made",))
    webhooks.replace_secret(hook.id, "sealed-2", by=ANN)
    off = webhooks.turn_off(hook.id, "gone", by=ANN)
    assert off is not None
    assert not off.is_on
    assert webhooks.turn_off(hook.id, "again", by=ANN) is None
    on = webhooks.change(hook.id, is_on=True, by=ANN)
    assert (on.is_on, on.problem, on.failing_since) == (True, "", None)
    webhooks.send_test(hook.id, by=ANN)
    webhooks.remove(hook.id, by=ANN)
    assert webhooks.find(hook.id) is None
    assert webhooks.list_deliveries(hook.id) == ()
    for call in (webhooks.remove, webhooks.change, webhooks.send_test):
        with pytest.raises(WebhookNotFoundError):
            call(hook.id, by=ANN)
    events = any_catalog.audit.list().items
    assert [event.action.removeprefix("webhook.") for event in events] == [
        *("remove", "change", "off", "secret", "change", "create"),
    ]
    assert "sealed" not in str(events)


def test_a_purge_takes_a_sites_webhooks(any_catalog: Catalog) -> None:
    """With their messages."""
    catalog = any_catalog
    acme = open_tenant(catalog, "acme")
    hook = add(catalog, "own", tenant_id=acme.id)
    catalog.webhooks.send_test(hook.id, by=ANN)
    with catalog.store.updating() as connection:
        values = {"state": TenantState.DELETED, "purge_at": now() - timedelta(seconds=1)}
        connection.execute(update(TenantRecord).values(**values))
    assert catalog.purges.count_rows(acme.id)["webhook"] == 1
    catalog.purges.clear(acme.id, by=SYSTEM)
    assert catalog.webhooks.find(hook.id) is None
    with catalog.store.reading() as session:
        assert session.query(WebhookRecord).count() == 0
        assert session.query(WebhookDeliveryRecord).count() == 0
