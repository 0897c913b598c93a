"""The job worker beside each server: it works, comes back, takes new code, and stops."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import Actor, JobState
from tenantry.lifecycle import Operations
from tests.live.served import ServedServer
from tests.live.server import until

if TYPE_CHECKING:
    from tenantry.catalog import Job
    from tests.live.conftest import NewServer
    from tests.live.server import Server


def worker_of(server: Server) -> int | None:
    """Return the process id of the job worker, once it waits for jobs."""
    if not server.catalog.jobs.pipe.has_reader():
        return None
    master = Path(f"/proc/{server.master.pid}")
    for thread in (master / "task").iterdir():  # a thread of the command starts it, or uWSGI does
        for pid in (thread / "children").read_text().split():
            with suppress(OSError):  # it has just ended
                if b"work\0--attached" in (master.with_name(pid) / "cmdline").read_bytes():
                    return int(pid)
    return None


def back_up(server: Server, slug: str) -> Job:
    """Have a site backed up by the job worker, and wait until it has been."""
    actor = Actor("operator", "olga@x.test")
    operations = Operations(server.catalog, settings=server.settings, actor=actor)
    made = operations.start("backup", slug=slug)
    until(lambda: server.catalog.jobs.get(made.id).state.is_final, why="the backup ends")
    return server.catalog.jobs.get(made.id)


def test_the_job_worker_lives_as_long_as_the_server(new_server: NewServer) -> None:
    """Killed it comes back, a reload gives it a successor, and it ends with the server."""
    with new_server(env={"VIRTUAL_ENV": "", "PATH": "/usr/bin:/bin"}) as server:
        until(lambda: worker_of(server), why="the job worker starts")
        first = worker_of(server)
        assert first is not None
        done = back_up(server, "acme")
        assert (done.state, done.actor) == (JobState.DONE, "olga@x.test")

        os.kill(first, signal.SIGKILL)
        until(lambda: worker_of(server) not in {None, first}, why="a new job worker")
        assert back_up(server, "globex").state is JobState.DONE

        second, serving = worker_of(server), server.workers()
        (server.data / "run" / "reload").touch()
        until(lambda: worker_of(server) not in {None, second}, why="one with new code")
        assert back_up(server, "initech").state is JobState.DONE
        assert server.site("acme").status == 200

        # A worker that is only starting would not hear that it is to stop.
        until(lambda: len(server.workers() - serving) == 2, why="the reload ends")
        assert server.stop() == 0
        until(lambda: not server.catalog.jobs.pipe.has_reader(), why="it ends with the server")
        assert {job.state for job in server.catalog.jobs.list().items} == {JobState.DONE}


@pytest.mark.parametrize("kind", ["gunicorn", "granian"])
def test_the_command_keeps_a_job_worker_beside_other_servers(kind: str, tmp_path: Path) -> None:
    """They start none themselves, so ``tenantry serve`` does: until the server ends."""
    with ServedServer.prepare_kind(kind, tmp_path / "odd", ["acme", "globex"], {}) as server:
        until(lambda: worker_of(server), why="the job worker starts")
        first = worker_of(server)
        assert first is not None
        assert back_up(server, "acme").state is JobState.DONE

        os.kill(first, signal.SIGKILL)
        until(lambda: worker_of(server) not in {None, first}, why="a new job worker")
        assert back_up(server, "globex").state is JobState.DONE
        assert server.site("acme").status == 200

        assert server.stop() == 0
        until(lambda: not server.catalog.jobs.pipe.has_reader(), why="it ends with the server")
