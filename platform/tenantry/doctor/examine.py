"""Starts the examination of a factory in a separate process and a temporary folder."""

from __future__ import annotations

import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from tenantry.doctor.findings import Finding, unsafe
from tenantry.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SECONDS = 120.0
GRACE = 5.0
"""Seconds after which a process that does not end itself is ended."""

LAST_LINES = 1


@dataclass(slots=True)
class _Progress:
    findings: list[Finding] = field(default_factory=list)
    stage: str = "starting"
    ended: bool = False
    rest: bytes = b""

    def take(self, data: bytes, tell: Callable[[str], None]) -> None:
        """Take what the process wrote; a line may come in parts."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            values = json.loads(line)
            if "finding" in values:
                self.findings.append(Finding.from_json(values["finding"]))
            elif "stage" in values:
                self.stage = values["stage"]
                tell(self.stage)
            else:
                self.ended = True


def examine(
    factory: str,
    environment: Mapping[str, str],
    *,
    seconds: float = SECONDS,
    login: str = "",
    tell: Callable[[str], None] = lambda _stage: None,
    log: Callable[[str], None] = lambda _text: None,
) -> list[Finding]:
    """Examine a factory with two throw-away tenants, and return what was found.

    Catalog, keys and data folder are made for it and removed at the end.

    :param factory: ``module:callable``.
    :param environment: What the process sees beside them.
    :param seconds: How long it may take.
    :param login: How a visitor signs in: ``/login name=ada password=secret``.
    :param tell: Is told what is being done.
    :param log: Takes what the examined code printed.
    """
    with tempfile.TemporaryDirectory(prefix="tenantry-doctor-") as folder:
        own = {
            "FACTORY": factory,
            "DATA_DIR": f"{folder}/data",
            "CATALOG_URL": f"sqlite:///{folder}/data/catalog.sqlite3",
            "DATABASES": '{"local": "sqlite"}',
            "SECRET_KEYS": secrets.token_hex(32),
            "ACCESS_LOG": "off",
        }
        variables = {f"{PREFIX}{name}": value for name, value in own.items()}
        with tempfile.TemporaryFile(dir=folder) as printed:
            arguments = [str(seconds), login]
            environment = {**environment, **variables}
            progress, code = _run(arguments, environment, printed, seconds, tell)
            printed.seek(0)
            text = printed.read().decode("utf-8", "replace")
        log(text)
        if not progress.ended:
            progress.findings.append(_cut_short(factory, progress, code, seconds, text))
    return progress.findings


def _run(
    arguments: list[str],
    environment: Mapping[str, str],
    printed: IO[bytes],
    seconds: float,
    tell: Callable[[str], None],
) -> tuple[_Progress, int]:
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "tenantry.doctor", str(writing), *arguments],
            env=dict(environment),
            pass_fds=[writing],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
    finally:
        os.close(writing)
    try:
        progress = _follow(reading, time.monotonic() + seconds + GRACE, tell)
    finally:
        os.close(reading)
        # The group is its own: what the examined code started goes as well.
        with suppress(ProcessLookupError):
            if process.poll() is None and not _is_terminated(process):
                os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return progress, code


def _is_terminated(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(1.0)
    except subprocess.TimeoutExpired:
        return False
    return True


def _follow(descriptor: int, deadline: float, tell: Callable[[str], None]) -> _Progress:
    progress = _Progress()
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while not progress.ended and (left := deadline - time.monotonic()) > 0:
            if selector.select(left):
                data = os.read(descriptor, 65536)
                if not data:
                    break
                progress.take(data, tell)
    return progress


def _cut_short(factory: str, progress: _Progress, code: int, seconds: float, text: str) -> Finding:
    if "Timeout (" in text or code == -signal.SIGKILL:
        return unsafe(
            "factory",
            factory,
            f"The examination did not end within {seconds:.0f} s; it was {progress.stage}.",
            "See where it hangs with `tenantry --verbose doctor`, or raise --seconds.",
        )
    last = [line for line in text.splitlines() if line.strip()][-LAST_LINES:]
    return unsafe(
        "factory",
        factory,
        f"It ended the process that examined it (exit code {code}) while {progress.stage}"
        f"{': ' + last[0].strip() if last else '.'}",
        "A request that does so ends a worker with all that it serves.",
    )
