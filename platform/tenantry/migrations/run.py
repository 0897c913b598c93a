"""Runs migrations over many tenants: parallel, recorded, resumable."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections import deque
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tenantry.catalog import RunState, StepState
from tenantry.catalog.fleet_locks import LockHeldError, fleet_lock
from tenantry.errors import MigrationRunningError
from tenantry.files.locks import lock_descriptor, lock_file
from tenantry.migrations.processes import Job, Workers, run_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tenantry.catalog import Actor, Catalog, Run, Step
    from tenantry.migrations.history import History
    from tenantry.settings import Settings

HEARTBEAT = 5.0
"""Seconds after which a run that has nothing to record shows that it lives."""
RECORDED = 0.25
"""Seconds for which results may wait to be recorded together; the databases themselves know already."""
FLEET = "fleet"
"""What a run's node is called where a lock of all nodes proves that no other run lives."""
DEPTH = 4
"""Steps that a worker has at hand."""
AHEAD = 128
"""Steps claimed for each worker at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a run shall go."""

    jobs: int = 1
    """Databases at once."""
    canary: int = 0
    """Tenants that go first; if one of them fails, nobody follows."""
    max_failures: int = 0
    """Failures after which no more is begun; 0 is no limit."""
    lock_timeout: float = 10.0
    """Seconds to wait for others who use a database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeOptions:
    """What of the last run shall be done again."""

    pending: bool = False
    """What it did not get to, or left half-done."""
    failed: bool = False

    @property
    def states(self) -> tuple[StepState, ...]:
        """The states of its steps that shall be done."""
        pending = (StepState.PENDING, StepState.RUNNING) if self.pending else ()
        return (*pending, StepState.FAILED) if self.failed else pending


def migrate(
    catalog: Catalog,
    history: History,
    *,
    settings: Settings,
    options: Options,
    only: Sequence[str] = (),
    again: ResumeOptions | None = None,
    watch: Callable[[Run], Callable[[], None]] = lambda _run: lambda: None,
    by: Actor,
) -> Run | None:
    """Bring every tenant's database to the newest schema revision; ``None`` if all are there.

    A tenant that fails stops nobody else. One that another operation is at work on stays pending, and
    the run then ends as *failed*. SIGINT and SIGTERM let the steps under way end.

    :param only: Slugs of the only tenants that it is about.
    :param again: Go on with the last run instead.
    :param watch: Told of the run when it begins; it returns what is called after each step.
    :raises MigrationRunningError: Another run is under way.
    :raises NoRunError: There is no run to go on with.
    :raises TenantNotFoundError: One of *only* is not there.
    """
    if again is None:
        catalog.tenants.check_slugs(only)
        catalog.runs.end_maintenance(history.head, by=by)
        if not catalog.schemas.count_behind(history.head, only=only):
            return None
    with _alone(catalog, settings) as node:
        if again is None:
            run = catalog.runs.begin(
                history.head, only=only, node=node, options=asdict(options), by=by
            )
        else:
            run = catalog.runs.resume(history.head, states=again.states, node=node, by=by)
        job = Job(history.folder, settings, options.lock_timeout)
        # What waits at a worker is done, also when enough have failed.
        depth = 1 if options.max_failures or options.canary else DEPTH
        with Workers(job, max(1, options.jobs), depth=depth) as workers, _told_to_stop() as stop:
            passage = MigrationRunner(catalog, history, run, workers, options, stop=stop, by=by)
            state = passage.work(watch(run))
        return catalog.runs.end(run.id, state, by=by)


class MigrationRunner:
    """One process's way through a run's pending steps."""

    def __init__(
        self,
        catalog: Catalog,
        history: History,
        run: Run,
        workers: Workers,
        options: Options,
        *,
        stop: threading.Event,
        by: Actor,
    ) -> None:
        self._catalog = catalog
        self._history = history
        self._run = run
        self._workers = workers
        self._options = options
        self._stop = stop
        self._by = by
        self._failed = 0
        self._done: list[Step] = []
        self._postponed: list[Step] = []
        self._recorded = time.monotonic()

    def work(self, advance: Callable[[], None]) -> RunState:
        """Do all that is pending, canaries first; return how it ended."""
        try:
            return self._work(advance)
        finally:  # not before: it would be claimed again, over and over
            self._catalog.runs.record_steps(self._run.id, self._postponed, by=self._by)

    def _work(self, advance: Callable[[], None]) -> RunState:
        if self._options.canary:
            self._pass(self._options.canary, advance)
            if self._failed and not self._stop.is_set():
                return RunState.STOPPED
        self._pass(None, advance)
        if self._stop.is_set():
            return RunState.INTERRUPTED
        if self._has_enough:
            return RunState.STOPPED
        return RunState.FAILED if self._failed or self._postponed else RunState.DONE

    @property
    def _has_enough(self) -> bool:
        return 0 < self._options.max_failures <= self._failed

    def _pass(self, limit: int | None, advance: Callable[[], None]) -> None:
        """Do the pending steps, or so many of them."""
        self._begin_maintenance(limit)
        claimed: deque[Step] = deque()
        left, more = limit, True
        try:
            while True:
                going_on = not self._stop.is_set() and not self._has_enough
                if going_on and more and not claimed:
                    batch = AHEAD * max(1, self._options.jobs)
                    steps = self._claim(batch if left is None else min(batch, left))
                    left = None if left is None else left - len(steps)
                    more = bool(steps) and left != 0
                    for step in steps:
                        if step.state is StepState.RUNNING:
                            claimed.append(step)
                        else:
                            advance()
                    if more and not claimed:
                        continue
                while going_on and claimed and self._workers.idle:
                    self._workers.give(claimed.popleft())
                if not self._workers.busy:
                    return
                self._collect(advance)
        finally:
            self._record()
            if claimed:
                ids = [step.tenant.id for step in claimed]
                self._catalog.runs.return_steps(self._run.id, ids, by=self._by)

    def _claim(self, count: int) -> tuple[Step, ...]:
        return self._catalog.runs.claim_steps(self._run.id, count, by=self._by) if count else ()

    def _collect(self, advance: Callable[[], None]) -> None:
        ended = self._workers.collect(timeout=RECORDED)
        for step in ended:
            self._failed += step.state is StepState.FAILED
            advance()
        self._postponed += [step for step in ended if step.state is StepState.PENDING]
        self._done += [step for step in ended if step.state is not StepState.PENDING]
        waited = time.monotonic() - self._recorded
        if (self._done and waited > RECORDED) or waited > HEARTBEAT:
            self._record()

    def _record(self) -> None:
        done, self._done = self._done, []
        self._recorded = time.monotonic()
        self._catalog.runs.record_steps(self._run.id, done, by=self._by)

    def _begin_maintenance(self, limit: int | None) -> None:
        """Show the maintenance page of those whose lacking revisions ask for it."""
        schemas = self._catalog.schemas.list()
        asking = [schema for schema in schemas if self._history.needs_maintenance(schema)]
        if asking:
            self._catalog.runs.begin_maintenance(self._run.id, asking, first=limit, by=self._by)


@contextmanager
def _alone(catalog: Catalog, settings: Settings) -> Iterator[str]:
    """Make sure that no other run lives, here or on another node; yield the name of the place."""
    node = f"{socket.gethostname()}:{settings.data_dir}"
    settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as stack:
        try:
            descriptor = stack.enter_context(lock_file(run_lock(settings), wait=0))
            lock_descriptor(descriptor, shared=True, wait=0)  # with this run's own processes
        except BlockingIOError as error:
            run = catalog.runs.find_last()
            raise MigrationRunningError(run.id if run else 0, node) from error
        if settings.is_fleet:
            node = FLEET
            try:
                stack.enter_context(fleet_lock("migrate", "migrated", settings=settings, wait=0))
            except LockHeldError as error:
                run = catalog.runs.find_last()
                raise MigrationRunningError(run.id if run else 0, error.holder.node) from error
        yield node


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Yield what is set at the first SIGINT or SIGTERM; the second one acts as ever."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before: dict[int, Any] = {}

    def handle(signum: int, _frame: Any) -> None:
        stop.set()
        signal.signal(signum, before[signum])

    for told in (signal.SIGINT, signal.SIGTERM):
        before[told] = signal.signal(told, handle)
    try:
        yield stop
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
