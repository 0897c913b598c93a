"""Backups are made while sites are in use, and bring one of them back as it was."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from tenantry.catalog import SYSTEM, Catalog
from tenantry.databases.placements import tenant_database
from tenantry.databases.servers import SERVERS
from tenantry.errors import BundleError, DatabaseUnavailableError
from tenantry.lifecycle import backup
from tenantry.lifecycle.backup import read_backups
from tenantry.lifecycle.tenant_paths import TenantPaths
from tenantry.values.tenant import TenantState
from tests.tenantry.lifecycle import ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import psycopg

    from tenantry.catalog import AuditEvent
    from tenantry.lifecycle.backup import Backup
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

SECRET = b"correct horse battery staple"


@pytest.fixture
def settings(any_settings: Settings) -> Settings:
    """Return settings whose tenants live on each kind of placement in turn."""
    return any_settings


def make(catalog: Catalog, settings: Settings, slug: str) -> Tenant:
    """Return a site with rows and files."""
    made = ledger.operations(catalog, settings).create(slug, name=slug)
    ledger.write(made, settings)
    return made


@pytest.fixture
def acme(catalog: Catalog, settings: Settings) -> Tenant:
    """Return a site."""
    return make(catalog, settings, "acme")


def back_up(catalog: Catalog, settings: Settings, **options: Any) -> Backup:
    """Back acme up."""
    return ledger.operations(catalog, settings).backup("acme", **options)


def restore(catalog: Catalog, settings: Settings, *path: Path, **options: Any) -> Tenant:
    """Restore acme."""
    operations = ledger.operations(catalog, settings)
    return operations.restore("acme", *path, drain=0, **options)


def spoil(tenant: Tenant, settings: Settings) -> None:
    """Do to a site what makes people ask for its backup."""
    engine = tenant_database(tenant, settings).open_engine()
    with engine.begin() as connection:
        connection.execute(ledger.ENTRY.delete())
        connection.execute(ledger.PERSON.update().values(name="oops"))
    engine.dispose()
    folder = settings.tenant_dir(tenant.id)
    shutil.rmtree(folder / "media" / "deep")
    (folder / "media" / "empty").write_text("no more")
    (folder / "rubbish").touch()
    (folder / "uploads").rmdir()


def content(tenant: Tenant, settings: Settings) -> Any:
    """Return all rows and files of a site."""
    folder = settings.tenant_dir(tenant.id)
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "sqlite3" not in path.name
    }
    return ledger.read(tenant, settings), files


def test_one_site_comes_back_and_no_other_is_touched(
    acme: Tenant, catalog: Catalog, settings: Settings
) -> None:
    """R42: rows and files are as they were; the neighbour's are as they are."""
    neighbour = make(catalog, settings, "globex")
    before = content(acme, settings)
    made = back_up(catalog, settings)
    assert made.is_new
    spoil(acme, settings)
    spoil(neighbour, settings)
    theirs = content(neighbour, settings)
    restored = restore(catalog, settings)
    assert content(acme, settings) == before
    assert content(neighbour, settings) == theirs
    assert restored.state is TenantState.ACTIVE
    assert restored.revision > acme.revision
    assert catalog.tenants.get("globex") == neighbour
    assert tenant_database(restored, settings).check() is None
    assert (settings.tenant_dir(acme.id) / "uploads").is_dir()
    actions = [event.action for event in catalog.audit.list(tenant_id=acme.id).items]
    assert {"tenant.backup", "tenant.restore"} <= set(actions)


def test_what_was_there_before_is_kept(acme: Tenant, catalog: Catalog, settings: Settings) -> None:
    """Law 11: a restore that was a mistake can be undone."""
    back_up(catalog, settings)
    spoil(acme, settings)
    restore(catalog, settings)
    home = settings.data_dir / "restores" / f"t_{acme.id}"
    kept = {path.name for path in home.rglob("*") if path.is_file()}
    assert kept & {"rubbish", "before.tenant"}
    assert kept & {"site.sqlite3", "before.tenant"}
    restore(catalog, settings)  # a second time puts aside what the first has brought
    assert not (home / "parts").exists()


def test_unchanged_sites_are_not_backed_up_again(
    acme: Tenant, catalog: Catalog, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is the same as in the last backup takes no room; one row or one file makes another."""
    first = back_up(catalog, settings)
    again = back_up(catalog, settings)
    assert (again.is_new, again.path) == (False, first.path)
    engine = tenant_database(acme, settings).open_engine()
    with engine.begin() as connection:
        connection.execute(ledger.PERSON.update().where(ledger.PERSON.c.id == 1).values(name="x"))
    second = back_up(catalog, settings)
    (settings.tenant_dir(acme.id) / "media" / "new").touch()
    third = back_up(catalog, settings)
    catalog.tenants.configure(acme.id, settings={"tagline": "New"}, by=SYSTEM)
    fourth = back_up(catalog, settings)
    assert [found.is_new for found in (second, third, fourth)] == [True, True, True]
    engine.dispose()


def test_an_untouched_file_need_not_even_be_copied(
    acme: Tenant, catalog: Catalog, settings: Settings, tmp_path: Path
) -> None:
    """SQLite's files tell by themselves that nothing was written, once their change is old enough."""
    if settings.get_placement("local").kind != "sqlite":
        pytest.skip("a server's tables do not tell")
    assert backup.find_fingerprint(acme, settings) == ""
    time.sleep(backup._QUIET_SECONDS + 0.1)
    first = back_up(catalog, settings)
    assert first.manifest is not None
    assert first.manifest.fingerprint == backup.find_fingerprint(acme, settings) != ""
    assert not back_up(catalog, settings).is_new
    path = settings.tenant_dir(acme.id) / "site.sqlite3"
    with closing(sqlite3.connect(path)) as writer:
        # Still open: the change is in the log alone, and the file itself is as it was.
        writer.execute("UPDATE person SET name = 'y'")
        writer.commit()
        assert backup.find_fingerprint(acme, settings) == ""
        assert back_up(catalog, settings).is_new


def test_only_so_many_are_kept(
    acme: Tenant, catalog: Catalog, settings: Settings, tmp_path: Path
) -> None:
    """The oldest go, and nothing that is not a backup of this site."""
    home = tmp_path / "elsewhere"
    made = []
    for number in range(4):
        (settings.tenant_dir(acme.id) / "count").write_text(str(number))
        made.append(back_up(catalog, settings, folder=home, keep=2))
        (made[0].path.parent / "mine.tenant").touch()
    found = list(read_backups(home / f"t_{acme.id}"))
    assert [item.path for item in found] == [made[3].path, made[2].path]
    assert (made[0].path.parent / "mine.tenant").exists()
    assert made[3].path.stat().st_mode & 0o777 == 0o600


def test_the_daily_backup_thins_out_what_owners_made(
    catalog: Catalog, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """Theirs lie in the data folder, wherever the daily ones are; one there thins out only there."""
    settings = make_settings(backup_dir=str(tmp_path / "daily"))
    acme = make(catalog, settings, "acme")
    daily, usual = (tmp_path / "daily" / f"t_{acme.id}", TenantPaths(acme, settings).backups)

    def count(**options: Any) -> tuple[int, int]:
        (settings.tenant_dir(acme.id) / "count").write_text(str(time.monotonic_ns()))
        back_up(catalog, settings, **options)
        return len(list(usual.glob("*.tenant"))), len(list(daily.glob("*.tenant")))

    assert [count() for _ in range(3)][-1] == (3, 0)
    assert count(folder=daily.parent, keep=2) == (2, 1)
    assert count(folder=daily.parent, keep=2) == (2, 2)
    assert count(keep=1) == (1, 2)


def test_a_copy_of_one_cannot_be_opened_as_another(
    acme: Tenant, catalog: Catalog, settings: Settings
) -> None:
    """R42: the id in the backup is compared, whatever its file is called."""
    globex = make(catalog, settings, "globex")
    before = content(globex, settings)
    path = back_up(catalog, settings).path
    with pytest.raises(BundleError, match="belongs to another tenant"):
        ledger.operations(catalog, settings).restore("globex", path)
    assert content(globex, settings) == before
    assert catalog.tenants.get("globex") == globex


def test_a_damaged_backup_changes_nothing(
    acme: Tenant, catalog: Catalog, settings: Settings, tmp_path: Path
) -> None:
    """It is found before the site is closed, and by verifying as well."""
    made = back_up(catalog, settings)
    data = bytearray(made.path.read_bytes())
    data[len(data) // 2] ^= 1
    damaged = tmp_path / "damaged"
    damaged.write_bytes(data)
    before, state = content(acme, settings), catalog.tenants.get("acme")
    operations = ledger.operations(catalog, settings)
    for act in (
        lambda: restore(catalog, settings, damaged),
        lambda: operations.verify(damaged),
    ):
        with pytest.raises(BundleError):
            act()
    assert content(acme, settings) == before
    assert catalog.tenants.get("acme") == state
    assert operations.verify(made.path).tenant.slug == "acme"
    assert list((settings.data_dir / "scratch").iterdir()) == []


def test_a_damaged_backup_is_listed_and_keeps_nobody_from_the_next(
    acme: Tenant, catalog: Catalog, settings: Settings
) -> None:
    """What cannot be read cannot be compared either: there has to be a new one."""
    first = back_up(catalog, settings)
    first.path.write_bytes(b"nothing")
    second = back_up(catalog, settings)
    assert second.is_new
    new, old = read_backups(first.path.parent)
    assert (new.problem, new.path) == ("", second.path)
    assert "damaged" in old.problem


def test_a_lost_or_corrupt_database_comes_back(
    acme: Tenant, catalog: Catalog, settings: Settings
) -> None:
    """That is what backups are for: nothing of the present file is needed."""
    if settings.get_placement("local").kind != "sqlite":
        pytest.skip("a server's tables are no file")
    before = content(acme, settings)
    back_up(catalog, settings)
    path = settings.tenant_dir(acme.id) / "site.sqlite3"
    path.write_bytes(b"\xff" * 10_000)
    with pytest.raises(BundleError, match="cannot be read"):
        back_up(catalog, settings)
    restore(catalog, settings)
    assert content(acme, settings) == before
    shutil.rmtree(path.parent)
    restore(catalog, settings)
    assert content(acme, settings) == before


def test_a_suspended_site_stays_suspended(
    acme: Tenant, catalog: Catalog, settings: Settings
) -> None:
    """A restore opens nothing that was closed."""
    back_up(catalog, settings)
    ledger.operations(catalog, settings).suspend("acme")
    assert restore(catalog, settings).state is TenantState.SUSPENDED


def test_a_site_can_be_restored_from_its_export(
    acme: Tenant, catalog: Catalog, settings: Settings, tmp_path: Path
) -> None:
    """Rows go where pages go, as long as the schema is the same."""
    before = content(acme, settings)
    path = tmp_path / "export"
    ledger.operations(catalog, settings).export("acme", path, passphrase=SECRET)
    spoil(acme, settings)
    restore(catalog, settings, path, passphrase=SECRET)
    assert content(acme, settings) == before


def test_a_backup_can_be_imported_where_everything_else_is_lost(
    acme: Tenant, catalog: Catalog, settings: Settings
) -> None:
    """It becomes a new tenant, on any kind of placement."""
    made = back_up(catalog, settings, passphrase=SECRET)
    assert made.manifest is not None
    copy = ledger.operations(catalog, settings).import_(made.path, slug="copy", passphrase=SECRET)
    assert content(copy, settings) == content(acme, settings)


def test_one_moment_is_backed_up_while_writers_write(
    acme: Tenant, catalog: Catalog, settings: Settings
) -> None:
    """Two rows that always change together come back together."""
    paths = []
    with ledger.writing(acme, settings, ledger.rename_two) as wait_for_one_more:
        for _ in range(4):
            wait_for_one_more()
            paths.append(back_up(catalog, settings).path)
    for path in paths:
        restore(catalog, settings, path)
        one, other = ledger.read(acme, settings)["person"]
        assert one["name"] == other["name"] != "Ada %s ? :x"


def test_open_connections_notice(acme: Tenant, catalog: Catalog, settings: Settings) -> None:
    """A worker that had the database open reads the restored one at its next request."""
    engine = tenant_database(acme, settings).open_engine()
    names = select(ledger.PERSON.c.name).order_by("id")
    back_up(catalog, settings)
    spoil(acme, settings)
    with engine.connect() as connection:
        assert set(connection.scalars(names)) == {"oops"}
    restore(catalog, settings)
    with engine.connect() as connection:
        assert list(connection.scalars(names)) == [person["name"] for person in ledger.PEOPLE]
    engine.dispose()


def test_the_site_is_closed_for_the_exchange_alone(
    acme: Tenant, catalog: Catalog, settings: Settings
) -> None:
    """Unpacking and checking do not close it: no visitor notices a backup that is refused."""
    path = back_up(catalog, settings).path
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.raises(BundleError):
        restore(catalog, settings, path)
    assert not closings(catalog, acme)
    path.write_bytes(content)
    restore(catalog, settings, path)
    assert len(closings(catalog, acme)) == 1


def closings(catalog: Catalog, tenant: Tenant) -> list[AuditEvent]:
    """Return what the audit trail says of maintenance that began."""
    events = catalog.audit.list(tenant_id=tenant.id).items
    return [event for event in events if event.detail.get("after") == "maintenance"]


def test_rows_that_the_server_refuses_change_nothing(
    acme: Tenant, catalog: Catalog, settings: Settings
) -> None:
    """A constraint that came after the backup: the site serves again as it was, and says why."""
    if settings.get_placement("local").kind == "sqlite":
        pytest.skip("SQLite's pages bring their schema along")
    path = back_up(catalog, settings).path
    engine = tenant_database(acme, settings).open_engine()
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE person SET boss_id = NULL")
        connection.exec_driver_sql('DELETE FROM "Every thing"')
        connection.exec_driver_sql("DELETE FROM person WHERE id = 7")
        connection.exec_driver_sql("ALTER TABLE person ADD CHECK (id < 5)")
    before = content(acme, settings)
    with pytest.raises(BundleError, match="person"):
        restore(catalog, settings, path)
    assert content(acme, settings) == before
    assert catalog.tenants.get("acme").state is TenantState.ACTIVE
    back_up(catalog, settings)


@pytest.mark.postgresql
def test_a_server_that_is_away_keeps_a_restore_from_beginning(
    catalog: Catalog,
    make_settings: Callable[..., Settings],
    server_url: str,
    superuser: psycopg.Connection[Any],
) -> None:
    """It is refused in a sentence, nothing has changed, and the same command does it later."""
    settings = make_settings(databases={"local": {"url": server_url, "connections": 2}})
    acme = make(catalog, settings, "acme")
    before = content(acme, settings)
    back_up(catalog, settings)
    superuser.execute("ALTER ROLE tenantry NOLOGIN")
    SERVERS.clear()
    try:
        with pytest.raises(DatabaseUnavailableError, match="not permitted to log in"):
            restore(catalog, settings)
    finally:
        superuser.execute("ALTER ROLE tenantry LOGIN")
        SERVERS.clear()
    assert catalog.tenants.get("acme") == acme
    spoil(acme, settings)
    restore(catalog, settings)
    assert content(acme, settings) == before


def test_neither_without_data_nor_without_backup(catalog: Catalog, settings: Settings) -> None:
    """A site that is not made yet has nothing to keep and nothing to bring back."""
    catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    with pytest.raises(BundleError, match="no data to back up"):
        back_up(catalog, settings)
    with pytest.raises(BundleError, match="import the backup"):
        restore(catalog, settings)
    make(catalog, settings, "globex")
    with pytest.raises(BundleError, match="there is no backup of it"):
        ledger.operations(catalog, settings).restore("globex")
