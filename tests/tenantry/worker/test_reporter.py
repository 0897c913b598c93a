"""A worker tells how it is doing, whatever the asking side does."""

from __future__ import annotations

import logging
import os
import socket
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.worker import Reporter, ask_workers, survey
from tenantry.worker.folder import MAX_BYTES
from tests.conftest import eventually
from tests.tenantry.worker.sample import report

if TYPE_CHECKING:
    from tests.tenantry.worker.conftest import StartReporter


def own_socket(folder: Path) -> Path:
    """Return the path of this process's socket."""
    return folder / f"{os.getpid()}.sock"


def mode(path: Path) -> int:
    """Return the permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_report_arrives_as_it_was_given(folder: Path, start: StartReporter) -> None:
    """What the worker says is what the asking side gets."""
    start(report)
    assert ask_workers(folder) == [report()]


def test_socket_is_the_user_s_alone(folder: Path, start: StartReporter) -> None:
    """Nobody else on the machine can ask, also where the folder was open before."""
    folder.mkdir(parents=True, mode=0o755)
    start(report)
    assert mode(folder) == 0o700
    assert mode(own_socket(folder)) == 0o600


def test_nothing_is_left_at_the_end(folder: Path, start: StartReporter) -> None:
    """A stopped worker leaves no socket, and its end does not have to be waited for."""
    reporter = start(report)
    began = time.monotonic()
    reporter.stop()
    assert time.monotonic() - began < 1
    assert list(folder.iterdir()) == []
    assert ask_workers(folder) == []


def test_stopping_twice_or_unstarted_is_harmless(folder: Path) -> None:
    """The end may come before the beginning, and from two sides."""
    reporter = Reporter(folder, report)
    reporter.stop()
    reporter.start()
    reporter.stop()
    reporter.stop()
    assert not folder.exists() or list(folder.iterdir()) == []


def test_path_longer_than_a_socket_s_address(tmp_path: Path) -> None:
    """A data folder may lie deep; a Unix socket's address has 107 bytes."""
    folder = tmp_path / ("deep" * 40) / "workers"
    reporter = Reporter(folder, report)
    reporter.start()
    try:
        assert len(os.fsencode(folder)) > 160
        assert ask_workers(folder) == [report()]
    finally:
        reporter.stop()
    assert list(folder.iterdir()) == []


def test_failing_report_does_not_end_the_thread(
    folder: Path, start: StartReporter, caplog: pytest.LogCaptureFixture
) -> None:
    """The asking side hears that it failed, the log hears why, and the next answer is whole."""
    problems = [ValueError("the pool is on fire")]

    def failing_once() -> dict[str, Any]:
        if problems:
            raise problems.pop()
        return report()

    start(failing_once)
    first = survey(folder)
    assert first.reports == []
    assert first.troubles == {os.getpid(): "its report failed; the log has the reason"}
    assert "the pool is on fire" in caplog.text
    assert ask_workers(folder) == [report()]


@pytest.mark.parametrize(
    "size", [pytest.param(100_000, id="100 kB"), pytest.param(3_000_000, id="3 MB")]
)
def test_long_report_arrives_whole(folder: Path, start: StartReporter, size: int) -> None:
    """A report is longer than what a socket takes at once."""
    long = report(leaks=[{"held_by": "x" * size}])
    start(lambda: long)
    assert ask_workers(folder) == [long]


def test_endless_report_is_not_sent(
    folder: Path, start: StartReporter, caplog: pytest.LogCaptureFixture
) -> None:
    """A report that nobody would read to its end does not get on the wire."""
    start(lambda: report(leaks=["x" * MAX_BYTES]))
    with caplog.at_level(logging.ERROR):
        assert survey(folder).troubles == {os.getpid(): "its report is too long to be sent"}
    assert "bytes" in caplog.text


def test_reader_who_does_not_read_holds_up_nobody_for_long(
    folder: Path, start: StartReporter
) -> None:
    """The rest of a long report is not waited for; the next one gets the whole."""
    long = report(leaks=["x" * 3_000_000])
    start(lambda: long)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(own_socket(folder)))
        began = time.monotonic()
        assert ask_workers(folder, timeout=10) == [long]
        assert time.monotonic() - began < 3


def test_reader_who_leaves_costs_no_report(folder: Path, start: StartReporter) -> None:
    """Who waited in vain and left is not reported to: that would only delay the next one."""
    made = threading.Semaphore(0)
    going_on = threading.Event()

    def slow() -> dict[str, Any]:
        made.release()
        going_on.wait(10)
        return report()

    start(slow)
    assert survey(folder, timeout=0.05).reports == []  # it is at work for this one from now on
    assert made.acquire(timeout=5)
    for _ in range(5):
        assert survey(folder, timeout=0.01).reports == []
    going_on.set()
    assert ask_workers(folder) == [report()]
    assert made.acquire(blocking=False)
    assert not made.acquire(blocking=False)


def test_hanging_report_is_not_waited_for(folder: Path, start: StartReporter) -> None:
    """A stuck worker costs the asking side its time limit, and is named."""
    going_on = threading.Event()

    def hanging() -> dict[str, Any]:
        going_on.wait(10)
        return report()

    start(hanging)
    began = time.monotonic()
    assert survey(folder, timeout=0.2).troubles == {os.getpid(): "it does not answer in time"}
    assert time.monotonic() - began < 1
    going_on.set()
    eventually(lambda: ask_workers(folder) == [report()])


def test_stuck_worker_with_a_full_queue_is_still_there(folder: Path, start: StartReporter) -> None:
    """Who refuses more questions than fit is stuck, not dead: its socket must stay."""
    going_on = threading.Event()

    def hanging() -> dict[str, Any]:
        going_on.wait(10)
        return report()

    start(hanging)
    waiting: list[socket.socket] = []
    try:
        while True:
            peer = socket.socket(socket.AF_UNIX)
            waiting.append(peer)
            peer.setblocking(False)
            peer.connect(str(own_socket(folder)))
    except BlockingIOError:
        assert survey(folder, timeout=0.1).troubles == {os.getpid(): "it does not answer in time"}
    finally:
        for peer in waiting:
            peer.close()
        going_on.set()
    eventually(lambda: ask_workers(folder) == [report()])


def test_many_ask_at_once(folder: Path, start: StartReporter) -> None:
    """Questions queue for the one thread; all are answered, and no descriptor is left."""
    start(report)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with ThreadPoolExecutor(40) as threads:
        asked = [threads.submit(ask_workers, folder, timeout=20) for _ in range(200)]
    assert all(question.result() == [report()] for question in asked)
    # Fewer, if the collector closes meanwhile what an earlier test left.
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_worker_that_cannot_be_asked_still_serves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder that cannot be made is a line in the log, not the worker's end."""
    (tmp_path / "run").write_text("a file where the folder should be")
    reporter = Reporter(tmp_path / "run" / "workers", report)
    reporter.start()
    reporter.stop()
    assert "cannot report" in caplog.text


def test_forked_child_takes_nothing_from_its_parent(folder: Path, start: StartReporter) -> None:
    """What a site forks runs our exit handlers too; the parent's socket is not the child's."""
    reporter = start(report)
    pid = os.fork()
    if pid == 0:
        reporter.stop()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert ask_workers(folder) == [report()]
