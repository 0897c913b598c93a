"""Operations on one tenant do not run into each other, in whatever pairs they come."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM, Catalog, RunState, StepState
from tenantry.catalog.runs import MIGRATING
from tenantry.databases.placements import tenant_database
from tenantry.errors import TenantLockedError, UnfinishedError
from tenantry.files.locks import restore_journal, tenant_lock
from tenantry.lifecycle import Operations
from tenantry.lifecycle.create import CREATING
from tenantry.lifecycle.slug_claims import Claims
from tenantry.migrations import (
    History,
    Options,
    ResumeOptions,
    migrate,
    provision_database,
)
from tenantry.values.tenant import TenantState
from tests.tenantry.lifecycle import ledger
from tests.tenantry.migrations.support import NAME, PEOPLE, write_revisions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tenantry.catalog import Run
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

READING = ("backup", "clone", "export", "rename", "resume")
"""They get along with each other, and with nothing else."""
CHANGING = ("delete", "move", "purge", "restore", "undelete")
"""They are alone; so is migrate."""


@pytest.fixture
def acme(catalog: Catalog, settings: Settings) -> Tenant:
    """Return a site with rows and files, and a backup of it."""
    made = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    ledger.make_factory(settings).provision(made)
    ledger.write(made, settings)
    (made,) = catalog.provisioning.activate({made.id: None}, by=SYSTEM)
    Operations(catalog, settings=settings, actor=SYSTEM).backup("acme")
    return made


@pytest.fixture
def operations(catalog: Catalog, settings: Settings) -> Operations:
    """Return the operations of a factory that keeps books."""
    factory = ledger.make_factory(settings)
    return Operations(catalog, factory, settings=settings, actor=SYSTEM)


@pytest.fixture
def commands(operations: Operations, tmp_path: Path) -> dict[str, Callable[[], object]]:
    """Return everything that a command does to acme."""
    return {
        "backup": partial(operations.backup, "acme"),
        "clone": partial(operations.clone, "acme", "copy"),
        "delete": partial(operations.delete, "acme"),
        "export": partial(operations.export, "acme", tmp_path / "out"),
        "move": partial(operations.move, "acme", "disk"),
        "purge": partial(operations.purge, "acme", early=True),
        "rename": partial(operations.rename, "acme", "bolt"),
        "restore": partial(operations.restore, "acme", drain=0),
        "resume": partial(operations.resume, "acme"),
        "undelete": partial(operations.undelete, "acme"),
    }


@contextmanager
def held(tenant: Tenant, settings: Settings, *, shared: bool = False) -> Iterator[None]:
    """Be another command that is at work on the tenant."""
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        with tenant_lock(tenant, "moved", data_dir=settings.data_dir, shared=shared):
            begun.set()
            assert ended.wait(60)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(30)
    try:
        yield
    finally:
        ended.set()
        thread.join()


def refused(commands: dict[str, Callable[[], object]], *names: str) -> set[str]:
    """Say all of these at once; return which were told that another one is at work."""

    def attempt(name: str) -> bool:
        try:
            commands[name]()
        except TenantLockedError:
            return True
        return False

    with ThreadPoolExecutor(len(names)) as threads:
        told = threads.map(attempt, names)
        return {name for name, said in zip(names, told, strict=True) if said}


def test_nothing_runs_into_what_changes_a_tenant(
    acme: Tenant, catalog: Catalog, settings: Settings, commands: dict[str, Callable[[], object]]
) -> None:
    """Everybody else is told who is at work, and has changed nothing."""
    catalog.tenants.transition(acme.id, TenantState.ARCHIVED, by=SYSTEM)
    with held(acme, settings):
        changing = {"delete", "move", "restore"}
        assert refused(commands, *READING, *changing) == {*READING, *changing}
    catalog.tenants.transition(acme.id, TenantState.DELETED, by=SYSTEM)
    before = catalog.changes.read_epoch()
    with held(acme, settings):
        assert refused(commands, "purge", "undelete") == {"purge", "undelete"}
    assert catalog.changes.read_epoch() == before
    assert catalog.tenants.find("copy") is None


def test_those_who_read_get_along(
    acme: Tenant, catalog: Catalog, settings: Settings, commands: dict[str, Callable[[], object]]
) -> None:
    """A backup runs beside an export, and neither keeps a site from its new name; changes wait."""
    with held(acme, settings, shared=True):
        changing = {"delete", "move", "restore"}
        assert refused(commands, "backup", "clone", "export", *changing) == changing
        assert refused(commands, "resume") == set()
        assert refused(commands, "rename") == set()
    assert catalog.tenants.get("bolt").state is TenantState.ACTIVE


@pytest.mark.parametrize("close", ["suspend", "archive"])
def test_a_site_can_always_be_closed(
    acme: Tenant, settings: Settings, operations: Operations, close: str
) -> None:
    """Trouble does not wait for the end of a long operation; a restore leaves closed what is closed."""
    operations.backup("acme")
    with held(acme, settings):
        closed = getattr(operations, close)("acme")
    restored = operations.restore("acme", drain=0)
    assert restored.state is closed.state


def test_resuming_does_not_open_what_is_half_restored(
    acme: Tenant, catalog: Catalog, settings: Settings, operations: Operations
) -> None:
    """Neither while a restore is at work nor after one that was killed; the restore opens it."""
    catalog.tenants.transition(acme.id, TenantState.MAINTENANCE, reason="restoring", by=SYSTEM)
    with held(acme, settings), pytest.raises(TenantLockedError):
        operations.resume("acme")
    journal = restore_journal(acme, settings.data_dir)
    journal.parent.mkdir(parents=True)
    journal.touch()
    unfinished: list[Callable[[], object]] = [
        partial(operations.resume, "acme"),
        partial(operations.delete, "acme"),
    ]
    for operation in unfinished:
        with pytest.raises(UnfinishedError, match="tenantry restore acme"):
            operation()
    assert catalog.tenants.get("acme").state is TenantState.MAINTENANCE
    journal.unlink()
    restored = operations.restore("acme", drain=0)
    assert restored.state is TenantState.ACTIVE


def test_a_restore_opens_only_what_a_restore_has_closed(
    acme: Tenant, catalog: Catalog, operations: Operations
) -> None:
    """A tenant that a run of migrations holds stays in maintenance until its schema is new enough."""
    catalog.tenants.transition(acme.id, TenantState.MAINTENANCE, reason=MIGRATING, by=SYSTEM)
    restored = operations.restore("acme", drain=0)
    assert restored.state is TenantState.MAINTENANCE
    assert catalog.tenants.get_row("acme").reason == MIGRATING


def test_what_is_being_made_is_not_deleted(
    catalog: Catalog, settings: Settings, operations: Operations
) -> None:
    """A creation or an import that lives is told; one that died can be deleted."""
    made = catalog.tenants.add("acme", name="Acme", reason=CREATING, by=SYSTEM)
    delete = partial(operations.delete, "acme")
    with Claims(settings) as claims:
        claims.take("acme")
        with pytest.raises(TenantLockedError, match="being made"):
            delete()
    with held(made, settings), pytest.raises(TenantLockedError):
        delete()
    assert delete().tenant.state is TenantState.DELETED


@pytest.fixture
def fleet(
    catalog: Catalog, any_settings: Settings, tmp_path: Path
) -> tuple[dict[str, Tenant], Callable[..., Run]]:
    """Return tenants on each kind of placement that lack a revision, and what migrates them."""
    folder = write_revisions(tmp_path / "alembic", PEOPLE)
    tenants = {}
    for slug in ("acme", "globex"):
        added = catalog.tenants.add(slug, name=slug, by=SYSTEM)
        provision_database(added, any_settings, folder)
        (tenants[slug],) = catalog.provisioning.activate(
            {added.id: None}, schemas={added.id: "0001"}, by=SYSTEM
        )
    write_revisions(folder, NAME, first=2)

    def run(**again: bool) -> Run:
        ended = migrate(
            catalog,
            History(folder),
            settings=any_settings,
            options=Options(lock_timeout=0.1, canary=1, max_failures=1),
            again=ResumeOptions(**again) if again else None,
            by=SYSTEM,
        )
        assert ended is not None
        return ended

    return tenants, run


@pytest.mark.parametrize("interrupted", [False, True], ids=["at work", "interrupted"])
def test_a_run_passes_over_a_tenant_that_is_being_restored(
    catalog: Catalog,
    any_settings: Settings,
    fleet: tuple[dict[str, Tenant], Callable[..., Run]],
    *,
    interrupted: bool,
) -> None:
    """It is no failure: the others are migrated, the run says why not this one, --resume does it."""
    tenants, run = fleet
    acme = tenants["acme"]
    journal = restore_journal(acme, any_settings.data_dir)
    if interrupted:
        journal.parent.mkdir(parents=True)
        journal.touch()
        ended, said = run(), "Run `tenantry restore acme` first"
        journal.unlink()
    else:
        with held(acme, any_settings):
            ended, said = run(), "Tenant 'acme' is being moved by process"
    assert (ended.state, ended.counts[StepState.OK], ended.counts[StepState.PENDING]) == (
        RunState.FAILED,
        1,
        1,
    )
    (told,) = catalog.runs.list_failed_steps(ended.id)
    assert told.tenant.slug == "acme"
    assert said in told.error
    assert tenant_database(acme, any_settings).revision() == "0001"

    again = run(pending=True)
    assert (again.state, again.counts[StepState.OK]) == (RunState.DONE, 2)
    assert catalog.runs.list_failed_steps(again.id) == ()
    assert tenant_database(acme, any_settings).revision() == "0002"
