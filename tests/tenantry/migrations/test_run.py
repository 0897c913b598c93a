"""Runs over many tenants: on record, in parallel, and no failure is anybody else's."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text, update

from tenantry.catalog import SYSTEM, Catalog, Run, RunState, StepState
from tenantry.catalog.models import MigrationRunRecord, TenantRecord
from tenantry.catalog.run_listing import list_more
from tenantry.catalog.runs import MIGRATING, STALE
from tenantry.catalog.tenant_schemas import is_behind
from tenantry.databases.placements import tenant_database
from tenantry.databases.sqlite_file import SiteDatabase
from tenantry.errors import MigrationRunningError, NoRunError, RunLostError, TenantNotFoundError
from tenantry.migrations import (
    History,
    Options,
    ResumeOptions,
    migrate,
    provision_database,
    render,
)
from tenantry.migrations.run import _alone
from tenantry.values.tenant import TenantState
from tests.tenantry.migrations.support import FAILS, NAME, PEOPLE, write_revisions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

BREAKS_FIRST = 'op.execute("INSERT INTO people (id) VALUES (1)")'
"""A revision that fails for tenants whose person 1 is there already."""


@dataclass
class World:
    """Tenants that are at schema revision 0001, and the folder of revisions."""

    catalog: Catalog
    settings: Settings
    folder: Path
    tenants: dict[str, Tenant] = field(default_factory=dict)

    def add(self, slug: str, *, schema: str | None = "0001") -> Tenant:
        added = self.catalog.tenants.add(slug, name=slug, by=SYSTEM)
        provision_database(added, self.settings, self.folder)
        schemas = {} if schema is None else {added.id: schema}
        (self.tenants[slug],) = self.catalog.provisioning.activate(
            {added.id: None}, schemas=schemas, by=SYSTEM
        )
        return self.tenants[slug]

    def run(
        self, only: tuple[str, ...] = (), again: ResumeOptions | None = None, **options: Any
    ) -> Run:
        ended = self.find_run(only, again, **options)
        assert ended is not None
        return ended

    def find_run(
        self, only: tuple[str, ...] = (), again: ResumeOptions | None = None, **options: Any
    ) -> Run | None:
        return migrate(
            self.catalog,
            History(self.folder),
            settings=self.settings,
            options=Options(**options),
            only=only,
            again=again,
            by=SYSTEM,
        )

    def ask(self, slug: str, statement: str) -> list[Any]:
        engine = tenant_database(self.tenants[slug], self.settings).open_engine()
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            rows = [tuple(row) for row in result] if result.returns_rows else []
        engine.dispose()
        return rows

    def schemas(self) -> dict[str, str]:
        """Return where each database says that it is; the catalog must say the same."""
        found = {
            slug: tenant_database(tenant, self.settings).revision()
            for slug, tenant in self.tenants.items()
        }
        with self.catalog.store.reading() as session:
            query = select(TenantRecord.slug, TenantRecord.schema_revision)
            assert found == dict(session.execute(query).tuples().all())
        return found

    def state(self, slug: str) -> TenantState:
        return self.catalog.tenants.get(slug).state

    def failures(self) -> dict[str, str]:
        last = self.catalog.runs.list(limit=1)[0]
        assert last == self.catalog.runs.find_last()
        failed = self.catalog.runs.list_failed_steps(last.id)
        return {step.tenant.slug: step.error for step in failed}

    def order(self) -> list[str]:
        """Return the slugs in the order in which a run comes to them."""
        return sorted(self.tenants, key=lambda slug: self.tenants[slug].id)


def counts(run: Run) -> dict[str, int]:
    """Return the states that some tenant is in."""
    return {state.value: count for state, count in run.counts.items() if count}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with one revision."""
    return write_revisions(tmp_path / "alembic", PEOPLE)


@pytest.fixture
def world(catalog: Catalog, any_settings: Settings, folder: Path) -> World:
    """Return four tenants, on each kind of placement in turn, and a revision that they lack."""
    made = World(catalog, any_settings, folder)
    for slug in ("one", "two", "three", "four"):
        made.add(slug)
    write_revisions(folder, NAME, first=2)
    return made


@pytest.fixture
def local(catalog: Catalog, settings: Settings, folder: Path) -> World:
    """Return four tenants on SQLite at the only revision."""
    made = World(catalog, settings, folder)
    for slug in ("one", "two", "three", "four"):
        made.add(slug)
    return made


def test_everybody_is_brought_to_the_newest(world: World) -> None:
    """The record, the catalog and the databases say the same; instances are rebuilt; it is audited."""
    epoch = world.catalog.changes.read_epoch()
    run = world.run(jobs=2)

    assert (run.state, run.target, counts(run)) == (RunState.DONE, "0002", {"ok": 4})
    assert set(world.schemas().values()) == {"0002"}
    changes = world.catalog.changes.read_since(epoch)
    assert set(changes.revisions) == {tenant.id for tenant in world.tenants.values()}
    events = [event.action for event in world.catalog.audit.list().items]
    assert events[:2] == ["migration.end", "migration.begin"]
    assert world.find_run() is None, "there is nothing to do any more"
    assert world.catalog.audit.list().items[0].action == "migration.end", "and nothing was recorded"


def test_one_failure_stops_nobody_else(world: World) -> None:
    """It is as it was, its error is on record, and it goes on from there when it is retried."""
    write_revisions(world.folder, BREAKS_FIRST, first=3)
    world.ask("two", "INSERT INTO people (id) VALUES (1)")
    run = world.run(jobs=2)

    assert (run.state, counts(run)) == (RunState.FAILED, {"ok": 3, "failed": 1})
    assert world.schemas() == {"one": "0003", "two": "0001", "three": "0003", "four": "0003"}
    assert list(world.failures()) == ["two"]
    assert "unique" in world.failures()["two"].lower()
    world.ask("two", "DELETE FROM people")
    again = world.run(again=ResumeOptions(failed=True))
    assert (again.id, again.state, counts(again)) == (run.id, RunState.DONE, {"ok": 4})
    assert set(world.schemas().values()) == {"0003"}


def test_a_damaged_database_among_healthy_ones(local: World) -> None:
    """Its owner's trouble alone: missing, empty and garbage ones are told."""
    write_revisions(local.folder, NAME, first=2)
    contents = {"one": None, "two": b"garbage" * 1000}
    for slug, content in contents.items():
        database = tenant_database(local.tenants[slug], local.settings)
        assert isinstance(database, SiteDatabase)
        database.drop()
        if content is not None:
            database.path.parent.mkdir(exist_ok=True)
            database.path.write_bytes(content)
    run = local.run(jobs=3)

    assert counts(run) == {"ok": 2, "failed": 2}
    assert "unable to open" in local.failures()["one"]
    assert "not a database" in local.failures()["two"]


def test_a_schema_of_a_newer_release_is_a_failure(local: World) -> None:
    """Code that was rolled back does not touch what it does not know."""
    with local.catalog.store.writing(SYSTEM) as writer:
        newer = update(TenantRecord).where(TenantRecord.slug == "one").values(schema_revision="9")
        writer.session.execute(newer)
    local.ask("one", "UPDATE alembic_version SET version_num = '9'")
    run = local.run()
    assert counts(run) == {"failed": 1}
    assert "'9', which this release does not have" in local.failures()["one"]
    assert local.schemas()["one"] == "9"


def test_whom_nobody_knows_is_looked_at(local: World) -> None:
    """A tenant from before there were revisions, or from a bundle, is opened once."""
    local.add("five", schema=None)
    epoch = local.catalog.changes.read_epoch()
    run = local.run()
    assert counts(run) == {"ok": 1}
    assert set(local.schemas().values()) == {"0001"}
    assert local.catalog.changes.read_epoch() == epoch, (
        "nothing changed, so that no instance is rebuilt"
    )


def test_canaries_stop_the_run(world: World) -> None:
    """If one of them fails, nobody follows; the rest can go on when it is mended."""
    write_revisions(world.folder, BREAKS_FIRST, first=3)
    first, second, *_ = world.order()
    world.ask(second, "INSERT INTO people (id) VALUES (1)")
    run = world.run(canary=2, jobs=3)

    assert (run.state, counts(run)) == (
        RunState.STOPPED,
        {"ok": 1, "failed": 1, "pending": 2},
    )
    assert world.schemas()[first] == "0003"
    world.ask(second, "DELETE FROM people")
    done = world.run(again=ResumeOptions(pending=True, failed=True))
    assert (done.id, done.state, counts(done)) == (run.id, RunState.DONE, {"ok": 4})


def test_canaries_that_do_well_are_followed(world: World) -> None:
    """More canaries than tenants are no trouble either."""
    assert counts(world.run(canary=1)) == {"ok": 4}
    write_revisions(world.folder, "pass", first=3)
    assert counts(world.run(canary=9)) == {"ok": 4}


def test_too_many_failures_stop_the_run(local: World) -> None:
    """A broken revision need not be tried everywhere."""
    write_revisions(local.folder, FAILS, first=2)
    run = local.run(max_failures=2)
    assert (run.state, counts(run)) == (RunState.STOPPED, {"failed": 2, "pending": 2})
    write_revisions(local.folder, "pass", first=2)
    assert counts(local.run(again=ResumeOptions(pending=True))) == {"ok": 2, "failed": 2}
    assert counts(local.run(again=ResumeOptions(failed=True))) == {"ok": 4}


def test_only_some(local: World) -> None:
    """The others wait for their turn; a name that nobody has is refused."""
    write_revisions(local.folder, NAME, first=2)
    assert counts(local.run(("one", "three"))) == {"ok": 2}
    assert local.schemas() == {"one": "0002", "two": "0001", "three": "0002", "four": "0001"}
    with pytest.raises(TenantNotFoundError):
        local.run(("nobody",))
    assert counts(local.run()) == {"ok": 2}


def test_who_has_no_database_is_left_out(local: World) -> None:
    """Deleted tenants and such as are being made; suspended and archived ones take part."""
    write_revisions(local.folder, NAME, first=2)
    catalog = local.catalog
    states = [
        ("one", TenantState.SUSPENDED),
        ("two", TenantState.ARCHIVED),
        ("three", TenantState.ARCHIVED),
        ("three", TenantState.DELETED),
    ]
    for slug, state in states:
        catalog.tenants.transition(local.tenants[slug].id, state, by=SYSTEM)
    catalog.tenants.add("made", name="Made", by=SYSTEM)

    assert counts(local.run()) == {"ok": 3}
    assert [local.state(slug) for slug in ("one", "two")] == ["suspended", "archived"]


def test_who_is_deleted_meanwhile_is_skipped(any_catalog: Catalog) -> None:
    """A run is a list made at its beginning; the world goes on."""
    ids = [any_catalog.tenants.add(slug, name=slug, by=SYSTEM).id for slug in ("one", "two")]
    any_catalog.provisioning.activate(dict.fromkeys(ids), by=SYSTEM)
    run = any_catalog.runs.begin("0002", node="here", options={}, by=SYSTEM)
    for state in (TenantState.ARCHIVED, TenantState.DELETED):
        any_catalog.tenants.transition(min(ids), state, by=SYSTEM)
    steps = any_catalog.runs.claim_steps(run.id, 10, by=SYSTEM)

    assert [step.state for step in steps] == [StepState.SKIPPED, StepState.RUNNING]
    assert any_catalog.runs.claim_steps(run.id, 10, by=SYSTEM) == ()
    assert any_catalog.schemas.count() == {"": 1}


def test_a_run_s_tenants_are_listed_in_parts(
    any_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No statement is about all tenants; a run that died between two parts goes on where it was."""
    slugs = [f"site{number}" for number in range(7)]
    ids = [any_catalog.tenants.add(slug, name=slug, by=SYSTEM).id for slug in slugs]
    any_catalog.provisioning.activate(dict.fromkeys(ids), by=SYSTEM)
    monkeypatch.setattr("tenantry.catalog.run_listing.LISTING", 3)
    parts: list[int] = []

    def die_at_the_second(*arguments: Any) -> list[Any] | None:
        if len(parts) == 1:
            parts.append(0)
            raise KeyboardInterrupt
        listed = list_more(*arguments)
        parts.append(listed[1] if listed is not None else 0)
        return listed

    monkeypatch.setattr("tenantry.catalog.runs.list_more", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        any_catalog.runs.begin("0002", node="here", options={}, by=SYSTEM)
    died = any_catalog.runs.find_last()
    assert died is not None
    assert died.total == 3

    states = (StepState.PENDING,)
    run = any_catalog.runs.resume("0002", states=states, node="here", by=SYSTEM)
    assert (run.id, run.total, parts) == (died.id, 7, [3, 0, 6, 7, 0])
    assert run.options == {"only": [], "node": "here"}
    steps = any_catalog.runs.claim_steps(run.id, 10, by=SYSTEM)
    assert [step.tenant.id for step in steps] == sorted(ids)


def test_a_second_run_is_refused_while_one_lives(local: World, tmp_path: Path) -> None:
    """On this machine the system knows; elsewhere it is what the run said last."""
    write_revisions(local.folder, NAME, first=2)
    with _alone(local.catalog, local.settings), pytest.raises(MigrationRunningError):
        local.run()
    elsewhere = local.catalog.runs.begin("0002", node="elsewhere", options={}, by=SYSTEM)
    with pytest.raises(MigrationRunningError, match="run 1 is in progress on elsewhere"):
        local.run()
    with local.catalog.store.writing(SYSTEM) as writer:
        record = writer.session.get_one(MigrationRunRecord, elsewhere.id)
        record.seen_at -= STALE + timedelta(seconds=1)
    assert counts(local.run()) == {"ok": 4}
    with pytest.raises(RunLostError, match="run 1 did not report"):
        local.catalog.runs.record_steps(elsewhere.id, (), by=SYSTEM)


def test_there_may_be_nothing_to_go_on_with(local: World) -> None:
    """No run, no such step, or a run to another revision: each is told."""
    write_revisions(local.folder, NAME, first=2)
    with pytest.raises(NoRunError, match="there was none yet"):
        local.run(again=ResumeOptions(pending=True))
    local.run()
    with pytest.raises(NoRunError, match="run 1 has no step that is failed"):
        local.run(again=ResumeOptions(failed=True))
    write_revisions(local.folder, "pass", first=3)
    with pytest.raises(NoRunError, match="the last one was to '0002', this release is at '0003'"):
        local.run(again=ResumeOptions(pending=True))


def test_a_revision_may_ask_for_maintenance(local: World) -> None:
    """Visitors see that page until the tenant is migrated, also if that fails: old data, new code."""
    write_revisions(local.folder, BREAKS_FIRST, first=2, head="maintenance = True")
    local.ask("two", "INSERT INTO people (id) VALUES (1)")
    local.catalog.tenants.transition(local.tenants["three"].id, TenantState.SUSPENDED, by=SYSTEM)
    own = local.tenants["four"].id
    local.catalog.tenants.transition(own, TenantState.MAINTENANCE, reason="painting", by=SYSTEM)
    local.run()

    states = {slug: local.state(slug).value for slug in local.tenants}
    assert states == {
        "one": "active",
        "two": "maintenance",
        "three": "suspended",
        "four": "maintenance",
    }
    assert local.catalog.tenants.get_row("two").reason == MIGRATING
    assert local.catalog.tenants.get_row("four").reason == "painting"
    local.ask("two", "DELETE FROM people")
    local.run(again=ResumeOptions(failed=True))
    assert local.state("two") is TenantState.ACTIVE


def test_maintenance_comes_to_those_whom_the_run_is_about_to_reach(local: World) -> None:
    """Where canaries stop it, all others were served throughout."""
    write_revisions(local.folder, FAILS, first=2, head="maintenance = True")
    canary, *others = local.order()
    local.run(canary=1)
    assert local.state(canary) is TenantState.MAINTENANCE
    assert {local.state(slug) for slug in others} == {TenantState.ACTIVE}

    local.run(max_failures=2)
    assert {local.state(slug) for slug in local.order()} == {TenantState.MAINTENANCE}
    (local.folder / "versions" / "0002_.py").unlink()
    assert local.find_run() is None
    states = {local.state(slug) for slug in local.order()}
    assert states == {TenantState.ACTIVE}, "the older release serves them as it did before"


def test_what_a_dry_run_prints_is_what_is_run(local: World) -> None:
    """On SQLite with the tables that a revision looks at; PostgreSQL's is only written down."""
    batch = (
        "with op.batch_alter_table('people', recreate='always') as b: "
        "b.add_column(sa.Column('name', sa.String(80)))"
    )
    write_revisions(local.folder, batch, first=2)
    history = History(local.folder)
    shown = render(history, "0001", "sqlite")
    assert "CREATE TABLE _alembic_tmp_people" in shown
    assert "UPDATE alembic_version SET version_num='0002'" in shown
    assert "SELECT name FROM sqlite_master" not in shown
    write_revisions(local.folder, NAME, first=2)
    shown = render(History(local.folder), "0001", "postgresql")
    assert "ALTER TABLE people ADD COLUMN name VARCHAR(80);" in shown
    assert "CREATE TABLE people" in render(History(local.folder), "", "postgresql")
    assert set(local.schemas().values()) == {"0001"}


def test_a_process_that_dies_fails_what_it_was_at(local: World) -> None:
    """The others are migrated by those that come after it."""
    dies = (
        "if op.get_bind().execute(sa.text('SELECT count(*) FROM people')).scalar(): "
        "import os; os._exit(9)"
    )
    write_revisions(local.folder, f"{NAME}\n    {dies}", first=2)
    local.ask("two", "INSERT INTO people (id) VALUES (1)")
    run = local.run(jobs=2)

    assert counts(run) == {"ok": 3, "failed": 1}
    assert local.failures()["two"] == "the process that migrated it died (exit 9)"
    assert local.schemas()["two"] == "0001"
    local.ask("two", "DELETE FROM people")
    assert counts(local.run(again=ResumeOptions(failed=True))) == {"ok": 4}


def test_a_worker_has_nothing_of_the_process_that_starts_it(
    local: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork of it would have its locks, held for ever, and its connections to the catalog."""
    monkeypatch.setattr(sys, "left_here", True, raising=False)
    asks = "import sys; assert not hasattr(sys, 'left_here')"
    write_revisions(local.folder, f"{NAME}\n    {asks}", first=2)
    assert counts(local.run(jobs=2)) == {"ok": 4}


def test_nothing_to_do_opens_nothing(
    local: World, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """An up-to-date tenant costs an indexed read of the catalog."""
    local.settings = make_settings(data_dir=tmp_path / "nowhere")
    assert local.find_run() is None
    assert not (tmp_path / "nowhere").exists()
    query = select(TenantRecord.id).where(is_behind("0002", ()))
    with local.catalog.store.reading() as session:
        written = query.compile(compile_kwargs={"literal_binds": True})
        plan = session.execute(text(f"EXPLAIN QUERY PLAN {written}"))
        steps = [row[3] for row in plan]
    assert not [step for step in steps if step.startswith("SCAN")]
    assert sum("ix_tenants_schema_revision" in step for step in steps) == 2, steps
