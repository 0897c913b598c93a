"""What has to hold on every supported Python: a server from its start to its stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.live.load import AT_ONCE, Load, wake_all
from tests.live.member import Visitor
from tests.live.server import ROOT, until

if TYPE_CHECKING:
    from tests.live.conftest import NewServer
    from tests.live.server import Server

POST = "/posts/the-spring-that-would-not-tire"


def test_a_server_serves_reloads_loses_a_worker_and_stops(new_server: NewServer) -> None:
    """It starts, a site is made, a member writes, all code is replaced, a worker dies, it stops."""
    with new_server() as server:
        assert open_databases(server.master.pid) == []
        visitor = Visitor(server, "acme")
        visitor.join()

        created = tenantry(server, "tenant", "create", "umbra", "--name", "Umbra")
        assert created.returncode == 0, created.stderr
        pages = {server.site("umbra").status for _ in range(8)}
        assert pages == {200}, "each worker knows of it"
        assert len(wake_all(lambda: server.site("umbra"))) == 2
        write(visitor, "before the reload")

        with Load(lambda: server.site("acme"), threads=AT_ONCE) as load:
            until(lambda: load.count > 10)
            before = server.workers()
            (server.data / "run" / "reload").touch()
            until(lambda: is_renewed(server, before), seconds=90, why="both workers are new")
            reloaded = load.count
            until(lambda: load.count > reloaded + 10)
        assert load.failures == []
        assert load.statuses == {200}
        write(visitor, "after the reload")

        victim = min(server.workers())
        os.kill(victim, signal.SIGKILL)
        until(lambda: is_renewed(server, {victim}), seconds=60, why="a new worker")
        write(visitor, "after a worker's death")
        assert "before the reload" in visitor.get(POST).text
        assert open_databases(server.master.pid) == []

        assert server.stop(seconds=60) == 0
        for sign in ("Fatal Python error", "Traceback", "DeprecationWarning"):
            assert sign not in server.log(), server.log()


def is_renewed(server: Server, old: set[int]) -> bool:
    """Say whether all workers serve and none is an old one."""
    return len(server.workers()) == server.processes and not old & server.workers()


def write(visitor: Visitor, text: str) -> None:
    """Leave a comment and read it."""
    assert visitor.fill(f"{POST}/comments", text=text).status == 303
    assert text in visitor.get(POST).text


def open_databases(pid: int) -> list[str]:
    """Return the databases that a process has open, and would hand on by a fork."""
    held = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]
    return [name for name in held if "sqlite3" in name]


def tenantry(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as its operator would, beside the server."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("tenantry")), *arguments],
        cwd=ROOT,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
