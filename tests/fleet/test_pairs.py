"""Two operations on one tenant, each on a node of its own: the second is refused, and told by whom."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url

from tests.postgres import added_database

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fleet.node import Node

    NewNode = Callable[..., Node]

DOING = {
    "move": "moved",
    "restore": "restored",
    "delete": "deleted",
    "backup": "backed up",
    "export": "exported",
    "migrate": "migrated",
    "purge": "purged",
}
READING = {"backup", "export"}
FINISH_SECONDS = 60.0
"""A lock that outlived its node would refuse the command; a busy machine only makes it slow."""


@pytest.fixture
def pair(
    make_node: NewNode, server_url: str, second_database: str, tmp_path: Path
) -> tuple[Node, Node]:
    """Return two nodes that share everything but their data folders, and a tenant, acme."""
    variables = {
        "TENANTRY_DATABASES": json.dumps({"main": server_url, "other": second_database}),
        "TENANTRY_FILES_DIR": str(tmp_path / "shared"),
    }
    one, two = make_node("one", **variables), make_node("two", **variables)
    one.run("init", "--no-link")
    one.run("tenant", "create", "acme", "--name", "Acme")
    one.run("backup", "acme")
    two.run("init", "--no-link")
    return one, two


@pytest.fixture
def second_database(server_url: str) -> Iterator[str]:
    """Return the URL of another database for tenants on the same server."""
    with added_database(server_url, "fleet_other") as url:
        yield url


@pytest.fixture
def observer(catalog_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Return a connection to the catalog that sees who holds locks."""
    plain = make_url(catalog_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        yield connection


def commands(tmp_path: Path) -> dict[str, list[str]]:
    """Return the command line of each operation."""
    return {
        "move": ["tenant", "move", "acme", "--to", "other"],
        "restore": ["restore", "acme"],
        "delete": ["tenant", "delete", "acme", "--yes"],
        "backup": ["backup", "acme"],
        "export": ["tenant", "export", "acme", "-o", str(tmp_path / f"{time.monotonic_ns()}")],
        "migrate": ["migrate"],
        "purge": ["tenant", "purge", "acme", "--early", "--yes"],
    }


@contextmanager
def held(
    node: Node, command: list[str], lock: str, observer: psycopg.Connection[Any]
) -> Iterator[subprocess.Popen[str]]:
    """Stop a node's command as soon as it holds its lock; it goes on when the block has ended.

    A process that was stopped in the middle of a transaction goes on, and is stopped a moment later.
    """
    process = node.begin(*command)
    # A dry run that some commands make first reads, and shares its lock.
    mode = "ShareLock" if "export" in command else "ExclusiveLock"
    holders = (
        "SELECT 1 FROM operation_locks, pg_locks JOIN pg_database ON oid = database "
        "WHERE name LIKE %s AND locktype = 'advisory' AND granted AND mode = %s "
        "AND datname = current_database()"
    )
    busy = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
        "AND state = 'idle in transaction'"
    )
    stopped = False
    while not stopped:
        assert process.poll() is None, f"it ended before it could be stopped: {process.stderr}"
        if observer.execute(holders.encode(), (lock, mode)).fetchone():
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.05)  # what is under way on the server ends
            stopped = observer.execute(busy.encode()).fetchone() is None
            if not stopped:
                process.send_signal(signal.SIGCONT)
    assert process.poll() is None
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
        process.communicate(timeout=60)


@pytest.mark.parametrize("first", ["move", "restore", "delete", "backup", "export"])
def test_the_second_operation_is_refused_and_a_killed_one_is_finished(
    first: str,
    pair: tuple[Node, Node],
    observer: psycopg.Connection[Any],
    tmp_path: Path,
) -> None:
    """B names the node and the operation of A; after `kill -9` of A, B does it at once."""
    one, two = pair
    own = (one.data / "node_id").read_text()[:8]
    # So that a run of migrations has something to do.
    observer.execute("UPDATE tenants SET schema_revision = ''")
    lines = commands(tmp_path)
    seconds = [name for name in lines if name != "purge"]
    # A backup shares the tenant's lock, and is alone with its folder.
    lock = "backup-%" if first == "backup" else "t\\_%"
    with held(one, lines[first], lock, observer) as process:
        told = dict(zip(seconds, two.run_all([lines[name] for name in seconds]), strict=True))
        for name, (code, output) in told.items():
            if first in READING and name in READING and (first, name) != ("backup", "backup"):
                assert code == 0, f"{name}: {output}"
                continue
            assert code == 1, f"{first}, then {name}: {output}"
            assert f"({own})" in output, f"{first}, then {name}: {output}"
            if (first, name) != ("backup", "backup"):
                assert DOING[first] in output, f"{first}, then {name}: {output}"
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
        begun = time.monotonic()
        two.run(*commands(tmp_path)[first])
        assert time.monotonic() - begun < FINISH_SECONDS
    assert observer.execute("SELECT count(*) FROM operation_locks").fetchone() in ((0,), (1,))


def test_a_restore_that_was_decided_is_finished_elsewhere(
    pair: tuple[Node, Node], observer: psycopg.Connection[Any], tmp_path: Path
) -> None:
    """Its journal is with the files that nodes share; until then nothing else reads half a tenant."""
    one, two = pair
    process = one.begin("restore", "acme")
    journal = "restores/*/journal.json"
    killed_when(process, lambda: list((tmp_path / "shared").glob(journal)))
    ((code, output),) = two.run_all([["backup", "acme"]])
    assert code == 1
    assert "tenantry restore" in output
    two.run("restore", "acme")
    assert not list((tmp_path / "shared").glob(journal))
    row = observer.execute("SELECT state, reason FROM tenants").fetchone()
    assert row == ("active", "")
    two.run("backup", "acme")


def test_a_move_that_has_begun_is_finished_elsewhere(
    pair: tuple[Node, Node], observer: psycopg.Connection[Any]
) -> None:
    """Where it leads is in the catalog, so the other node goes on, and leaves nothing behind."""
    one, two = pair
    process = one.begin("tenant", "move", "acme", "--to", "other")
    moving = "SELECT 1 FROM tenants WHERE moving_to <> ''"
    killed_when(process, lambda: observer.execute(moving).fetchone())
    two.run("tenant", "move", "acme", "--to", "other")
    row = observer.execute("SELECT placement, moving_to, state FROM tenants").fetchone()
    assert row == ("other", "", "active")
    two.run("backup", "acme")


def killed_when(process: subprocess.Popen[str], condition: Callable[[], object]) -> None:
    """Kill a command as soon as a condition holds."""
    while not condition():
        assert process.poll() is None, f"it ended before: {process.communicate()}"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL, "it was faster"


def test_one_run_of_migrations_at_a_time(
    pair: tuple[Node, Node], observer: psycopg.Connection[Any]
) -> None:
    """The second node is told of the first one's run; after its death it does the rest at once."""
    one, two = pair
    observer.execute("UPDATE tenants SET schema_revision = ''")
    with held(one, ["migrate"], "migrate", observer) as process:
        ((code, output),) = two.run_all([["migrate"]])
        assert code == 1
        assert (one.data / "node_id").read_text()[:8] in output
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
        begun = time.monotonic()
        two.run("migrate")
        assert time.monotonic() - begun < FINISH_SECONDS
    assert observer.execute("SELECT state FROM migration_runs ORDER BY id DESC").fetchone() in (
        ("done",),
        None,
    )


def test_a_purge_is_alone(pair: tuple[Node, Node], observer: psycopg.Connection[Any]) -> None:
    """A purge and an undelete on two nodes exclude each other; a killed purge is finished."""
    one, two = pair
    one.run("tenant", "delete", "acme", "--yes")
    purge = ["tenant", "purge", "acme", "--early", "--yes"]
    with held(one, purge, "t\\_%", observer) as process:
        for code, output in two.run_all([purge, ["tenant", "undelete", "acme"]]):
            assert code == 1
            assert "being purged by" in output
            assert (one.data / "node_id").read_text()[:8] in output
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
        two.run(*purge)
    assert json.loads(two.run("tenant", "show", "acme", "--json"))["purged_at"]


def test_nodes_begin_at_once(make_node: NewNode) -> None:
    """`tenantry init` on two nodes at the same moment, on an empty catalog: both succeed."""
    one, two = make_node("one"), make_node("two")
    begun = [node.begin("init", "--no-link") for node in (one, two)]
    for process in begun:
        told, problem = process.communicate(timeout=120)
        assert process.returncode == 0, problem
        assert "Catalog" in told
    shown = json.loads(one.run("fleet", "status", "--json"))
    assert len(shown) == 2
    assert sorted(node["owns"] for node in shown) == [[], ["local"]]
