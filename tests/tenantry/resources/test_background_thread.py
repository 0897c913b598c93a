"""The one kind of thread that a worker runs beside its requests."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from tenantry.resources.background_thread import BackgroundThread

if TYPE_CHECKING:
    import pytest


def test_it_runs_until_it_is_stopped() -> None:
    """Law 13: it starts when it is told to, under its name, and is gone after stop()."""
    names: list[str] = []
    thread = BackgroundThread("sample", lambda: thread.repeat(0.001, note))

    def note() -> None:
        names.append(threading.current_thread().name)

    assert names == []
    thread.start()
    while not names:
        time.sleep(0.001)
    thread.stop()
    assert set(names) == {"sample"}
    assert "sample" not in {one.name for one in threading.enumerate()}


def test_a_thread_that_does_not_end_keeps_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """An ending worker waits for a bounded time; in a forked child there is no thread to wait for."""
    let_go = threading.Event()
    thread = BackgroundThread("stuck", lambda: let_go.wait(30))
    thread.start()
    thread.stop(0.01)
    assert "stuck" in {one.name for one in threading.enumerate()}
    child = os.fork()
    if not child:
        thread.stop(30)  # returns at once: the thread is the parent's
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    let_go.set()
    thread.stop()
    assert not caplog.records


def test_the_same_failure_is_logged_once_in_a_row(caplog: pytest.LogCaptureFixture) -> None:
    """R56: a database that is down for a night is one line and not a hundred thousand."""
    thread = BackgroundThread("sample", lambda: None)

    def fail(text: str) -> None:
        raise ValueError(text)

    outcomes = [thread.run_safely(lambda: fail("first")) for _ in range(3)]
    outcomes.append(thread.run_safely(lambda: fail("second")))
    outcomes.append(thread.run_safely(lambda: None))
    outcomes.append(thread.run_safely(lambda: fail("second")))
    assert outcomes == [False, False, False, False, True, False]
    assert len(caplog.records) == 3
