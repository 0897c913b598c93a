"""Reporters that end with their test, and a folder for their sockets."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.worker import Reporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Report = Callable[[], dict[str, Any]]
    StartReporter = Callable[[Report], Reporter]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where the sockets will be; nobody has made it yet."""
    return tmp_path / "data" / "run" / "workers"


@pytest.fixture
def start(folder: Path) -> Iterator[StartReporter]:
    """Return a function that starts this process's reporter; its thread ends with the test."""
    reporters: list[Reporter] = []

    def start_one(report: Report) -> Reporter:
        reporter = Reporter(folder, report)
        reporters.append(reporter)
        reporter.start()
        return reporter

    yield start_one
    for reporter in reporters:
        reporter.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "reporter"]
