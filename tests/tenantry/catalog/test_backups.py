"""What the catalog knows of the newest backups, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM, BackupFilter
from tenantry.catalog.models import BackupRecord, now
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.catalog import Catalog, NewestBackup

MADE = now() - timedelta(days=9)


@pytest.fixture
def full(any_catalog: Catalog) -> Catalog:
    """Return a catalog with four sites, of which one is still being made."""
    for slug in ("acme", "bolt", "coil", "unmade"):
        made = any_catalog.tenants.add(slug, name=slug, by=SYSTEM)
        if slug != "unmade":
            any_catalog.provisioning.activate({made.id: None}, by=SYSTEM)
    return any_catalog


def note(catalog: Catalog, slug: str, file: str = "one.tenant") -> str:
    """Note a backup of a site, and return the site's id."""
    tenant_id = catalog.tenants.get(slug).id
    catalog.backups.record(tenant_id, file=file, made_at=MADE, size=5)
    return tenant_id


def find(catalog: Catalog, slug: str) -> NewestBackup:
    """Return what is known of a site's backup."""
    tenant_id = catalog.tenants.get(slug).id
    return catalog.backups.find([tenant_id])[tenant_id]


def slugs(catalog: Catalog, which: BackupFilter) -> list[str]:
    """Return which sites a filter lets through."""
    before = now() - timedelta(days=2)
    found = [row.tenant.slug for row in catalog.backups.list(which, before=before).items]
    assert tuple(found) == catalog.backups.list_slugs(which, before=before, limit=9)
    return found


def test_an_unchanged_site_keeps_its_backup_current(full: Catalog) -> None:
    """What was found out about it stays; a newer backup was not checked yet."""
    acme = note(full, "acme")
    full.backups.record_check(acme, file="one.tenant", problem="damaged")
    first = find(full, "acme")
    assert (first.file, first.made_at, first.size, first.problem) == (
        "one.tenant",
        MADE,
        5,
        "damaged",
    )
    assert first.checked_at is not None
    note(full, "acme")
    again = find(full, "acme")
    assert again.current_at > first.current_at
    assert (again.checked_at, again.problem) == (first.checked_at, "damaged")
    note(full, "acme", "two.tenant")
    newer = find(full, "acme")
    assert (newer.file, newer.checked_at, newer.problem) == ("two.tenant", None, "")


def test_a_restore_of_an_older_backup_says_nothing_of_the_newest(full: Catalog) -> None:
    """But the site's people know when one was last tried."""
    acme = note(full, "acme", "two.tenant")
    full.backups.record_check(acme, file="one.tenant", restored=True)
    known = find(full, "acme")
    assert known.checked_at is None
    assert known.restored_at is not None


def test_each_filter(full: Catalog) -> None:
    """Sites without data are in none of them."""
    assert slugs(full, BackupFilter.NONE) == ["acme", "bolt", "coil"]
    acme, bolt = note(full, "acme"), note(full, "bolt")
    full.backups.record_check(bolt, file="one.tenant", problem="x" * 9_000)
    with full.store.writing(SYSTEM) as writer:
        record = writer.session.get(BackupRecord, acme)
        assert record is not None
        record.current_at = now() - timedelta(days=3)
    assert slugs(full, BackupFilter.ALL) == ["acme", "bolt", "coil"]
    assert slugs(full, BackupFilter.NONE) == ["coil"]
    assert slugs(full, BackupFilter.OLD) == ["acme"]
    assert slugs(full, BackupFilter.UNCHECKED) == ["acme"]
    assert slugs(full, BackupFilter.DAMAGED) == ["bolt"]
    page = full.backups.list(BackupFilter.ALL, before=now(), size=2)
    following = full.backups.list(BackupFilter.ALL, before=now(), size=2, cursor=page.following)
    assert [row.tenant.slug for row in following.items] == ["coil"]


def test_a_purge_takes_the_note_away(full: Catalog) -> None:
    """Nothing of a purged tenant stays but its tombstone."""
    acme = note(full, "acme")
    for state in (TenantState.ARCHIVED, TenantState.DELETED):
        full.tenants.transition(acme, state, by=SYSTEM)
    full.purges.begin(acme, early=True, by=SYSTEM)
    assert full.purges.count_rows(acme) == {"note of a backup": 1}
    full.purges.clear(acme, by=SYSTEM)
    assert full.backups.find([acme]) == {}
