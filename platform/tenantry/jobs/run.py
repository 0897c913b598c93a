"""A run of a job, as its function sees it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from tenantry.catalog.job_claims import JobReport
from tenantry.catalog.models import now
from tenantry.catalog.values import JobLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog.values import Actor, Job
    from tenantry.values.tenant import Tenant

REPORT_SECONDS = 1.0
"""Between two reports of one job's progress, at least."""
MAX_LINES = 200
"""Of one attempt. What a job logs beyond them is left out."""


class JobStop(BaseException):
    """Raised in a job that has to stop here. Not an ``Exception``, which jobs catch."""


class JobRefused(Exception):  # noqa: N818 - a refusal by the job itself
    """Raised by a job that cannot succeed: it fails at once, without further attempts."""


class JobRun:
    """One attempt at a job. Its function gets it as the first argument.

    :param report: Records how far it is; returns whether the job is still this worker's.
    :param seconds: How long the attempt may take.
    """

    def __init__(
        self,
        job: Job,
        tenant: Tenant | None,
        *,
        report: Callable[[Job, JobReport], bool],
        seconds: float,
    ) -> None:
        self.job = job
        self.tenant = tenant
        """Whose job it is; ``None`` for the platform's own."""
        self.overdue_at = time.monotonic() + seconds
        self.reason = ""
        """Why it has to stop; empty while it may go on."""
        self._report = report
        self._done, self._total = job.done, job.total
        self._lines: list[JobLine] = []
        self._logged = 0
        self._begun = 0  # of the steps
        self._reported_at = time.monotonic()
        self._lock = threading.Lock()  # owns the lines that are not reported yet

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1. It is higher too if a worker has died."""
        return self.job.attempts

    @property
    def by(self) -> Actor:
        """Who asked for the job."""
        return self.job.by

    def check(self) -> None:
        """End the job here if it was cancelled, takes too long, or its worker is about to stop.

        Call it where the job may be ended and begun again. The exception passes ``except Exception``.
        """
        if self.reason:
            raise JobStop(self.reason)
        if time.monotonic() > self.overdue_at:
            self.reason = "overdue"
            raise JobStop(self.reason)

    def progress(self, done: int, total: int | None = None) -> None:
        """Note how far the job is; like :meth:`check`, it may end the job here.

        :param done: Steps that are done.
        :param total: Steps in all, if known.
        """
        self._done = done
        self._total = self._total if total is None else total
        if time.monotonic() - self._reported_at >= REPORT_SECONDS:
            self._reported_at = time.monotonic()
            if not self._report(self.job, self.told()):
                self.reason = "taken"
        self.check()

    def step(self, text: str, total: int) -> None:
        """Note at once that the next of a few steps begins. Unlike :meth:`progress`, it ends nothing.

        :param total: Steps in all.
        """
        self.log(text)
        self._done, self._total = min(self._begun, total), total
        self._begun += 1
        self._report(self.job, self.told())

    def log(self, text: str) -> None:
        """Add a line to what `tenantry job show` prints. It is recorded with the next progress."""
        with self._lock:
            self._logged += 1
            if self._logged < MAX_LINES:
                self._lines.append(JobLine(now(), self.attempt, text))
            elif self._logged == MAX_LINES:
                self._lines.append(JobLine(now(), self.attempt, "further lines are left out"))

    def told(self, **more: Any) -> JobReport:
        """Return the report of what is not reported yet."""
        with self._lock:
            lines, self._lines = tuple(self._lines), []
        return JobReport(done=self._done, total=self._total, lines=lines, **more)
