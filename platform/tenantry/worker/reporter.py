"""The thread that serves a worker's report on its socket."""

from __future__ import annotations

import json
import logging
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenantry.files.atomic import rename
from tenantry.resources.background_thread import BackgroundThread
from tenantry.worker.folder import MAX_BYTES, SUFFIX, Folder, opened

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

SEND_SECONDS = 1.0
"""For one reader to take the whole report; the next one waits meanwhile."""

STOP_SECONDS = 2.0
"""For a report in progress when the worker ends. The thread is no reason to stay."""

BACKLOG = 64


class Reporter:
    """Answers each connection with the report as one JSON document, and closes it.

    It has a thread of its own: the scheduler may wait for a database that does not answer, which
    is when people ask. Questions are answered one after the other, so that many of them cost no more
    threads.

    :param folder: Where the socket is made, ``<pid>.sock``; the folder is made too, and closed to
        other users.
    :param report: Tells how this process is doing, in JSON's values. If it raises, the asking side
        hears so.
    """

    def __init__(self, folder: Path, report: Callable[[], dict[str, Any]]) -> None:
        self._folder = folder
        self._report = report
        self._listener: socket.socket | None = None
        self._thread = BackgroundThread("reporter", self._run)
        self._pid = 0

    def start(self) -> None:
        """Start the thread. Call it in the process that serves, after any fork.

        A worker that cannot be asked still serves, so a failure is only logged.
        """
        self._pid = os.getpid()
        try:
            self._listener = self._listen()
        except OSError as error:
            log.warning("this worker cannot report: %s", error)
            return
        self._thread.start()

    def stop(self) -> None:
        """Remove the socket and end the thread."""
        listener = self._listener
        if listener is None or self._pid != os.getpid():
            return  # a child that a site has forked has neither
        with suppress(OSError), opened(self._folder) as folder:
            folder.remove(_name())
        self._thread.stopping.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread; close() alone would not
        self._thread.stop(STOP_SECONDS)
        listener.close()

    def _listen(self) -> socket.socket:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder.chmod(0o700)
        with opened(self._folder) as folder:
            folder.remove_dead()
            return _listen_in(folder, _name())

    def _run(self) -> None:
        listener = self._listener
        assert listener is not None  # start() has made it
        while not self._thread.stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                # Too many descriptors, perhaps only for a moment; or stop() has closed the door.
                self._thread.stopping.wait(SEND_SECONDS)
                continue
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        if _has_left(connection):
            return
        document = self._document()
        connection.settimeout(SEND_SECONDS)  # for all of it, not for each piece
        with suppress(OSError):
            # Without the flag uWSGI would log the signal of a reader that left.
            connection.sendall(document, socket.MSG_NOSIGNAL)

    def _document(self) -> bytes:
        try:
            document = json.dumps(self._report(), default=str).encode()
        except Exception:
            log.exception("the report of this worker failed")
            return _trouble("its report failed; the log has the reason")
        if len(document) > MAX_BYTES:
            log.error("the report of this worker has %d bytes and is not sent", len(document))
            return _trouble("its report is too long to be sent")
        return document


def _name() -> str:
    return f"{os.getpid()}{SUFFIX}"


def _listen_in(folder: Folder, name: str) -> socket.socket:
    """Return a socket that listens. It gets its name last: a name without a listener looks dead."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    draft = f"{name}.new"
    try:
        folder.remove(draft)
        listener.bind(folder.address(draft))
        os.chmod(folder.address(draft), 0o600)  # noqa: PTH101 - not a path of ours
        listener.listen(BACKLOG)
        rename(Path(folder.address(draft)), Path(folder.address(name)), lasting=False)
    except OSError:
        listener.close()
        raise
    return listener


def _has_left(connection: socket.socket) -> bool:
    """Say whether the asking side has hung up, having waited in vain or only looked who is there."""
    try:
        return connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _trouble(problem: str) -> bytes:
    return json.dumps({"pid": os.getpid(), "problem": problem}).encode()
