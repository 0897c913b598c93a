"""Jobs: how many a second, how soon they start, how fair the queue is, and whether any is lost.

- ``jobs_s``: jobs that do nothing, with a worker of its own process, four at a time; the transactions
  that record their start and end are what is measured. ``jobs_ratio``: beside the smallest transactions
  that the same disk and database do one after the other (``commits_s``).
- ``start_ms``: from ``enqueue`` to the function's first line, in another process at rest; the median.
  ``idle_cpu``: the part of a processor that the worker takes at rest, so that no loop is spinning.
- ``fair_ms``: one tenant has 10,000 jobs in the queue, a second one 1,000, so that every thread is
  busy, and a third one enqueues one. How long it waits, beside what a job takes in this queue
  (``fair_ratio``), and ``fair_jobs``, the others' jobs that start meanwhile, per thread.
- ``lost``: of three workers, one that is at work is killed each second; how many jobs are not done at
  the end. ``interrupted``: how many a kill has interrupted.

The catalog is on SQLite. With PostgreSQL at hand, the same is done there (``postgresql_...``).
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.postgres import server
from tenantry.catalog import SYSTEM, Catalog, ChangeSignal, JobState, NewJob, Store
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.catalog import Job
    from tenantry.values.tenant import Tenant

NUMBER = int(os.environ.get("N", "2000"))
QUEUED = int(os.environ.get("QUEUED", "10000"))
KILL_SECONDS = int(os.environ.get("KILL_SECONDS", "30"))
STARTS = int(os.environ.get("STARTS", "50"))
THREADS = 4
JOB_SECONDS = 0.2
"""Of a job in the queue of 10,000: long beside what a transaction takes."""
KILLED_SECONDS = 0.5
"""Of a job whose worker may be killed: so long that most kills interrupt some."""

WORKER = """
import os, signal, sys, time
from pathlib import Path
from tenantry.catalog import Catalog, ChangeSignal, Store
from tenantry.jobs import JobDefinitions, JobWorker, job

url, run, marks = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
descriptor = os.open(marks, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def mark(run):
    line = f"{run.job.id} {run.job.tenant_id} {time.time():.6f}\\n"
    os.write(descriptor, line.encode())

@job("bench.nothing", place="platform")
def nothing(run):
    mark(run)

@job("bench.short", place="platform")
def short(run, seconds):
    mark(run)
    time.sleep(seconds)

catalog = Catalog(Store(url, signal=ChangeSignal(run / "epoch")), domain="bench.test")
known = JobDefinitions([nothing, short])
worker = JobWorker(catalog, lambda: known, threads=int(sys.argv[4]))
signal.signal(signal.SIGTERM, lambda *_: worker.stop())
signal.set_wakeup_fd(worker.waiter.signal_descriptor)
worker.run()
"""


class Bench:
    """One catalog, and the workers that are started for it."""

    def __init__(self, url: str, folder: Path) -> None:
        folder.mkdir()
        self._url = url
        self._folder = folder
        self._marks = folder / "marks"
        signal_file = ChangeSignal(folder / "epoch")
        self.catalog = Catalog(Store(url, signal=signal_file), domain="bench.test")
        self.catalog.upgrade()

    def start(self) -> subprocess.Popen[bytes]:
        """Start a worker."""
        arguments = [self._url, str(self._folder), str(self._marks), str(THREADS)]
        return subprocess.Popen([sys.executable, "-c", WORKER, *arguments])

    def add(self, name: str, tenant: Tenant | None = None, **arguments: Any) -> NewJob:
        """Return a job to be added."""
        owner = None if tenant is None else tenant.id
        return NewJob(name=name, arguments=arguments, tenant_id=owner, max_attempts=5)

    def add_all(self, wanted: Iterable[NewJob]) -> tuple[Job, ...]:
        """Add jobs."""
        return self.catalog.jobs.add(*wanted, by=SYSTEM)

    def marks(self) -> list[tuple[int, str, float]]:
        """Return which jobs have started, whose, and when."""
        if not self._marks.exists():
            return []
        lines = (line.split() for line in self._marks.read_text().splitlines())
        return [(int(number), owner, float(at)) for number, owner, at in lines]

    def wait_for(self, count: int) -> None:
        """Wait until so many jobs have started."""
        while len(self.marks()) < count:
            time.sleep(0.01)

    def wait_until_done(self) -> None:
        """Wait until nothing is queued or running."""
        while True:
            counts = self.catalog.jobs.count_by_state()
            if not counts[JobState.QUEUED] and not counts[JobState.RUNNING]:
                return
            time.sleep(0.05)


def measure(url: str, folder: Path) -> dict[str, float]:
    """Measure all on one catalog."""
    bench = Bench(url, folder)
    worker = bench.start()
    try:
        figures = {**_starts(bench, worker.pid), **_throughput(bench), **_fairness(bench)}
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait()
    figures |= _kills(bench)
    bench.catalog.close()
    return figures


def _starts(bench: Bench, pid: int) -> dict[str, float]:
    bench.catalog.jobs.add(bench.add("bench.nothing"), by=SYSTEM)
    bench.wait_for(1)
    time.sleep(1)
    before, moment = _cpu(pid), time.monotonic()
    time.sleep(2)
    idle = (_cpu(pid) - before) / (time.monotonic() - moment)
    waits = []
    for number in range(2, STARTS + 2):
        time.sleep(0.1)  # at rest
        began = time.time()
        bench.catalog.jobs.add(bench.add("bench.nothing"), by=SYSTEM)
        bench.wait_for(number)
        waits.append(bench.marks()[-1][2] - began)
    return {"start_ms": 1000 * statistics.median(waits), "idle_cpu": idle}


def _throughput(bench: Bench) -> dict[str, float]:
    first = len(bench.marks())
    bench.add_all(bench.add("bench.nothing") for _ in range(NUMBER))
    bench.wait_until_done()
    times = sorted(at for _, _, at in bench.marks()[first:])
    began = time.monotonic()
    for _ in range(200):
        with bench.catalog.store.updating() as connection:
            connection.exec_driver_sql("UPDATE heads SET epoch = epoch + 1")
    commits = 200 / (time.monotonic() - began)
    jobs = (len(times) - 1) / (times[-1] - times[0])
    return {"jobs_s": jobs, "commits_s": commits, "jobs_ratio": jobs / commits}


def _fairness(bench: Bench) -> dict[str, float]:
    big, third, small = (_add_site(bench.catalog, slug) for slug in ("big", "third", "small"))
    # The third one takes the thread that the big one leaves free.
    for tenant, number in ((big, QUEUED), (third, QUEUED // 10)):
        jobs = (bench.add("bench.short", tenant, seconds=JOB_SECONDS) for _ in range(number))
        bench.add_all(jobs)
    before = len(bench.marks())
    bench.wait_for(before + 10 * THREADS)
    times = [at for _, _, at in bench.marks()[before + THREADS :]]
    job_seconds = THREADS * (times[-1] - times[0]) / (len(times) - 1)
    began = time.time()
    (asked,) = bench.catalog.jobs.add(bench.add("bench.short", small, seconds=0), by=SYSTEM)
    while not any(number == asked.id for number, _, _ in bench.marks()):
        time.sleep(0.01)
    started = next(at for number, _, at in bench.marks() if number == asked.id)
    meanwhile = sum(began < at < started for _, _, at in bench.marks())
    with bench.catalog.store.updating() as connection:
        connection.exec_driver_sql("DELETE FROM jobs WHERE state = 'queued'")
    bench.wait_until_done()
    return {
        "fair_ms": 1000 * (started - began),
        "job_ms": 1000 * job_seconds,
        "fair_ratio": (started - began) / job_seconds,
        "fair_jobs": meanwhile / THREADS,
    }


def _kills(bench: Bench) -> dict[str, float]:
    """Kill a worker that is at work, each second; jobs last longer than the pauses between kills."""
    first, count = len(bench.marks()), KILL_SECONDS * 24
    added = bench.add_all(bench.add("bench.short", seconds=KILLED_SECONDS) for _ in range(count))
    workers = {started.pid: started for started in (bench.start() for _ in range(3))}
    bench.wait_for(first + 1)
    killed = 0
    for _ in range(KILL_SECONDS):
        time.sleep(1)
        running = bench.catalog.jobs.list(state=JobState.RUNNING).items
        busy = {int(job.worker.split("/")[1]) for job in running} & workers.keys()
        for pid in sorted(busy)[:1]:
            victim = workers.pop(pid)
            victim.kill()
            victim.wait()
            killed += 1
            successor = bench.start()
            workers[successor.pid] = successor
    bench.wait_until_done()
    for worker in workers.values():
        worker.send_signal(signal.SIGTERM)
        worker.wait()
    jobs = [bench.catalog.jobs.get(job.id) for job in added]
    return {
        "lost": float(sum(job.state is not JobState.DONE for job in jobs)),
        "killed": float(killed),
        "interrupted": float(sum(job.losses for job in jobs)),
        "again": float(len(bench.marks()) - first - count),
    }


def _add_site(catalog: Catalog, slug: str) -> Tenant:
    made = catalog.tenants.add(slug, name=slug, by=SYSTEM)
    return catalog.tenants.transition(made.id, TenantState.ACTIVE, by=SYSTEM)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Measure each kind of catalog; print a table and one line of JSON."""
    result: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="tenantry-jobs-") as name, server() as url:
        folder = Path(name)
        found = measure(f"sqlite:///{folder}/catalog.sqlite3", folder / "sqlite")
        result |= found
        if url:
            other = measure(_own_database(url), folder / "postgresql")
            result |= {f"postgresql_{key}": value for key, value in other.items()}
    for key, value in result.items():
        print(f"{key:24} {value:10.3f}")
    print(json.dumps({key: round(value, 3) for key, value in result.items()}))
    return 0 if result["interrupted"] else 1  # kills that interrupt nothing prove nothing


def _own_database(url: str) -> str:
    """Return the URL of an empty database on the server, as its superuser."""
    import psycopg  # noqa: PLC0415 - only where there is a server
    from sqlalchemy import make_url  # noqa: PLC0415

    address = make_url(url).set(username="postgres", drivername="postgresql")
    with psycopg.connect(
        address.render_as_string(hide_password=False), autocommit=True
    ) as connection:
        connection.execute("CREATE DATABASE catalog")
    chosen = address.set(database="catalog", drivername="postgresql+psycopg")
    return chosen.render_as_string(hide_password=False)


if __name__ == "__main__":
    sys.exit(main())
