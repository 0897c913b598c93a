"""A job worker: claims jobs, runs each in a thread, keeps their leases, stops gracefully."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections import Counter
from contextlib import nullcontext
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from tenantry.catalog.job_claims import JobClaims, JobReport
from tenantry.catalog.values import SYSTEM, JobState
from tenantry.errors import CatalogUnavailableError, TenantryError, UnknownJobError
from tenantry.jobs.presence import Presence
from tenantry.jobs.queue import JobQueue
from tenantry.jobs.run import JobRefused, JobRun, JobStop
from tenantry.jobs.wait import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import AbstractContextManager

    from tenantry.catalog import Catalog
    from tenantry.catalog.values import Job, NewJob
    from tenantry.jobs.definition import JobDefinition, JobDefinitions
    from tenantry.jobs.schedules import Schedule
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
"""After so long without a heartbeat, other workers take a job up."""
HEARTBEAT = 2.0
"""Seconds between two heartbeats while jobs run."""
POLL = 5.0
"""Seconds between two looks at the queue; what wakes a worker is only a hint."""
FINISH_SECONDS = 3.0
"""How long a stopping worker lets its jobs end by themselves, before they are given back."""
STOP_SECONDS = 25.0
"""After so long, a stopping worker ends without those that do not stop."""
STUCK_SECONDS = 60.0
"""A job that does not end so long after its time was over has its worker replaced."""
MAX_BACKOFF = 3600.0


class JobWorker:
    """Runs jobs until it is told to stop.

    :param load: Returns the jobs that it can run. It is called for the first one: until then the
        worker needs no factory, and little memory.
    :param threads: Jobs at once. A tenant has all but one of them, as the platform itself has.
    :param entering: Lends a tenant's app: its context is that of the jobs that run there.
    :param schedules: Add jobs at their times.
    :param find_elsewhere: Returns the placements of other nodes, whose tenants' jobs are theirs.
    :param is_drained: Says whether no job is to begin on this node.
    :param has_listener: Says whether another process of the node listens for jobs of other nodes.
    """

    def __init__(
        self,
        catalog: Catalog,
        load: Callable[[], JobDefinitions],
        *,
        threads: int = 4,
        entering: Callable[[Tenant], AbstractContextManager[object]] = nullcontext,
        schedules: Sequence[Schedule] = (),
        lease: timedelta = LEASE,
        poll_seconds: float = POLL,
        find_elsewhere: Callable[[], Collection[str]] = tuple,
        is_drained: Callable[[], bool] = bool,
        has_listener: Callable[[], bool] = bool,
    ) -> None:
        self._catalog = catalog
        self._load = load
        self._entering = entering
        self._schedules = schedules
        self._threads = threads
        self._share = max(1, threads - 1)
        self._poll_seconds = poll_seconds
        self._presence = Presence(catalog.store.signal.path.with_name("job-workers"))
        self._claims = JobClaims(
            catalog.store,
            self._presence.name,
            lease=lease,
            find_elsewhere=find_elsewhere,
            is_drained=is_drained,
        )
        self._heartbeat = min(HEARTBEAT, lease.total_seconds() / 4)
        self._running: dict[int, JobRun] = {}  # by job id; its own thread takes each one out
        self._kept_at = self._looked_at = float("-inf")
        self._stopping = threading.Event()
        self.waiter = Waiter(catalog, has_listener)

    @cached_property
    def _definitions(self) -> JobDefinitions:
        return self._load()

    def __repr__(self) -> str:
        return f"<JobWorker: {len(self._running)} of {self._threads} threads busy>"

    def stop(self) -> None:
        """Tell it to end; safe in a signal's handler."""
        self._stopping.set()
        self.waiter.wake()

    def run(self, *, until_empty: bool = False) -> bool:
        """Work until :meth:`stop`; return whether all of its jobs have ended or were given back.

        :param until_empty: End as soon as no job is due.
        """
        try:
            while not self._stopping.is_set():
                was_working = bool(self._running)
                try:
                    is_idle = self._work()
                except CatalogUnavailableError as error:
                    log.warning("no job can be claimed: %s", error)
                    self.waiter.wait(self._poll_seconds)
                    continue
                if is_idle and until_empty and not was_working:
                    break  # otherwise a tenant at its share, or what has just ended, may have more
                if is_idle or len(self._running) >= self._threads:
                    self.waiter.wait(self._find_pause(is_idle=is_idle))
            return self._finish()
        finally:
            self.waiter.close()
            self._presence.close()

    def _work(self) -> bool:
        """Do what is due, and start a job; return whether there is none to start."""
        self._tend()
        running = [run.job.tenant_id for run in list(self._running.values())]
        if len(running) >= self._threads:
            return False
        busy = [owner for owner, count in Counter(running).items() if count >= self._share]
        job = self._claims.claim(busy=busy)
        if job is None:
            return True
        definition = self._find_definition(job)
        seconds = definition.seconds if definition is not None else 1.0
        run = JobRun(job, self._find_tenant(job), report=self._claims.report, seconds=seconds)
        self._running[job.id] = run
        threading.Thread(
            target=self._execute, args=(definition, run), name=f"job-{job.id}", daemon=True
        ).start()
        return False

    def _find_pause(self, *, is_idle: bool) -> float:
        pause = self._poll_seconds
        if self._running:
            pause = min(pause, self._kept_at + self._heartbeat - time.monotonic())
        if is_idle and (due := self._claims.find_pause()) is not None:
            pause = min(pause, due + 0.001)
        return max(pause, 0.001)

    def _tend(self) -> None:
        """Keep the leases of what runs; now and then look after dead workers and schedules."""
        moment = time.monotonic()
        if self._running and moment >= self._kept_at + self._heartbeat:
            self._kept_at = moment
            self._keep(moment)
        if moment >= self._looked_at + self._poll_seconds:
            self._looked_at = moment
            dead = self._presence.find_dead(self._claims.list_busy_workers())
            if taken := self._claims.take_back(dead=dead):
                log.warning("%d jobs of workers that have ended are queued again", taken)
            clock = self._catalog.jobs.clock
            for schedule in self._schedules:
                if not schedule.is_wanted(self._catalog):
                    continue
                prepare = partial(self._prepare, schedule)
                self._catalog.jobs.fire(
                    schedule.name, schedule.find_due(clock()), prepare, by=SYSTEM
                )

    def _prepare(self, schedule: Schedule) -> NewJob:
        queue = JobQueue(self._catalog.jobs, self._definitions)
        return queue.prepare(schedule.job, schedule.arguments)

    def _keep(self, moment: float) -> None:
        running = dict(self._running)
        kept = self._claims.keep(running.keys())
        for job_id, run in running.items():
            cancelled = kept.get((job_id, run.job.attempts))
            if cancelled is None:
                run.reason = run.reason or "taken"
            elif cancelled:
                run.reason = run.reason or "cancelled"
            if moment > run.overdue_at + STUCK_SECONDS and job_id in self._running:
                log.error("job %d (%s) does not end; its worker does", job_id, run.job.name)
                self._running.pop(job_id, None)
                self._claims.report(run.job, self._failed(run, "it did not end in its time"))
                self.stop()

    def _execute(self, definition: JobDefinition | None, run: JobRun) -> None:
        told = self._attempt(definition, run)
        if told is not None:
            self._tell(run.job, told)
        self._running.pop(run.job.id, None)
        self.waiter.wake()

    def _attempt(self, definition: JobDefinition | None, run: JobRun) -> JobReport | None:
        """Run a job; return how it ended, or nothing if it is not this worker's any more."""
        job = run.job
        try:
            result = _plain(job, self._call(definition, run))
            return run.told(state=JobState.DONE, result=result)
        except JobStop:
            return self._stopped(run)
        except JobRefused as error:
            return run.told(state=JobState.FAILED, error=str(error))
        except TenantryError as error:
            log.warning("job %d (%s) failed: %s", job.id, job.name, error)
            return self._failed(run, str(error))
        except BaseException as error:  # of foreign code, which may raise anything
            log.exception("job %d (%s) failed", job.id, job.name)
            first = (str(error).strip() or "no message").splitlines()[0]
            return self._failed(run, f"{type(error).__name__}: {first}")

    def _call(self, definition: JobDefinition | None, run: JobRun) -> Any:
        """Call the job's function where it belongs.

        :raises UnknownJobError: Nothing defines the job. A worker with newer code may know it.
        """
        definition = definition or self._definitions.get(run.job.name)
        tenant = run.tenant if definition.place == "app" else None
        with nullcontext() if tenant is None else self._entering(tenant):
            return definition.function(run, **run.job.arguments)

    def _stopped(self, run: JobRun) -> JobReport | None:
        """Return what becomes of a job that was told to stop, and did."""
        if run.reason == "overdue":
            return self._failed(run, "it took longer than it may")
        if run.reason == "cancelled":
            return run.told(state=JobState.CANCELLED)
        if run.reason == "stopping":
            return run.told(state=JobState.QUEUED, is_attempt=False)
        return None

    def _failed(self, run: JobRun, error: str) -> JobReport:
        """Return what to record of a failure: the next attempt's time, or that it was the last."""
        job = run.job
        failures = job.attempts - job.losses
        if failures >= job.max_attempts:
            return run.told(state=JobState.FAILED, error=error)
        definition = self._find_definition(job)
        pause = definition.backoff if definition is not None else 60.0
        pause = min(MAX_BACKOFF, pause * 2 ** (failures - 1)) * random.uniform(0.8, 1.2)  # noqa: S311
        later = timedelta(seconds=pause)
        return run.told(state=JobState.QUEUED, error=error, pause=later)

    def _tell(self, job: Job, told: JobReport) -> None:
        """Record how a job ended; a catalog that is away for a moment must not make it run again."""
        for pause in (0.1, 1.0, 5.0, 0.0):
            try:
                self._claims.report(job, told)
            except CatalogUnavailableError as error:
                log.warning("job %d has ended, which cannot be recorded: %s", job.id, error)
                time.sleep(pause)
            else:
                return

    def _find_definition(self, job: Job) -> JobDefinition | None:
        try:
            return self._definitions.get(job.name)
        except UnknownJobError:
            return None

    def _find_tenant(self, job: Job) -> Tenant | None:
        return None if job.tenant_id is None else self._catalog.tenants.get_by_id(job.tenant_id)

    def _finish(self) -> bool:
        """Let what runs end; then give it back; then leave it to other workers."""
        started = time.monotonic()
        while self._running:
            seconds = time.monotonic() - started
            if seconds > STOP_SECONDS:
                break
            if seconds > FINISH_SECONDS:
                for run in list(self._running.values()):
                    run.reason = run.reason or "stopping"
            self._tend_leases()
            self.waiter.wait(0.2)
        if not self._running:
            return True
        log.warning("%d jobs did not stop; other workers take them up", len(self._running))
        self._claims.leave()
        return False

    def _tend_leases(self) -> None:
        moment = time.monotonic()
        if moment >= self._kept_at + self._heartbeat:
            self._kept_at = moment
            try:
                self._keep(moment)
            except CatalogUnavailableError as error:
                log.warning("the leases of the last jobs cannot be moved on: %s", error)


def _plain(job: Job, result: Any) -> dict[str, Any]:
    """Return what a job's function has returned, if that is a dictionary of JSON."""
    if not isinstance(result, dict):
        return {}
    try:
        json.dumps(result)
    except (TypeError, ValueError) as error:
        log.warning("job %d (%s) returned what is not JSON: %s", job.id, job.name, error)
        return {}
    return result
