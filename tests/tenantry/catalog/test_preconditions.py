"""Changes on condition of a revision, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM, NewJob
from tenantry.catalog.preconditions import at_revision
from tenantry.errors import TenantChangedError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog import Catalog

JOB = NewJob(name="operations.backup", arguments={})


def test_the_first_change_is_held_to_the_revision(any_catalog: Catalog) -> None:
    """Its own changes do not count against a caller; another's do, and then nothing is changed."""
    tenants = any_catalog.tenants
    acme, bolt = (tenants.add(slug, name=slug, by=SYSTEM) for slug in ("acme", "bolt"))
    with at_revision(acme.id, acme.revision):
        tenants.change_plan(bolt.id, "gold", by=SYSTEM)
        tenants.change_plan(acme.id, "gold", by=SYSTEM)
        changed = tenants.configure(acme.id, name="Acme", by=SYSTEM)
    assert changed.revision == acme.revision + 2

    changes: tuple[Callable[[], object], ...] = (
        lambda: tenants.change_plan(acme.id, "free", by=SYSTEM),
        lambda: tenants.change_plan(acme.id, "gold", by=SYSTEM),  # what it is already
        lambda: tenants.transition(acme.id, TenantState.ACTIVE, by=SYSTEM),
        lambda: any_catalog.hosts.add(acme.id, "shop.example.org", by=SYSTEM),
        lambda: any_catalog.memberships.add_owner(acme.id, "ada@x.test", by=SYSTEM),
    )
    with at_revision(acme.id, acme.revision):
        for change in changes:
            with pytest.raises(TenantChangedError):
                change()
    assert tenants.get("acme") == changed
    assert tenants.change_plan(acme.id, "free", by=SYSTEM).plan == "free"  # the block is over


def test_a_job_is_added_on_the_same_condition(any_catalog: Catalog) -> None:
    """One of another tenant, or of the platform, is not held to it."""
    tenants, jobs = any_catalog.tenants, any_catalog.jobs
    acme, bolt = (tenants.add(slug, name=slug, by=SYSTEM) for slug in ("acme", "bolt"))
    own = NewJob(name=JOB.name, arguments={}, tenant_id=acme.id)
    other = NewJob(name=JOB.name, arguments={}, tenant_id=bolt.id)
    with at_revision(acme.id, acme.revision + 1):
        jobs.add(JOB, other, by=SYSTEM)
        with pytest.raises(TenantChangedError):
            jobs.add(own, by=SYSTEM)
    with at_revision(acme.id, acme.revision):
        jobs.add(own, by=SYSTEM)
        tenants.change_plan(acme.id, "gold", by=SYSTEM)
        jobs.add(own, by=SYSTEM)
    assert jobs.list(tenant_id=acme.id).total == 2
    assert jobs.list().total == 4
