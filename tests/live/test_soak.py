"""A small pool with more tenants than places, asked, changed, broken and reloaded all the time.

`make soak SECONDS=600` does for longer what the test does for some seconds.
"""

from __future__ import annotations

import json
import os
import random
import re
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from tenantry.catalog import SYSTEM
from tenantry.lifecycle import Operations
from tenantry.settings import load_settings
from tenantry.worker import ask_workers
from tests.live.load import together
from tests.live.member import Visitor
from tests.live.server import Server, make_data, until
from tests.live.wire import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.live.wire import Answer

SLUGS = (
    *(f"plain-{n}" for n in range(5)),
    *(f"full-{n}" for n in range(2)),
    *(f"sulky-{n}" for n in range(2)),
    *(f"drip-{n}" for n in range(2)),
    "late-0",
    "shut-0",
    "torn-0",
)
UNABLE = {"sulky": {503}, "late": {503}, "shut": {403, 503}, "torn": {503}}
"""What tenants may answer beside 200 because of what is done to them."""

THREADS = 4
INSTANCES = THREADS - 1  # of each worker: now and then all are in use
CONNECTIONS = 2
CATALOG_CONNECTIONS = (4, 8)
"""Those that the catalog's engine keeps, and opens at most. SQLite keeps the file of a closed one for
the next one, while another one has a lock on it."""

MOST_BUILDING = 2 * INSTANCES  # in a pair of workers at the same moment
VISITORS = 6
WRITER = "plain-0"
POST = "/posts/welcome"
LONG = 60
"""From so many seconds on it is a soak, and not only a test."""

QUIET_SECONDS = 40
"""For the last instance to be given up: the workers look every ten seconds."""

THAWED_SECONDS = 900
"""For cycles that are frozen to be found, where a thaw takes nearly a second."""


class Restless(Server):
    """A server of ``factories/restless.py``."""

    def __init__(self, base: Path) -> None:
        self.notes = base / "notes"
        self.notes.mkdir(parents=True)
        make_data(base / "var", SLUGS)
        env = {
            "RESTLESS_DIR": str(self.notes),
            "TENANTRY_FACTORY": "restless:create_app",
            "TENANTRY_THREADS": str(THREADS),
            "TENANTRY_POOL_INSTANCES": str(INSTANCES),
            "TENANTRY_POOL_CONNECTIONS": str(CONNECTIONS),
            "TENANTRY_POOL_IDLE_SECONDS": "1",
            "TENANTRY_POOL_WARM": "2",
        }
        super().__init__(base / "var", env=env)
        self._folder = load_settings(data_dir=self.data).workers_dir

    def reports(self) -> list[dict[str, Any]]:
        """Return what the workers tell of themselves."""
        return ask_workers(self._folder)

    def noted(self, book: str) -> Counter[str]:
        """Return how often each instance was noted."""
        return Counter((self.notes / book).read_text().splitlines())

    def alive(self) -> dict[int, dict[str, Any]]:
        """Return what is alive in each worker."""
        found: dict[int, dict[str, Any]] = {}
        while len(found) < self.processes:
            for answer in together(lambda _: self.site("drip-0", "/alive"), 4):
                if answer.status == 200:  # the other worker may have to build it first
                    told = json.loads(answer.body)
                    found[told["pid"]] = told
        return found

    def held(self) -> dict[int, Counter[str]]:
        """Return the kinds of open descriptors and the threads of each worker."""
        return {pid: self._held(pid) for pid in self.workers()}

    def _held(self, pid: int) -> Counter[str]:
        system = Path("/proc") / str(pid)
        held = Counter({"threads": len(list((system / "task").iterdir()))})
        for descriptor in (system / "fd").iterdir():
            try:
                target = str(descriptor.readlink())
            except FileNotFoundError:  # closed at this very moment
                continue
            held[re.sub(r"\d+", "#", target.removeprefix(str(self.data)))] += 1
        return held


class Soak:
    """Visitors, an owner who changes everything, and what they have to complain about."""

    def __init__(self, server: Restless, seed: int) -> None:
        self._server = server
        self._seed = seed
        self._ids = {slug: server.catalog.tenants.get(slug).id for slug in SLUGS}
        self._writer = Visitor(server, WRITER)
        self._writer.join()
        self._token = self._writer.token(POST)
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(task, number), daemon=True)
            for number, task in enumerate([self._change, self._write, *[self._visit] * VISITORS])
        ]
        self.seen: Counter[tuple[str, int]] = Counter()
        self.written: list[str] = []
        self.changes = 0
        self.complaints: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "somebody still waits for an answer"

    def _run(self, task: Callable[[random.Random], None], number: int) -> None:
        chance = random.Random(self._seed + number)
        while not self._stopping.is_set() and len(self.complaints) < 10:
            try:
                task(chance)
            except Exception as error:  # noqa: BLE001 - the test shows it
                self.complaints.append(f"{task.__name__}: {error!r}")

    def _visit(self, chance: random.Random) -> None:
        slug = chance.choice(SLUGS)
        if slug.startswith("drip") and chance.random() < 0.3:
            return self._leave_early(slug)
        answer = self._server.site(slug, chance.choice(("/", "/feed.xml", POST)))
        return self._judge(slug, answer, 200)

    def _leave_early(self, slug: str) -> None:
        with connect(self._server.port) as peer:
            peer.sendall(f"GET / HTTP/1.1\r\nHost: {slug}.localhost\r\n\r\n".encode())
            peer.recv(100)

    def _write(self, _: random.Random) -> None:
        text = f"remark {len(self.written)} of {time.monotonic_ns()}"
        form = {"text": text, "csrf_token": self._token}
        answer = self._writer.send(f"{POST}/comments", form)
        self._judge(WRITER, answer, 303)
        if answer.status == 303:
            self.written.append(text)
        self._stopping.wait(0.02)

    def _change(self, chance: random.Random) -> None:
        slug = chance.choice(SLUGS)
        catalog = self._server.catalog
        operations = Operations(catalog, settings=self._server.settings, actor=SYSTEM)
        if slug.startswith("shut") and chance.random() < 0.5:
            operations.suspend(slug)
        elif slug.startswith("shut"):
            operations.resume(slug)
        else:
            name = f"Site {self.changes}"
            catalog.tenants.configure(self._ids[slug], name=name, by=SYSTEM)
        self.changes += 1
        self._stopping.wait(0.02)

    def _judge(self, slug: str, answer: Answer, wanted: int) -> None:
        kind = slug.partition("-")[0]
        self.seen[kind, answer.status] += 1
        # Healthy sites too: for a moment every place may be in use, or every thread.
        if answer.status not in {wanted, 503} | UNABLE.get(kind, set()):
            self.complaints.append(f"{slug} answered {answer.status}: {answer.text[:500]}")
        if answer.status == 503 and not answer.get("Retry-After").isdecimal():
            self.complaints.append(f"{slug} does not say when to come back: {answer.text[:500]}")


@contextmanager
def torn(file: Path) -> Iterator[None]:
    """Tear a tenant's database in two; put it back as a backup is restored, under its name."""
    good = file.read_bytes()
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    os.truncate(file, file.stat().st_size // 2)
    yield
    file.unlink()
    restored = file.with_name("restored")
    restored.write_bytes(good)
    restored.replace(file)


def rush(server: Restless) -> None:
    """Use every thread of every worker, so that what is opened once is open."""
    workers: set[int] = set()
    while workers != server.workers():
        together(lambda _: server.site("drip-0"), 4 * THREADS)
        workers = {r["pid"] for r in server.reports() if r["pool"]["hits"] >= THREADS}


def watch(server: Restless, soak: Soak, seconds: float) -> Counter[str]:
    """Look at the workers for so long: they stay within their budget; return what was seen."""
    deadline = time.monotonic() + seconds
    seen: Counter[str] = Counter()
    while time.monotonic() < deadline and not soak.complaints:
        for report in server.reports():
            pool = report["pool"]
            assert pool["instances"] <= INSTANCES
            assert pool["leases"] <= THREADS + 1  # one is the warm-up's
            assert max(pool["waiting"], pool["queued"]) < THREADS
            assert report["leaks"] == []
            seen.update(looks=1, queued=pool["queued"], backing_off=pool["backing_off"])
        time.sleep(0.1)
    return seen


def is_quiet(report: dict[str, Any]) -> bool:
    """Say whether a worker holds nothing of any tenant any more."""
    held = ("instances", "leases", "builds_running", "waiting", "queued")
    return not any(report["pool"][name] for name in held) and not report["budget"]["connections"][0]


def reload(server: Restless) -> None:
    """Replace all workers, one after the other."""
    before = server.workers()
    (server.data / "run" / "reload").touch()

    def all_new() -> bool:
        now = server.workers()
        return len(now) == server.processes and not before & now

    until(all_new, seconds=90, why="all workers are new")


@pytest.fixture
def restless(folder: Path) -> Iterator[Restless]:
    with Restless(folder / "restless") as server:
        yield server


def test_nothing_is_left_of_a_rough_time(restless: Restless, pytestconfig: pytest.Config) -> None:
    """No lease, instance, connection, descriptor or thread outlives its use; no visitor sees a 500."""
    seconds = pytestconfig.getoption("--soak-seconds")
    rush(restless)
    before = min(restless.held().values(), key=Counter.total)
    with Soak(restless, seed=1) as soak:
        seen = watch(restless, soak, seconds / 3)
        with torn(restless.site_file("torn-0")):
            reload(restless)
            seen += watch(restless, soak, seconds / 3)
        seen += watch(restless, soak, seconds / 3)

    assert soak.complaints == []
    # How many a machine gets done is no matter of correctness; that it was no idle time is.
    assert soak.seen["plain", 200] > seconds
    assert soak.changes > seconds
    assert soak.seen["torn", 503]
    assert soak.seen["shut", 403]
    assert seen["queued"]
    assert seen["backing_off"]
    with closing(sqlite3.connect(restless.site_file(WRITER))) as database:
        kept = {body for (body,) in database.execute("SELECT body FROM comment")}
    assert set(soak.written) <= kept

    until(
        lambda: [is_quiet(report) for report in restless.reports()] == [True] * restless.processes,
        seconds=QUIET_SECONDS,
        why="nothing is kept of what nobody asks for",
    )
    check_leftovers(restless, before, patiently=seconds >= LONG)


def check_leftovers(server: Restless, before: Counter[str], *, patiently: bool) -> None:
    """Look at what there is when all is quiet.

    :param patiently: Wait for apps with cycles, too, which the collector finds only after a while.
    """
    disposed = server.noted("disposed")
    assert set(disposed.values()) == {1}
    left = server.noted("built") - disposed
    # A worker that ends takes with it what it is just building, and waits for none of it.
    running = {str(pid) for pid in server.workers()}
    assert not [name for name in left if name.split()[2] in running]
    assert len(left) <= MOST_BUILDING
    # The first workers are older than the socket on which the server tells its figures.
    before["socket:[#]"] += 1
    before["/catalog.sqlite#-wal"], before["/catalog.sqlite#"] = CATALOG_CONNECTIONS
    until(
        lambda: all(held <= before for held in server.held().values()),
        why=f"no descriptor and no thread more than {before}: {server.held()}",
    )
    busy = (
        "build-",
        "warm-up",
    )  # the question may have had its own app built, whose thread just ends
    until(
        lambda: (
            not any(
                name.startswith(busy)
                for told in server.alive().values()
                for name in told["threads"]
            )
        ),
        why="no thread builds any more",
    )
    if patiently:
        # Not only full apps have cycles: an exception that was caught holds its frames, and they it.
        # A thaw finds them, and the next one waits a thousand times as long as the last one took.
        until(
            lambda: not any(told["instances"] for told in server.alive().values()),
            seconds=THAWED_SECONDS,
            why="every instance dies",
        )
    else:
        for told in server.alive().values():
            assert not [name for name in told["instances"] if not name.startswith("full")]
    assert [report["leaks"] for report in server.reports()] == [[]] * server.processes
    log = server.log()
    assert "a periodic task failed" not in log
    assert "disposing of an instance" not in log
