"""Suspending a tenant, and letting it back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM, Actor, Catalog
from tenantry.errors import BadTransitionError, TenantNotFoundError
from tenantry.lifecycle import resume_tenant, suspend_tenant
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.settings import Settings

OPERATOR = Actor("operator", "op@example.com")


def test_a_suspended_tenant_comes_back_whole(any_catalog: Catalog, settings: Settings) -> None:
    """Law 12: nothing of it is lost, and the trail says who and why."""
    tenant = any_catalog.tenants.add("acme", name="Acme", settings={"a": 1}, by=SYSTEM)
    any_catalog.provisioning.activate({tenant.id: None}, by=SYSTEM)
    suspended = suspend_tenant(any_catalog, "acme", reason="unpaid", by=OPERATOR)
    assert suspended.state is TenantState.SUSPENDED
    assert any_catalog.tenants.get_row("acme").reason == "unpaid"
    event = any_catalog.audit.list().items[0]
    assert (event.actor, event.detail["reason"]) == ("op@example.com", "unpaid")
    back = resume_tenant(any_catalog, "acme", settings=settings, by=OPERATOR)

    assert (back.state, dict(back.settings)) == (TenantState.ACTIVE, {"a": 1})
    assert suspend_tenant(any_catalog, "acme", by=OPERATOR).state is TenantState.SUSPENDED


def test_saying_it_twice_changes_nothing(catalog: Catalog) -> None:
    """Scripts may suspend what is suspended: no change, no audit row."""
    tenant = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    catalog.provisioning.activate({tenant.id: None}, by=SYSTEM)
    one = suspend_tenant(catalog, "acme", by=OPERATOR)
    events = catalog.audit.list().total

    assert suspend_tenant(catalog, "acme", by=OPERATOR) == one
    assert catalog.audit.list().total == events


def test_what_is_gone_is_neither_suspended_nor_resumed(
    catalog: Catalog, settings: Settings
) -> None:
    """Unknown and deleted tenants are refused with a sentence."""
    with pytest.raises(TenantNotFoundError):
        suspend_tenant(catalog, "acme", by=OPERATOR)
    tenant = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    catalog.tenants.transition(tenant.id, TenantState.DELETED, by=SYSTEM)
    for act in (suspend_tenant, partial(resume_tenant, settings=settings)):
        with pytest.raises(BadTransitionError, match="deleted"):
            act(catalog, "acme", by=OPERATOR)
