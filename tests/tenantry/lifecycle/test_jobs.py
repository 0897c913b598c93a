"""Operations that a job worker does, and what it does each day."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from tenantry.catalog import SYSTEM, Actor, Catalog, JobState
from tenantry.catalog.job_claims import JobClaims
from tenantry.catalog.models import ScheduleRecord, now
from tenantry.errors import BadJobError, ElsewhereError, TenantNotFoundError, UnknownJobError
from tenantry.files.locks import tenant_lock
from tenantry.jobs import JobDefinitions, JobQueue, JobWorker
from tenantry.jobs.schedules import platform_schedules
from tenantry.lifecycle import Operations
from tenantry.lifecycle.jobs import imports_dir, operation_jobs
from tenantry.values.tenant import TenantState
from tests.nameserver import NameServer
from tests.tenantry.lifecycle import ledger
from tests.tenantry.lifecycle.test_host_checks import set_back

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenantry.catalog import Job
    from tenantry.settings import Settings

OLGA = Actor("operator", "olga@x.test")


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    """Return settings with two placements."""
    databases = {"local": "sqlite", "disk": f"sqlite:///{tmp_path}/disk"}
    return make_settings(databases=databases)


@pytest.fixture
def operations(catalog: Catalog, settings: Settings) -> Operations:
    """Return the operations of a platform with a site, in an operator's name."""
    made = ledger.operations(catalog, settings)
    ledger.write(made.create("acme", name="Acme"), settings)
    made.actor = OLGA
    return made


def work(operations: Operations, **options: Any) -> None:
    """Do what is due, as a worker does."""
    jobs = operation_jobs(operations.catalog, operations.settings, operations.factory)
    JobWorker(operations.catalog, lambda: JobDefinitions(jobs), **options).run(until_empty=True)


def done(operations: Operations, name: str, **arguments: Any) -> Job:
    """Start an operation, let a worker do it, and return the job."""
    made = operations.start(name, **arguments)
    work(operations)
    return operations.catalog.jobs.get(made.id)


def test_a_sites_life_in_jobs(operations: Operations, settings: Settings) -> None:
    """Each operation does the same as its method, in the name of the one who asked."""
    catalog = operations.catalog
    backup = done(operations, "backup", slug="acme")
    assert backup.result["is_new"]
    assert Path(backup.result["file"]).exists()
    export = done(operations, "export", slug="acme")
    assert done(operations, "import", path=export.result["file"], slug="second").result["slug"] == (
        "second"
    )
    done(operations, "clone", slug="acme", new="third")
    assert done(operations, "move", slug="acme", to="disk").state is JobState.DONE
    assert catalog.tenants.get("acme").placement == "disk"
    (moved,) = catalog.jobs.list(name="operations.move").items
    assert catalog.jobs.list_lines(moved.id)[-1].text == "placed"
    assert done(operations, "restore", slug="acme").state is JobState.DONE
    assert done(operations, "delete", slug="third", reason="a test").result["purge_at"]
    assert done(operations, "purge", slug="third", early=True).state is JobState.DONE
    assert catalog.tenants.get_row("third").purged_at is not None

    states = {job.state for job in catalog.jobs.list().items}
    assert states == {JobState.DONE}
    acme = catalog.tenants.get("acme").id
    told = {
        event.action: event.actor
        for event in catalog.audit.list(tenant_id=acme).items
        if event.action in {"tenant.backup", "tenant.export", "tenant.move", "tenant.restore"}
    }
    assert set(told.values()) == {OLGA.label}
    assert len(told) == 4


def test_what_cannot_be_is_refused_before_or_at_once(operations: Operations) -> None:
    """Wrong names and arguments are refused when they are given, the rest at the first attempt."""
    with pytest.raises(UnknownJobError, match=r"operations\.backup"):
        operations.start("explode")
    with pytest.raises(BadJobError, match="unexpected keyword argument 'passphrase'"):
        operations.start("export", slug="acme", passphrase="secret")
    with pytest.raises(BadJobError, match="missing a required argument: 'slug'"):
        operations.start("backup")
    with pytest.raises(TenantNotFoundError):
        operations.start("backup", slug="nobody")
    assert operations.catalog.jobs.list().total == 0

    found = done(operations, "move", slug="acme", to="nowhere")
    assert (found.state, found.attempts) == (JobState.FAILED, 1)
    assert "nowhere" in found.error


@pytest.mark.parametrize("name", ["import", "clone"])
def test_what_was_made_before_the_worker_died_is_not_made_twice(
    operations: Operations, tmp_path: Path, name: str
) -> None:
    """The second attempt finds the tenant that the first one has made. Another one's it refuses."""
    catalog = operations.catalog
    operations.export("acme", tmp_path / "acme.tenant")
    ways: dict[str, dict[str, Any]] = {
        "import": {"path": str(tmp_path / "acme.tenant"), "slug": "copy"},
        "clone": {"slug": "acme", "new": "copy"},
    }
    job = operations.start(name, **ways[name])
    claims = JobClaims(catalog.store, "dead", lease=timedelta(seconds=-1))
    assert claims.claim() is not None
    made = (
        operations.import_(tmp_path / "acme.tenant", slug="copy")
        if name == "import"
        else operations.clone("acme", "copy")
    )
    claims.take_back()
    work(operations)
    found = catalog.jobs.get(job.id)
    assert (found.state, found.losses, found.result["id"]) == (JobState.DONE, 1, made.id)

    refused = done(operations, name, **ways[name])
    assert (refused.state, refused.attempts) == (JobState.FAILED, 1)


def test_a_move_is_cancelled(operations: Operations, settings: Settings) -> None:
    """It undoes what it has made, and the site stays where it was."""
    catalog = operations.catalog
    job = operations.start("move", slug="acme", to="disk")
    jobs = operation_jobs(catalog, settings, operations.factory)
    claims = JobClaims(catalog.store, "one", lease=timedelta(seconds=30))
    claimed = claims.claim()
    assert claimed is not None
    from tenantry.jobs.run import JobRun, JobStop

    run = JobRun(claimed, None, report=claims.report, seconds=60)
    run.reason = "cancelled"
    definition = JobDefinitions(jobs).get(job.name)
    with pytest.raises(JobStop):
        definition(run, **claimed.arguments)

    assert catalog.tenants.get("acme").placement == "local"
    assert catalog.relocations.list() == ()
    assert operations.move("acme", "disk") is not None


def test_everybody_is_backed_up_daily(operations: Operations, settings: Settings) -> None:
    """One that cannot be fails the job, and keeps nobody from theirs."""
    catalog = operations.catalog
    ledger.write(operations.create("globex", name="Globex"), settings)
    busy = operations.create("busy", name="Busy")
    with tenant_lock(busy, "restored", data_dir=settings.data_dir):
        found = done(operations, "backup_all", keep=1)

    assert found.state is JobState.QUEUED, "it is tried once more"
    assert "1 of 3 tenants were not backed up" in found.error
    assert found.done == found.total == 3
    (line,) = (line.text for line in catalog.jobs.list_lines(found.id))
    assert line.startswith("busy: ")
    assert len(list((settings.data_dir / "backups").glob("t_*/*.tenant"))) == 2


def test_what_is_due_is_purged_daily(operations: Operations) -> None:
    """A site whose purge date is still to come stays."""
    catalog = operations.catalog
    for slug in ("old", "young"):
        operations.create(slug, name=slug)
        operations.delete(slug)
    old = catalog.tenants.get("old")
    catalog.tenants.transition(old.id, TenantState.ARCHIVED, by=SYSTEM)
    catalog.tenants.transition(old.id, TenantState.DELETED, purge_at=now(), by=SYSTEM)
    found = done(operations, "purge_due")

    assert found.result == {"purged": 1}
    assert catalog.tenants.get_row("old").purged_at is not None
    assert catalog.tenants.get_row("young").purged_at is None


def test_the_schedules_of_a_platform(make_settings: Callable[..., Settings]) -> None:
    """Each names a job that there is; two of them can be switched off."""
    moment = datetime(2026, 5, 4, 12, tzinfo=UTC)
    due = {one.name: one.find_due(moment) for one in platform_schedules(make_settings())}
    assert due == {
        "clean": moment.replace(hour=4, minute=11),
        "backup": moment.replace(hour=2, minute=23),
        "purge": moment.replace(hour=3, minute=17),
        "quotas": moment.replace(hour=4, minute=41),
        "hosts": moment,
        "unconfirmed": moment,
    }
    off = make_settings(backup_time="off", purge_time="off")
    assert [one.name for one in platform_schedules(off)] == [
        "clean",
        "quotas",
        "hosts",
        "unconfirmed",
    ]


def test_nothing_due_leaves_no_job(operations: Operations, settings: Settings) -> None:
    """At rest the two frequent schedules write nothing: a list of jobs would be full of them."""
    schedules = [it for it in platform_schedules(settings) if it.every < timedelta(hours=1)]
    assert [it.name for it in schedules] == ["hosts", "unconfirmed"]
    for _ in range(2):
        work(operations, schedules=schedules)
    with operations.catalog.store.connection() as connection:
        assert connection.execute(select(ScheduleRecord.name)).all() == []
    assert operations.catalog.jobs.list().total == 0


def test_sites_that_nobody_confirms_are_given_up(
    operations: Operations, settings: Settings
) -> None:
    """When 48 hours are over, by a job; one that cannot be, and the neighbours, stay."""
    catalog = operations.catalog
    for slug in ("late", "stuck", "young"):
        ledger.write(operations.create(slug, name=slug), settings)
    _hold(catalog, {"late": -1, "stuck": -2, "young": 3600})
    (schedule,) = (it for it in platform_schedules(settings) if it.name == "unconfirmed")
    work(operations, schedules=[schedule])  # a new schedule begins with its next moment
    _set_back(catalog)
    stuck = catalog.tenants.get("stuck")
    with tenant_lock(stuck, "backed up", data_dir=settings.data_dir):
        work(operations, schedules=[schedule])
    (job,) = catalog.jobs.list(name="platform.give_up_unconfirmed").items
    assert (job.state, job.result) == (JobState.DONE, {"given_up": 1})
    (line,) = catalog.jobs.list_lines(job.id)
    assert line.text.startswith("stuck: ")
    assert catalog.names.find("late") is None
    _set_back(catalog)
    work(operations, schedules=[schedule])
    assert catalog.names.find("stuck") is None
    assert catalog.tenants.get("young").state is TenantState.ACTIVE
    assert catalog.tenants.get("acme").state is TenantState.ACTIVE


def test_a_site_of_another_node_is_given_up_there(
    operations: Operations, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a job of its own, which only the node with its files takes."""
    catalog = operations.catalog
    _hold(catalog, {"acme": -1})
    tenant = catalog.tenants.get("acme")
    (schedule,) = (it for it in platform_schedules(settings) if it.name == "unconfirmed")
    work(operations, schedules=[schedule])
    _set_back(catalog)
    there = {"find_elsewhere": lambda: [tenant.placement]}
    with monkeypatch.context() as patched:
        patched.setattr(Operations, "give_up_unconfirmed", _refuse_elsewhere)
        work(operations, schedules=[schedule], **there)
        _set_back(catalog)
        work(operations, schedules=[schedule], **there)
    assert catalog.jobs.list(name="platform.give_up_unconfirmed").total == 2
    (job,) = catalog.jobs.list(name="operations.give_up").items  # once, while that node is away
    assert (job.state, job.tenant_id) == (JobState.QUEUED, tenant.id)
    work(operations)
    assert catalog.jobs.get(job.id).state is JobState.DONE
    assert catalog.names.find("acme") is None


def test_the_backup_of_a_site_on_another_node_is_verified_there(
    operations: Operations, settings: Settings
) -> None:
    """It is not taken for damaged here: it has a job of its own, which only its node takes."""
    catalog, tenant = operations.catalog, operations.catalog.tenants.get("acme")
    done(operations, "backup", slug="acme")
    settings.note_other_nodes({tenant.placement: "node-2"})
    made = operations.start("verify_all")
    work(operations, find_elsewhere=lambda: [tenant.placement])
    assert catalog.jobs.get(made.id).result == {"sound": 0, "elsewhere": 1}
    (job,) = catalog.jobs.list(name="operations.verify").items
    assert (job.state, job.tenant_id) == (JobState.QUEUED, tenant.id)
    settings.note_other_nodes({})
    work(operations)
    assert catalog.jobs.get(job.id).state is JobState.DONE
    assert catalog.backups.find([tenant.id])[tenant.id].checked_at is not None


def test_a_site_on_another_node_is_not_measured_here(
    operations: Operations, settings: Settings
) -> None:
    """Its files are not on this disk, which does not mean that they take no room."""
    tenant = operations.catalog.tenants.get("acme")
    settings.note_other_nodes({tenant.placement: "node-2"})
    job = done(operations, "plan_check", plan=tenant.plan, media_mb=0.001)
    settings.note_other_nodes({})
    assert job.result == {"checked": 0, "over": 0, "not_measured": 1}
    (line,) = operations.catalog.jobs.list_lines(job.id)
    assert "acme cannot be measured: " in line.text


def test_due_domains_are_checked_by_a_job(
    operations: Operations, settings: Settings, make_settings: Callable[..., Settings]
) -> None:
    """Only when one is due; what the check finds is in the catalog."""
    catalog = operations.catalog
    with NameServer() as resolver:
        operations.settings = make_settings(dns_resolvers=resolver.text)
        host = operations.add_host("acme", "shop.example.org")
        (schedule,) = (it for it in platform_schedules(settings) if it.name == "hosts")
        set_back(catalog, check_at=timedelta(0))
        work(operations, schedules=[schedule])
        _set_back(catalog)
        work(operations, schedules=[schedule])
        (job,) = catalog.jobs.list(name="platform.check_hosts").items
        assert (job.state, job.result) == (JobState.DONE, {"checked": 1})
        assert catalog.hosts.get(host.tenant_id, host.name).failures == 2
        _set_back(catalog)
        work(operations, schedules=[schedule])
    assert catalog.jobs.list(name="platform.check_hosts").total == 1


def _hold(catalog: Catalog, seconds: Mapping[str, int]) -> None:
    """Let sites wait for their confirmation, so many seconds from now."""
    with catalog.store.writing(SYSTEM) as writer:
        for slug, left in seconds.items():
            record = writer.get_tenant(catalog.tenants.get(slug).id)
            record.held_until = now() + timedelta(seconds=left)
            writer.changed(record)


def _set_back(catalog: Catalog) -> None:
    """Let the schedules have been due long ago."""
    with catalog.store.updating() as connection:
        connection.execute(update(ScheduleRecord).values(due_at=now() - timedelta(days=1)))


def _refuse_elsewhere(_operations: Operations, slug: str) -> None:
    raise ElsewhereError(slug, "node-2")


def test_old_files_of_jobs_are_removed(operations: Operations, settings: Settings) -> None:
    """A bundle that was exported or sent goes when its job is forgotten; a younger one stays."""
    job = done(operations, "export", slug="acme")
    sent = imports_dir(settings) / "x.tenant"
    sent.parent.mkdir()
    sent.write_bytes(b"a bundle")
    then = (now() - timedelta(days=settings.job_keep_days + 1)).timestamp()
    os.utime(sent, (then, then))
    definitions = {one.name: one for one in operation_jobs(operations.catalog, settings)}
    JobQueue(operations.catalog.jobs, JobDefinitions(definitions.values())).enqueue(
        "platform.clean", {}, by=SYSTEM
    )
    work(operations)
    (cleaned,) = operations.catalog.jobs.list(name="platform.clean").items
    assert cleaned.result["files"] == 1
    assert not sent.exists()
    assert Path(job.result["file"]).exists()


def test_a_schedule_is_done_once_by_three_workers(
    operations: Operations, settings: Settings
) -> None:
    """A worker that starts later makes up for what nobody was there for."""
    catalog = operations.catalog
    schedules = platform_schedules(settings)
    work(operations, schedules=schedules)
    assert catalog.jobs.list().total == 0, "a new platform begins with the next moment"
    with catalog.store.updating() as connection:
        from tenantry.catalog.jobs import schedules as table

        connection.execute(table.update().values(due_at=now() - timedelta(days=2)))
    for _ in range(3):
        work(operations, schedules=schedules)
        time.sleep(0.01)
    names = sorted(job.name for job in catalog.jobs.list().items)
    assert names == [
        "operations.backup_all",
        "operations.purge_due",
        "platform.check_quotas",
        "platform.clean",
    ]
    assert {job.state for job in catalog.jobs.list().items} == {JobState.DONE}
