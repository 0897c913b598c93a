"""Worker processes that each migrate one database at a time.

Processes and not threads: Alembic's `op` is one for a process, and running revisions is mostly Python.
A process that dies fails the database that it was at work on, and nobody else's.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Self

from tenantry.catalog import Step, StepState
from tenantry.catalog.tenant_locks import tenant_lock
from tenantry.databases.placements import tenant_database
from tenantry.errors import ElsewhereError, TenantLockedError, TenantryError, UnfinishedError
from tenantry.files.locks import check_finished, lock_file
from tenantry.migrations.history import History
from tenantry.migrations.upgrade import upgrade

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from tenantry.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker has to know."""

    folder: Path
    """The factory's Alembic folder."""
    settings: Settings
    lock_timeout: float


def run_lock(settings: Settings) -> Path:
    """Return the lock that all processes of the one run on this data folder share."""
    return settings.run_dir / "migrate.lock"


@dataclass(eq=False, slots=True)
class _Worker:
    process: BaseProcess
    connection: Connection
    steps: deque[Step] = field(default_factory=deque)
    """What it has to do; it is at work on the first."""


class Workers:
    """Some processes; a context manager that lets each finish what it has begun.

    If the block ends by an interruption, they are killed: their databases stay as they were.

    :param depth: Steps that each may have: those behind the first wait where they are at hand.
    """

    def __init__(self, job: Job, count: int, *, depth: int = 1) -> None:
        self._job = job
        self._depth = depth
        # A child forked from here would have this process's locks and the catalog's open connections.
        # The fork server has neither, and imports what all of them need once.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__])
        self._workers: list[_Worker] = []
        for _ in range(count):
            self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        interrupted = kind is not None and not issubclass(kind, Exception)
        for worker in self._workers:
            worker.connection.close()
            if interrupted:
                worker.process.kill()
        for worker in self._workers:
            worker.process.join()

    @property
    def idle(self) -> bool:
        """Whether a process can take a step."""
        return any(len(worker.steps) < self._depth for worker in self._workers)

    @property
    def busy(self) -> bool:
        """Whether a process is at work."""
        return any(worker.steps for worker in self._workers)

    def give(self, step: Step) -> None:
        """Let the worker that has least to do take the step."""
        worker = min(self._workers, key=lambda worker: len(worker.steps))
        worker.steps.append(step)
        self._send(worker, step)

    def _send(self, worker: _Worker, step: Step) -> None:
        # Of the tenant it needs what names its database; read-only settings do not travel.
        order = replace(step, tenant=replace(step.tenant, settings={}, hosts=()))
        with suppress(OSError):  # it has died: collect() tells
            worker.connection.send(order)

    def collect(self, timeout: float) -> list[Step]:
        """Return the steps that have ended; none if none did in so many seconds."""
        busy = {worker.connection: worker for worker in self._workers if worker.steps}
        done = []
        for ready in wait(list(busy), timeout):
            worker = busy[ready]  # type: ignore[index]
            try:
                while worker.steps and worker.connection.poll():
                    result: Step = worker.connection.recv()
                    done.append(replace(result, tenant=worker.steps.popleft().tenant))
            except (EOFError, OSError):
                done.append(self._replace(worker))
        return done

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._job, theirs))
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _replace(self, worker: _Worker) -> Step:
        """Take a new process for one that died; return what became of the step it was at."""
        worker.process.join()
        worker.connection.close()
        self._workers.remove(worker)
        fatal = worker.steps.popleft()
        successor = self._start()
        successor.steps = worker.steps
        for step in successor.steps:
            self._send(successor, step)
        problem = f"the process that migrated it died (exit {worker.process.exitcode})"
        return replace(fatal, state=StepState.FAILED, error=problem)


def _serve(job: Job, connection: Connection) -> None:
    """Migrate what is ordered until nobody can order any more."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)  # the process that orders decides when to stop
    # Held until this process ends: no other run begins while a killed one's last steps are done.
    with lock_file(run_lock(job.settings), shared=True):
        history = History(job.folder)
        while True:
            try:
                step: Step = connection.recv()
            except (EOFError, OSError):
                return
            result = _migrate(job, history, step)
            try:
                connection.send(result)
            except OSError:
                return


def _migrate(job: Job, history: History, step: Step) -> Step:
    started = time.perf_counter()
    try:
        with tenant_lock(step.tenant, "migrated", settings=job.settings, wait=job.lock_timeout):
            check_finished(step.tenant, job.settings.files_home)
            database = tenant_database(step.tenant, job.settings)
            done = upgrade(database, history, lock_timeout=job.lock_timeout)
    except (TenantLockedError, UnfinishedError, ElsewhereError) as error:
        result = replace(step, state=StepState.PENDING, error=str(error))
    except TenantryError as error:
        log.warning("%s (%s): %s", step.tenant.slug, step.tenant.id, error, exc_info=error)
        result = replace(step, state=StepState.FAILED, error=str(error))
    except Exception as error:
        log.exception("%s (%s) could not be migrated", step.tenant.slug, step.tenant.id)
        problem = f"{type(error).__name__}: {error}"
        result = replace(step, state=StepState.FAILED, error=problem)
    else:
        result = replace(step, state=StepState.OK, before=done.before, after=done.after)
    return replace(result, seconds=round(time.perf_counter() - started, 4))
