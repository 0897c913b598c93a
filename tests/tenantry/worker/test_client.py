"""All workers are asked at once; what the dead have left is removed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tenantry.worker import Survey, ask_workers, survey
from tests.tenantry.worker.sample import report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.tenantry.worker.conftest import StartReporter

    StartWorker = Callable[[int], subprocess.Popen[str]]

WORKER = """
import os, signal, sys
from pathlib import Path
from tenantry.worker import Reporter
reporter = Reporter(Path(sys.argv[1]), lambda: {"pid": os.getpid(), "worker": int(sys.argv[2])})
reporter.start()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(reporter.stop()))
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def start_worker(folder: Path) -> Iterator[StartWorker]:
    """Return a function that starts a process with a reporter; it ends with the test."""
    processes: list[subprocess.Popen[str]] = []

    def start_one(number: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WORKER, str(folder), str(number)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start_one
    for process in processes:
        process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def names(folder: Path) -> set[str]:
    """Return what is in the folder."""
    return {path.name for path in folder.iterdir()}


def test_nobody_has_ever_run_here(folder: Path) -> None:
    """No folder, no workers; asking makes nothing."""
    assert survey(folder) == Survey()
    assert not folder.exists()


def test_workers_come_in_their_order(folder: Path, start_worker: StartWorker) -> None:
    """Process ids say nothing about which worker it is."""
    started = {number: start_worker(number).pid for number in (2, 1, 3)}
    assert ask_workers(folder, timeout=10) == [
        {"pid": started[number], "worker": number} for number in (1, 2, 3)
    ]


def test_killed_worker_is_ignored_and_its_socket_removed(
    folder: Path, start_worker: StartWorker
) -> None:
    """Nobody tidies up behind SIGKILL, so whoever asks does."""
    killed, living = start_worker(1), start_worker(2)
    killed.send_signal(signal.SIGKILL)
    killed.wait(10)
    assert names(folder) == {f"{killed.pid}.sock", f"{living.pid}.sock"}
    assert survey(folder) == Survey(reports=[{"pid": living.pid, "worker": 2}])
    assert names(folder) == {f"{living.pid}.sock"}


def test_new_worker_removes_what_the_dead_have_left(
    folder: Path, start_worker: StartWorker
) -> None:
    """Even if nobody ever asks, killed workers' sockets do not pile up."""
    killed = start_worker(1)
    killed.send_signal(signal.SIGKILL)
    killed.wait(10)
    successor = start_worker(1)
    assert names(folder) == {f"{successor.pid}.sock"}


def test_stopped_worker_leaves_nothing(folder: Path, start_worker: StartWorker) -> None:
    """A worker that is asked to end removes its own socket."""
    worker = start_worker(1)
    worker.terminate()
    assert worker.wait(10) == 0
    assert names(folder) == set()


def test_own_socket_of_a_former_life_is_replaced(folder: Path, start: StartReporter) -> None:
    """Process ids come again, in a container at every start."""
    folder.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / f"{os.getpid()}.sock"))
    (folder / f"{os.getpid()}.sock.new").touch()
    start(report)
    assert ask_workers(folder) == [report()]
    assert names(folder) == {f"{os.getpid()}.sock"}


def test_suspended_worker_is_named(folder: Path, start_worker: StartWorker) -> None:
    """A process that does not get to run neither hides nor holds up the others."""
    stuck, living = start_worker(1), start_worker(2)
    stuck.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, stuck.pid, os.WSTOPPED | os.WNOWAIT)  # until it really stands still
    assert survey(folder, timeout=0.5) == Survey(
        reports=[{"pid": living.pid, "worker": 2}],
        troubles={stuck.pid: "it does not answer in time"},
    )
    stuck.send_signal(signal.SIGCONT)
    assert len(ask_workers(folder)) == 2


def test_silent_workers_cost_one_time_limit_together(folder: Path) -> None:
    """Two hundred and fifty-six stuck workers are waited for once, not 256 times."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        for pid in range(100_000, 100_256):
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(f"{folder}/{pid}.sock")
            listener.listen()
        began = time.monotonic()
        found = survey(folder, timeout=0.3)
        assert time.monotonic() - began < 1.5
    assert len(found.troubles) == 256


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"{", id="cut off"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
        pytest.param(b"[" * 100_000, id="nested without end"),
    ],
)
def test_garbled_report_is_a_trouble_and_no_exception(folder: Path, answer: bytes) -> None:
    """A worker of another release, or a broken one, must not break the asking side."""
    folder.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "77.sock"))
        listener.listen()
        listener.settimeout(10)
        with _Answering(listener, answer):
            assert survey(folder).troubles == {77: "its report cannot be read"}


class _Answering:
    """A worker that answers one question, wrongly."""

    def __init__(self, listener: socket.socket, answer: bytes) -> None:
        self._thread = threading.Thread(target=self._run, args=(listener, answer))

    def _run(self, listener: socket.socket, answer: bytes) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(answer)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)


def test_other_things_in_the_folder_are_left_alone(folder: Path, start: StartReporter) -> None:
    """Only what looks like a worker's socket is asked, and nothing else is ever removed."""
    start(report)
    (folder / "notes.txt").write_text("mine")
    (folder / "12x.sock").write_text("mine too")
    (folder / "99.sock").write_text("not a socket")
    assert ask_workers(folder) == [report()]
    assert names(folder) == {f"{os.getpid()}.sock", "notes.txt", "12x.sock", "99.sock"}


def test_folder_that_cannot_be_entered_is_no_worker(folder: Path) -> None:
    """What cannot be asked, another user's workers too, is no reason to crash."""
    folder.parent.mkdir(parents=True)
    folder.write_text("a file where the folder should be")
    assert survey(folder) == Survey()


SHORT_OF_DESCRIPTORS = """
import os, resource, sys
from pathlib import Path
from tenantry.worker import Survey, survey
taken = len(os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (taken + int(sys.argv[2]), 4096))
print(survey(Path(sys.argv[1])) == Survey())
"""


@pytest.mark.parametrize("left", [pytest.param(n, id=f"{n} left") for n in range(-1, 2)])
def test_asking_side_without_descriptors_does_not_crash(
    folder: Path, start: StartReporter, left: int
) -> None:
    """A worker that has none left still answers its backend's pages, without figures."""
    start(report)
    command = [sys.executable, "-c", SHORT_OF_DESCRIPTORS, str(folder), str(left)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout == "True\n"
