"""Processes that migrate one database at a time.

Processes and not threads: Alembic's `op` is one for a process, and running revisions is mostly Python.
A process that dies fails the database that it was at work on, and nobody else's.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Self

from tenantry.catalog import Step, StepState
from tenantry.databases.placements import tenant_database
from tenantry.errors import TenantHeldError, TenantryError, UnfinishedError
from tenantry.migrations.history import History
from tenantry.migrations.upgrade import upgrade
from tenantry.turns import check_finished, holding

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


@dataclass(eq=False, slots=True)
class _Worker:
    process: BaseProcess
    connection: Connection
    step: Step | None = None
    """What it is at work on."""


class Workers:
    """Some processes; a context manager that lets each finish what it has begun."""

    def __init__(self, job: Job, count: int) -> None:
        self._job = job
        # Forking is quick, and safe as long as no other thread may hold a lock.
        self._forks = threading.active_count() == 1
        self._context: Any = multiprocessing.get_context("fork" if self._forks else "spawn")
        self._workers: list[_Worker] = []
        for _ in range(count):
            self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            worker.process.join()

    @property
    def idle(self) -> bool:
        """Whether somebody can take a step."""
        return any(worker.step is None for worker in self._workers)

    @property
    def busy(self) -> bool:
        """Whether somebody is at work."""
        return any(worker.step is not None for worker in self._workers)

    def give(self, step: Step) -> None:
        """Let an idle worker take the step."""
        worker = next(worker for worker in self._workers if worker.step is None)
        worker.step = step
        # Of the tenant it needs what names its database; read-only settings do not travel.
        order = replace(step, tenant=replace(step.tenant, settings={}, hosts=()))
        with suppress(OSError):  # it has died: collect() tells
            worker.connection.send(order)

    def collect(self, timeout: float) -> list[Step]:
        """Return the steps that have ended; none if none did in so many seconds."""
        busy = {worker.connection: worker for worker in self._workers if worker.step is not None}
        done = []
        for ready in wait(list(busy), timeout):
            worker = busy[ready]  # type: ignore[index]
            assert worker.step is not None
            try:
                result: Step = worker.connection.recv()
            except (EOFError, OSError):
                result = self._replace(worker)
            done.append(replace(result, tenant=worker.step.tenant))
            worker.step = None
        return done

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        # A forked child has all our ends too: as long as it keeps one, nobody sees us end.
        inherited = [*(worker.connection for worker in self._workers), ours] if self._forks else []
        process = self._context.Process(target=_serve, args=(self._job, theirs, inherited))
        process.start()
        theirs.close()
        self._workers.append(_Worker(process, ours))

    def _replace(self, worker: _Worker) -> Step:
        """Take a new process for one that died; return what became of its step."""
        assert worker.step is not None
        worker.process.join()
        worker.connection.close()
        self._workers.remove(worker)
        self._start()
        problem = f"the process that migrated it died (exit {worker.process.exitcode})"
        return replace(worker.step, state=StepState.FAILED, error=problem)


def _serve(job: Job, connection: Connection, inherited: list[Connection]) -> None:
    """Migrate what is ordered until nobody can order any more."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)  # whoever orders decides when to stop
    for other in inherited:
        other.close()
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
        with holding(step.tenant, "migrated", settings=job.settings, wait=job.lock_timeout):
            check_finished(step.tenant, job.settings)
            database = tenant_database(step.tenant, job.settings)
            done = upgrade(database, history, lock_timeout=job.lock_timeout)
    except (TenantHeldError, UnfinishedError) as error:
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
