"""Runs a server as a child of ``tenantry serve``: starts it, stops it gracefully, ends with it."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

PR_SET_PDEATHSIG = 1
PATIENCE = 0.05
"""Seconds between two looks at a server that starts."""

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

RELOAD_SECONDS = 0.5
"""Between two looks at the file that asks for a reload."""

JOB_SECONDS = 30
"""For the last jobs, after the last request."""
JOB_PAUSE = 1.0
"""Before a job worker that has ended is started again."""

STOP_SECONDS = 60
"""For the last requests. uWSGI itself would wait for ever, also for a worker that was told to go
before it could hear it."""


class Server:
    """A server's main process.

    The first signal to stop lets its requests finish; the second one ends it at once. It has a
    session of its own: Ctrl-C in a terminal goes to every process in the foreground, and the
    workers must not get it beside what the master tells them.

    :param command: Starts it. Its workers end when their main process is killed.
    :param reload_file: When this file is touched, the main process gets SIGHUP, at which it lets its
        workers take new code one after the other. So does the job worker.
    :param job_worker: Starts a job worker, which is started again when it ends before the server.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        reload_file: Path | None = None,
        job_worker: Sequence[str] = (),
    ) -> None:
        self._command = command
        self._reload_file = reload_file
        self._job_command = job_worker
        self._job_worker: subprocess.Popen[bytes] | None = None
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._stops = 0

    @property
    def is_stopping(self) -> bool:
        """Whether a signal has requested the stop."""
        return self._stops > 0

    def start(self) -> None:
        """Start it; from now on signals to stop are meant for it."""
        for number in STOPS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                signal.signal(number, self._stop)
        signal.signal(signal.SIGALRM, self._stop)
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            self._command,
            env=self._environment,
            start_new_session=True,
            # Safe here: this program has one thread. Nobody but the kernel can still end the server
            # when this process is killed with SIGKILL, and this tie to it survives the exec.
            preexec_fn=_dying_with(os.getpid()),  # noqa: PLW1509
        )
        if self.is_stopping:
            self._kill()
        terminal = _own_terminal()
        if terminal is not None and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            threading.Thread(target=_watch, args=(terminal,), name="terminal", daemon=True).start()
        if self._reload_file is not None:
            watch = threading.Thread(
                target=self._watch_reloads, args=(self._reload_file,), name="reload", daemon=True
            )
            watch.start()
        if self._job_command:
            threading.Thread(target=self._keep_job_worker, name="job-worker", daemon=True).start()

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> bool:
        """Wait until the server is ready. Answer no if it was stopped meanwhile.

        :raises click.ClickException: It ended by itself or takes too long.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if self._started.poll() is not None:
                if self.is_stopping:
                    return False
                raise click.ClickException("The server did not start; see the reason above.")
            if time.monotonic() > deadline:
                self._kill()
                self._started.wait()
                raise click.ClickException(f"The server did not answer within {seconds:.0f} s.")
            time.sleep(PATIENCE)
        self._ready = True
        return not self.is_stopping

    def wait(self) -> int:
        """Wait for its end, and for the job worker's, and return its exit code."""
        code = self._started.wait()
        self._tell_job_worker(signal.SIGTERM)
        if self._job_worker is not None:
            try:
                self._job_worker.wait(JOB_SECONDS)
            except subprocess.TimeoutExpired:
                self._job_worker.kill()
        return code

    @property
    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("start() comes first")
        return self._process

    def _watch_reloads(self, file: Path) -> None:
        seen = _touched(file)
        while self._started.poll() is None:
            time.sleep(RELOAD_SECONDS)
            now = _touched(file)
            if now != seen and not self.is_stopping:
                self._started.send_signal(signal.SIGHUP)
                self._tell_job_worker(signal.SIGHUP)
            seen = now

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stops += 1
        if self._process is None:
            return
        # While it starts it serves nobody, and does not yet know SIGTERM as a way to end.
        if self._stops > 1 or not self._ready:
            self._kill()
        else:
            _say("Stopping after the last request; press Ctrl-C again to stop now.")
            self._process.send_signal(signal.SIGTERM)
            self._tell_job_worker(signal.SIGTERM)
            signal.alarm(STOP_SECONDS)

    def _kill(self) -> None:
        process = self._started
        if process.poll() is None:
            # The group is its own, see start_new_session: the workers go with the master.
            os.killpg(process.pid, signal.SIGKILL)
        self._tell_job_worker(signal.SIGKILL)

    def _keep_job_worker(self) -> None:
        while self._started.poll() is None and self._stops == 0:
            # It ends with this thread, which lives as long as this process; Ctrl-C is not for it.
            self._job_worker = subprocess.Popen(  # noqa: S603 - our own command line
                self._job_command, env=self._environment, start_new_session=True
            )
            if self._stops > 0:  # the signal came before there was anything to tell
                self._tell_job_worker(signal.SIGTERM)
            self._job_worker.wait()
            time.sleep(JOB_PAUSE)

    def _tell_job_worker(self, number: int) -> None:
        worker = self._job_worker
        if worker is not None and worker.poll() is None:
            worker.send_signal(number)


def _say(sentence: str) -> None:
    """Write from a signal handler, which may have interrupted a write to the same stream."""
    with suppress(OSError):  # the terminal may be what has gone
        os.write(2, f"\n{sentence}\n".encode())


def _touched(file: Path) -> int:
    """Return when a file was changed, in nanoseconds; 0 if it is not there."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def _own_terminal() -> int | None:
    """Return a descriptor of the terminal in whose foreground this process runs."""
    for descriptor in (0, 1, 2):
        with suppress(OSError):  # it is no terminal, or another session's
            if os.tcgetpgrp(descriptor) == os.getpgrp():
                return descriptor
    return None


def _watch(terminal: int) -> None:
    """Tell this process when its terminal is closed.

    The kernel tells only the leader of the session. If that is make, it waits for its child and says
    nothing.
    """
    poll = select.poll()
    poll.register(terminal, 0)  # a hang-up is always reported
    poll.poll()
    os.kill(os.getpid(), signal.SIGHUP)


def _dying_with(parent: int) -> Callable[[], None]:
    """Return what a child does before it becomes the server, so that it ends when *parent* does."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def tie() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a master that starts does not know others
        if os.getppid() != parent:
            os._exit(1)  # it has ended already

    return tie
