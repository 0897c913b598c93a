"""``tenantry migrate``: what it prints, and what becomes of it when it is interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog import SYSTEM, RunState, StepState
from tenantry.migrations import load_history
from tenantry.values.tenant import TenantState
from tests.tenantry.cli.conftest import SECONDS, until
from tests.tenantry.migrations.support import FAILS, NAME, PEOPLE, write_revisions

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tenantry.cli.conftest import Desk

SITE = """
from pathlib import Path
from tenantry import provision_database
MIGRATIONS = Path(__file__).with_name("alembic")
def create_app(tenant): ...
def provision(tenant): provision_database(tenant, MIGRATIONS)
"""
WAITS = """import pathlib, time
    pathlib.Path('begun').open('a').write('x')
    while pathlib.Path('wait').exists(): time.sleep(0.01)"""
TENANTS = 6


@pytest.fixture
def six(desk: Desk) -> Desk:
    """Return a working folder with six tenants at schema revision 0001, and a second revision."""
    (desk.folder / "shop.py").write_text(SITE)
    folder = write_revisions(desk.folder / "alembic", PEOPLE)
    desk.prepare()
    lines = "".join(f"s{number},S,a@example.com\n" for number in range(TENANTS))
    (desk.folder / "six.csv").write_text("slug,name,owner_email\n" + lines)
    run(desk, "tenant", "create", "--from-file", "six.csv")
    write_revisions(folder, NAME, first=2)
    return desk


def run(desk: Desk, *words: str, code: int = 0) -> str:
    """Run a command that reads the revisions as they are now; return what it printed."""
    load_history.cache_clear()
    done = desk.run(*words)
    assert done.exit_code == code, done.output
    return done.stdout if code == 0 else done.stderr


def status(desk: Desk) -> dict[str, Any]:
    """Return what `tenantry migrate status` tells programs."""
    told: dict[str, Any] = json.loads(run(desk, "migrate", "status", "--json"))
    return told


def slow(folder: Path) -> None:
    """Make the second revision wait, and let everybody know who has begun it."""
    (folder / "wait").touch()
    write_revisions(folder / "alembic", f"{NAME}\n    {WAITS}", first=2)


def begun(folder: Path) -> int:
    """Return how many tenants' migrations have begun."""
    path = folder / "begun"
    return len(path.read_text()) if path.exists() else 0


def test_everybody_once(six: Desk) -> None:
    """Then there is nothing to do, which is said and is no error."""
    assert status(six)["schemas"] == {"0001": TENANTS}
    assert run(six, "migrate", "--jobs", "2") == "6 of 6 tenants migrated to 0002.\n"
    assert run(six, "migrate") == "Every tenant is at schema revision 0002.\n"
    told = status(six)
    assert told["schemas"] == {"0002": TENANTS}
    assert told["run"]["state"] == "done"
    shown = run(six, "migrate", "status")
    assert "Newest schema revision: 0002" in shown
    assert "6 ok" in shown


def test_a_failure_is_told_and_retried(six: Desk) -> None:
    """Exit 1, each failure in a line, and the way to go on."""
    write_revisions(six.folder / "alembic", f"{NAME}; {FAILS}", first=2)
    told = run(six, "migrate", "--canary", "1", code=1)
    assert "no such table: no_such_table" in told
    assert "0 of 6 tenants migrated to 0002, 1 failed, 5 not begun" in told
    assert "`tenantry migrate --resume`" in told
    assert "no such table" in run(six, "migrate", "status")
    write_revisions(six.folder / "alembic", NAME, first=2)
    done = run(six, "migrate", "--resume", "--retry-failed")
    assert done == "6 of 6 tenants migrated to 0002.\n"
    assert "no step that is failed" in run(six, "migrate", "--retry-failed", code=1)


def test_a_dry_run_prints_sql_and_changes_nothing(six: Desk) -> None:
    """For each group of tenants that are alike."""
    shown = run(six, "migrate", "--dry-run")
    assert "-- 6 tenants on local, schema revision 0001" in shown
    assert "ALTER TABLE people ADD COLUMN name VARCHAR(80);" in shown
    assert "CREATE TABLE people" not in shown
    told = status(six)
    assert (told["schemas"], told["run"]) == ({"0001": TENANTS}, None)
    assert "-- 1 tenants" in run(six, "migrate", "--dry-run", "--only", "s1")


def test_two_runs_at_once(six: Desk) -> None:
    """The second one says so and stops."""
    slow(six.folder)
    process = six.start("migrate")
    until(lambda: begun(six.folder), why=lambda: six.log)
    assert "Migration run 1 is in progress" in run(six, "migrate", code=1)
    assert "in progress" in run(six, "migrate", "--resume", code=1)
    assert status(six)["run"]["state"] == "running"
    (six.folder / "wait").unlink()
    assert process.wait(SECONDS) == 0, six.log
    assert "6 of 6 tenants migrated to 0002." in six.log


def test_a_killed_run_is_resumed(six: Desk) -> None:
    """Kill -9 in the middle: nobody is half-migrated, nobody is migrated twice, nobody is forgotten."""
    slow(six.folder)
    process = six.start("migrate", "--jobs", "2")
    until(lambda: begun(six.folder) == 2, why=lambda: six.log)
    process.kill()
    process.wait(SECONDS)
    assert "in progress" in run(six, "migrate", code=1), "what it has begun is still being done"
    (six.folder / "wait").unlink()
    until(lambda: six.call("migrate", "--resume").returncode == 0)

    told = status(six)
    assert told["schemas"] == {"0002": TENANTS}
    assert told["run"]["tenants"]["ok"] == TENANTS
    assert begun(six.folder) == TENANTS, "a database that was migrated already was migrated again"


def test_a_killed_run_can_be_left_behind(six: Desk) -> None:
    """A new one takes everybody who is behind, also those who were held in maintenance."""
    slow(six.folder)
    path = six.folder / "alembic" / "versions" / "0002_.py"
    path.write_text("maintenance = True\n" + path.read_text())
    process = six.start("migrate")
    until(lambda: begun(six.folder), why=lambda: six.log)
    with six.catalog as catalog:
        assert catalog.tenants.count_by_state()[TenantState.MAINTENANCE] == TENANTS
    process.kill()
    process.wait(SECONDS)
    (six.folder / "wait").unlink()
    until(lambda: six.call("migrate").returncode == 0)

    assert status(six)["run"]["id"] == 2
    with six.catalog as catalog:
        assert catalog.tenants.count_by_state()[TenantState.ACTIVE] == TENANTS


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_what_it_has_begun(six: Desk, signum: int) -> None:
    """The rest is on record as not begun, and --resume does it."""
    slow(six.folder)
    process = six.start("migrate", "--jobs", "1")
    until(lambda: begun(six.folder), why=lambda: six.log)
    os.kill(process.pid, signum)
    (six.folder / "wait").unlink()
    assert process.wait(SECONDS) == 1
    assert "not begun. `tenantry migrate --resume` continues the run." in six.log

    with six.catalog as catalog:
        last = catalog.runs.find_last()
    assert last is not None
    assert last.state is RunState.INTERRUPTED
    assert last.counts[StepState.RUNNING] == 0
    assert 0 < last.counts[StepState.OK] < TENANTS
    assert run(six, "migrate", "--resume") == "6 of 6 tenants migrated to 0002.\n"


def test_a_second_interruption_ends_its_processes(six: Desk) -> None:
    """What they were at is as it was, and --resume does it."""
    slow(six.folder)
    process = six.start("migrate", "--jobs", "2")
    until(lambda: begun(six.folder) == 2, why=lambda: six.log)
    os.kill(process.pid, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):  # the first one waits for the steps
        assert process.wait(0.5) is None
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(SECONDS) == 1, six.log

    (six.folder / "wait").unlink()
    assert run(six, "migrate", "--resume") == "6 of 6 tenants migrated to 0002.\n"
    assert begun(six.folder) == TENANTS + 2


def test_what_cannot_be_said_together(six: Desk) -> None:
    """Wrong usage has exit 2, a tenant that is not there exit 1."""
    run(six, "migrate", "--resume", "--only", "s1", code=2)
    assert "'nobody' does not exist" in run(six, "migrate", "--only", "nobody", code=1)
    assert run(six, "migrate", "--only", "s1") == "1 of 1 tenants migrated to 0002.\n"
    with six.catalog as catalog:
        catalog.tenants.add("later", name="Later", by=SYSTEM)
    assert status(six)["schemas"] == {"0001": TENANTS - 1, "0002": 1}


def test_a_factory_without_revisions(ready: Desk) -> None:
    """There is nothing to do, and status says why."""
    ready.done("tenant", "create", "acme")
    assert "has no MIGRATIONS" in ready.done("migrate")
    assert "the factory has no MIGRATIONS" in ready.done("migrate", "status")
    assert json.loads(ready.done("migrate", "status", "--json"))["schemas"] == {"": 1}
