"""Suspending a tenant, and letting it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM, Actor, Catalog
from tenantry.errors import BadTransitionError, TenantNotFoundError
from tenantry.lifecycle import Operations
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.settings import Settings

OPERATOR = Actor("operator", "op@example.com")


def test_a_suspended_tenant_comes_back_whole(any_catalog: Catalog, settings: Settings) -> None:
    """Law 12: nothing of it is lost, and the trail says who and why."""
    tenant = any_catalog.tenants.add("acme", name="Acme", settings={"a": 1}, by=SYSTEM)
    any_catalog.provisioning.activate({tenant.id: None}, by=SYSTEM)
    operations = Operations(any_catalog, settings=settings, actor=OPERATOR)
    suspended = operations.suspend("acme", reason="unpaid")
    assert suspended.state is TenantState.SUSPENDED
    assert any_catalog.tenants.get_row("acme").reason == "unpaid"
    event = any_catalog.audit.list().items[0]
    assert (event.actor, event.detail["reason"]) == ("op@example.com", "unpaid")
    back = operations.resume("acme")

    assert (back.state, dict(back.settings)) == (TenantState.ACTIVE, {"a": 1})
    assert operations.suspend("acme").state is TenantState.SUSPENDED


def test_saying_it_twice_changes_nothing(catalog: Catalog, settings: Settings) -> None:
    """Scripts may suspend what is suspended: no change, no audit row."""
    tenant = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    catalog.provisioning.activate({tenant.id: None}, by=SYSTEM)
    operations = Operations(catalog, settings=settings, actor=OPERATOR)
    one = operations.suspend("acme")
    events = catalog.audit.list().total

    assert operations.suspend("acme") == one
    assert catalog.audit.list().total == events


def test_what_is_gone_is_neither_suspended_nor_resumed(
    catalog: Catalog, settings: Settings
) -> None:
    """Unknown and deleted tenants are refused with a sentence."""
    operations = Operations(catalog, settings=settings, actor=OPERATOR)
    with pytest.raises(TenantNotFoundError):
        operations.suspend("acme")
    tenant = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    catalog.tenants.transition(tenant.id, TenantState.DELETED, by=SYSTEM)
    for act in (operations.suspend, operations.resume):
        with pytest.raises(BadTransitionError, match="deleted"):
            act("acme")


@pytest.mark.parametrize("operation", ["suspend", "resume", "archive", "begin_maintenance"])
def test_what_is_being_made_keeps_its_state(
    catalog: Catalog, settings: Settings, operation: str
) -> None:
    """There is no site yet: only its creation lets visitors in, no command does."""
    catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    operations = Operations(catalog, settings=settings, actor=OPERATOR)
    with pytest.raises(BadTransitionError, match="provisioning"):
        getattr(operations, operation)("acme")
    assert catalog.tenants.get("acme").state is TenantState.PROVISIONING
