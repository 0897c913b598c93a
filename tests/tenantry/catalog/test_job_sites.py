"""The sites of a job that goes through many, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM, NewJob, SiteState, TenantFilter
from tenantry.errors import BadArgumentError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.catalog import Catalog

NEW = NewJob(name="operations.bulk", arguments={}, max_attempts=2, cancellable=True)


def test_a_job_knows_its_sites(any_catalog: Catalog) -> None:
    """They are chosen once, in the job's own transaction; another number adds neither."""
    record = any_catalog.job_sites
    for slug in ("acme", "bolt", "cora"):
        tenant = any_catalog.tenants.add(slug, name=slug.capitalize(), by=SYSTEM)
        any_catalog.provisioning.activate({tenant.id: None}, schemas={}, by=SYSTEM)
    cora = any_catalog.tenants.get("cora")
    any_catalog.tenants.transition(cora.id, TenantState.SUSPENDED, by=SYSTEM)
    every = TenantFilter()
    assert record.count_matching(every) == {TenantState.ACTIVE: 2, TenantState.SUSPENDED: 1}
    assert record.count_matching(TenantFilter(search="acme")) == {TenantState.ACTIVE: 1}

    active = {TenantState.ACTIVE}
    with pytest.raises(BadArgumentError, match="2 match by now"):
        record.begin(NEW, every, states=active, expected=3, by=SYSTEM)
    assert any_catalog.jobs.list().total == 0
    job = record.begin(NEW, every, states=active, expected=2, by=SYSTEM)
    pending = record.list(job.id, SiteState.PENDING, limit=9)
    assert {site.slug for site in pending} == {"acme", "bolt"}
    assert len(record.list(job.id, SiteState.PENDING, limit=1)) == 1

    first, second = pending
    record.record(job.id, first.tenant_id, SiteState.FAILED, "It is locked.\0" + "x" * 600)
    record.record(job.id, second.tenant_id, SiteState.DONE)
    (failed,) = record.list(job.id, SiteState.FAILED, limit=9)
    assert failed.text == "It is locked." + "x" * 487
    assert record.count(job.id) == {
        **dict.fromkeys(SiteState, 0),
        SiteState.DONE: 1,
        SiteState.FAILED: 1,
    }
    record.retry_failed(job.id)
    assert [site.slug for site in record.list(job.id, SiteState.PENDING, limit=9)] == [first.slug]

    any_catalog.jobs.cancel(job.id, by=SYSTEM)
    finished = any_catalog.jobs.get(job.id).finished_at
    assert finished is not None
    any_catalog.jobs.remove_finished(finished.replace(year=finished.year + 1))
    assert sum(record.count(job.id).values()) == 0
