"""How a tenant's life ends: archived, deleted with a copy, brought back, or purged with a proof."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenantry.bundles.archive import open_bundle
from tenantry.catalog import SYSTEM, Actor, Catalog
from tenantry.databases.placements import tenant_database
from tenantry.errors import (
    BadTransitionError,
    LeftoversError,
    TenantExistsError,
    TooEarlyError,
    TooLateError,
)
from tenantry.lifecycle import Operations
from tenantry.lifecycle.tenant_paths import TenantPaths, folders_of
from tenantry.values.tenant import TenantState as S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

ROOT = Path(__file__).parents[3]
OPERATOR = Actor("operator", "op@example.com")


@pytest.fixture
def acme(any_catalog: Catalog, settings: Settings) -> Tenant:
    """Return a tenant with something in every place."""
    tenant = any_catalog.tenants.add("acme", name="Acme", settings={"a": 1}, by=SYSTEM)
    any_catalog.provisioning.activate({tenant.id: "ada@x.test"}, by=SYSTEM)
    database = tenant_database(tenant, settings)
    database.create()
    (settings.tenant_dir(tenant.id) / "media").mkdir(mode=0o700)
    (settings.tenant_dir(tenant.id) / "media" / "cat.png").write_bytes(b"cat" * 1000)
    settings.popular_dir.mkdir(parents=True)
    (settings.popular_dir / "1.json").write_text(json.dumps({tenant.id: 5, "f" * 32: 4}))
    return any_catalog.hosts.add(tenant.id, "www.acme.org", proof="operator", by=SYSTEM)


@pytest.fixture
def neighbour(any_catalog: Catalog, settings: Settings) -> Tenant:
    """Return a tenant whom all this is no concern of."""
    tenant = any_catalog.tenants.add("bolt", name="Bolt", by=SYSTEM)
    tenant_database(tenant, settings).create()
    return any_catalog.provisioning.activate({tenant.id: "ada@x.test"}, by=SYSTEM)[0]


def delete(catalog: Catalog, settings: Settings, slug: str = "acme") -> None:
    """Delete it as the operator."""
    Operations(catalog, settings=settings, actor=OPERATOR).delete(slug)


def test_an_archived_site_is_served_again(
    any_catalog: Catalog, settings: Settings, acme: Tenant
) -> None:
    """Nothing of it is lost; saying it twice changes nothing; the trail says who and why."""
    operations = Operations(any_catalog, settings=settings, actor=OPERATOR)
    archived = operations.archive("acme", reason="season over")
    assert archived.state is S.ARCHIVED
    assert any_catalog.audit.list().items[0].detail["reason"] == "season over"
    assert operations.archive("acme") == archived
    back = operations.resume("acme")

    assert (back.state, back.hosts, back.settings) == (S.ACTIVE, acme.hosts, acme.settings)


def test_deleting_copies_what_nobody_writes_to_any_more(
    any_catalog: Catalog, settings: Settings, acme: Tenant
) -> None:
    """Law 11: closed, copied, then marked with a date; nothing of it is destroyed."""
    operations = Operations(any_catalog, settings=settings, actor=OPERATOR)
    before = {found.what for found in operations.find_residual_data(acme)}
    delete(any_catalog, settings)
    row = any_catalog.tenants.get_row("acme")

    assert row.tenant.state is S.DELETED
    assert row.purge_at is not None
    assert 29 < (row.purge_at - datetime.now(UTC)) / timedelta(days=1) <= 30
    with open_bundle(settings.last_bundle(acme.id)) as bundle:
        assert bundle.manifest.tenant.id == acme.id
        assert [file.path for file in bundle.manifest.files] == ["media/cat.png"]
    after = {found.what for found in operations.find_residual_data(acme)}
    assert before < after
    with pytest.raises(BadTransitionError, match="undelete"):
        operations.archive("acme")


def test_a_deletion_that_fails_goes_on_where_it_was(
    any_catalog: Catalog, settings: Settings, acme: Tenant
) -> None:
    """Without its copy a site is archived, not deleted; the same again deletes it, with one date."""
    folder = settings.last_bundle(acme.id).parent
    folder.touch()
    with pytest.raises(FileExistsError, match=str(folder)):
        delete(any_catalog, settings)
    assert any_catalog.tenants.get("acme").state is S.ARCHIVED
    folder.unlink()
    delete(any_catalog, settings)
    row = any_catalog.tenants.get_row("acme")
    delete(any_catalog, settings)

    assert any_catalog.tenants.get_row("acme") == row
    assert row.tenant.id == acme.id


def test_what_was_never_served_needs_no_copy(catalog: Catalog, settings: Settings) -> None:
    """There is nothing to copy yet."""
    half = catalog.tenants.add("half", name="Half", by=SYSTEM)
    row = Operations(catalog, settings=settings, actor=OPERATOR).delete("half")
    assert row.tenant.state is S.DELETED
    assert not settings.last_bundle(half.id).exists()


def test_undelete_brings_everything_back(
    any_catalog: Catalog, settings: Settings, acme: Tenant
) -> None:
    """Until the purge date, and to archived: somebody decides to serve it again."""
    operations = Operations(any_catalog, settings=settings, actor=OPERATOR)
    with pytest.raises(BadTransitionError, match="undeleted"):
        operations.preview_undelete("acme")
    delete(any_catalog, settings)
    assert operations.undelete("acme").state is S.ARCHIVED
    assert operations.preview_undelete("acme").purge_at is None
    back = operations.resume("acme")

    assert (back.hosts, back.settings) == (acme.hosts, acme.settings)
    assert any_catalog.tenants.get_row("acme").owners == ("ada@x.test",)
    assert tenant_database(back, settings).exists()


def test_a_purge_leaves_a_tombstone_and_nothing_else(
    any_catalog: Catalog, settings: Settings, acme: Tenant, neighbour: Tenant
) -> None:
    """Law 11, 12: looked for in every place; id and name stay taken; the neighbour keeps all."""
    operations = Operations(any_catalog, settings=settings, actor=OPERATOR)
    before = operations.find_residual_data(neighbour)
    for folder in folders_of([TenantPaths(acme, settings)]):  # what a restore has put aside
        (folder / "old").mkdir(parents=True, exist_ok=True)
        (folder / "old" / "site.sqlite3").write_text(acme.id)
    delete(any_catalog, settings)
    row = operations.purge("acme", early=True)

    assert row.purged_at is not None
    assert operations.find_residual_data(acme) == ()
    assert not settings.tenant_dir(acme.id).exists()
    assert not settings.last_bundle(acme.id).exists()
    assert json.loads((settings.popular_dir / "1.json").read_text()) == {"f" * 32: 4}
    assert acme.id not in "".join(
        path.read_text(errors="replace") + path.name
        for path in settings.data_dir.rglob("*")
        if path.is_file()
    )
    with pytest.raises(TenantExistsError):
        any_catalog.tenants.add("acme", name="Another", by=SYSTEM)
    with pytest.raises(TooLateError):
        operations.undelete("acme")
    actions = [event.action for event in any_catalog.audit.list(tenant_id=acme.id).items]
    assert actions[:2] == ["tenant.purge", "tenant.purge.begin"]
    assert operations.find_residual_data(neighbour) == before

    events = any_catalog.audit.list().total
    assert operations.purge("acme") == row
    assert any_catalog.audit.list().total == events


def test_the_database_is_dropped_wherever_it_is(catalog: Catalog, any_settings: Settings) -> None:
    """In a file or on a server, and it is a neighbour's that stays."""
    tenants = [catalog.tenants.add(slug, name=slug, by=SYSTEM) for slug in ("acme", "bolt")]
    for tenant in tenants:
        tenant_database(tenant, any_settings).create()
    catalog.provisioning.activate({tenant.id: None for tenant in tenants}, by=SYSTEM)
    delete(catalog, any_settings)
    operations = Operations(catalog, settings=any_settings, actor=OPERATOR)
    found = operations.find_residual_data(tenants[0])
    assert any(one.what == "its database on local" for one in found)
    operations.purge("acme", early=True)

    assert operations.find_residual_data(tenants[0]) == ()
    databases = [tenant_database(tenant, any_settings) for tenant in tenants]
    assert [database.exists() for database in databases] == [False, True]


def test_a_purge_waits_for_its_date(
    any_catalog: Catalog, make_settings: Callable[..., Settings], acme: Tenant
) -> None:
    """Nothing happens to a tenant before, unless that is meant; and never to one not deleted."""
    settings = make_settings(purge_days=0)
    operations = Operations(any_catalog, settings=settings, actor=OPERATOR)
    with pytest.raises(BadTransitionError, match="purged"):
        operations.preview_purge("acme", early=True)
    with pytest.raises(BadTransitionError, match="purged"):
        operations.purge("acme", early=True)
    delete(any_catalog, make_settings(purge_days=1))
    with pytest.raises(TooEarlyError):
        operations.preview_purge("acme")
    with pytest.raises(TooEarlyError):
        operations.purge("acme")
    assert tenant_database(acme, settings).exists()
    assert operations.preview_purge("acme", early=True).purged_at is None
    operations.undelete("acme")
    delete(any_catalog, settings)

    assert operations.preview_purge("acme").is_due
    assert operations.purge("acme").purged_at


def test_what_cannot_be_removed_is_named(
    any_catalog: Catalog, settings: Settings, acme: Tenant, tmp_path: Path
) -> None:
    """A proof that found something: no tombstone yet; mended, the same command finishes."""
    delete(any_catalog, settings)
    folder, elsewhere = settings.tenant_dir(acme.id), tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    operations = Operations(any_catalog, settings=settings, actor=OPERATOR)
    with pytest.raises(LeftoversError, match=str(folder)) as caught:
        operations.purge("acme", early=True)
    assert len(caught.value.left) == 1
    assert any_catalog.tenants.get_row("acme").purged_at is None
    folder.unlink()

    assert operations.purge("acme").purged_at
    assert (elsewhere / "media" / "cat.png").exists()  # not ours to look for
