"""The server that runs this process: uWSGI, gunicorn or Granian, behind one interface.

WSGI has no words for workers, forks, listening sockets and connections, and each server has its own.
What the platform needs of them is here; nothing else imports a server.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from itertools import count
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING

from tenantry.files.locks import lock_descriptor

try:
    import uwsgi
except ImportError:  # another server, or none
    uwsgi = None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LISTEN = 128
"""Connections that wait to be accepted, at most; uwsgi.ini asks for as many."""

CHUNK_SECONDS = 10
"""For the next piece of a chunked body, under uWSGI."""

PR_SET_PDEATHSIG = 1
_AFTER_FORK: list[Callable[[], None]] = []
_MODULES = {"gunicorn": "gunicorn.arbiter", "granian": "granian.server"}
"""What only the processes of a server have loaded."""


def find_server() -> str | None:
    """Return ``uwsgi``, ``gunicorn`` or ``granian``; nothing on the command line."""
    if uwsgi is not None:
        return "uwsgi"
    return next((name for name, module in _MODULES.items() if module in sys.modules), None)


def claim_number(folder: Path) -> int:
    """Return this worker's number, counted from 1: no other worker has it while this process lives.

    uWSGI numbers its workers. Elsewhere the lowest number is taken that no living worker has.

    :param folder: Where the workers of other servers mark what they have taken; made if missing.
    """
    if uwsgi is not None:
        number: int = uwsgi.worker_id()
        return number
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for number in count(1):
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(folder / str(number), flags, 0o600)
        try:
            lock_descriptor(descriptor, wait=0)
        except BlockingIOError:
            os.close(descriptor)
        else:
            break  # the kernel lets go of it, however this process ends
    return number


def run_in_worker(start: Callable[[], None]) -> None:
    """Call *start* in the process that serves: now, or in each child of a master that has loaded this.

    The other servers load the application in their workers; see :mod:`tenantry.gunicorn_conf`.
    """
    if uwsgi is not None and not uwsgi.worker_id():
        _AFTER_FORK.append(start)
        uwsgi.post_fork_hook = _after_fork
        return
    if find_server() == "granian":
        # Its workers would outlive a main process that is killed, and keep the port.
        end_with_parent(signal.SIGTERM, os.getppid())
    start()


def run_at_end(end: Callable[[], object]) -> None:
    """Call *end* when the worker ends; the last one registered comes first."""
    if find_server() == "granian":
        # Children of multiprocessing leave without what was registered with atexit.
        Finalize(None, end, exitpriority=1)
    else:
        atexit.register(end)


def find_listeners() -> list[int]:
    """Return the descriptors on which this process accepts visitors' connections."""
    if uwsgi is not None:
        return list(uwsgi.sockets)
    if find_server() is None:
        return []
    return [int(name) for name in os.listdir("/proc/self/fd") if _accepts_visitors(int(name))]  # noqa: PTH208


def find_connection(environ: WSGIEnvironment) -> int | None:
    """Return the descriptor of the connection that a request came on, if the server tells."""
    if uwsgi is not None:
        descriptor: int = uwsgi.connection_fd()
        return descriptor
    connection = environ.get("gunicorn.socket")
    return connection.fileno() if connection is not None else None


def find_local_address(environ: WSGIEnvironment) -> tuple[str, int] | None:
    """Return the address and port at which a request's connection came in, as the kernel has them.

    ``None`` for a Unix socket, and where the server does not tell the connection (Granian).
    """
    descriptor = find_connection(environ)
    if descriptor is None:
        return None
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as copy:
        if copy.family in {socket.AF_INET, socket.AF_INET6}:
            address, port = copy.getsockname()[:2]
            return address, port
    return None


def find_chunk_reader(environ: WSGIEnvironment, size: int) -> Callable[[], bytes] | None:
    """Return what reads the next piece of a chunked body, empty at its end; ``None`` if nothing can.

    What it returns raises :class:`OSError` if the body is malformed or stops before its end.

    :param size: Bytes of a piece, where the server decodes the chunks by itself.
    """
    if uwsgi is not None:
        return partial(uwsgi.chunked_read, CHUNK_SECONDS)
    if environ.get("wsgi.input_terminated") and find_server() != "granian":
        # Other servers decode by themselves, and mark the end. Granian marks it also where a body was
        # cut off in the middle: half of it would be taken for all.
        return partial(_read, environ["wsgi.input"].read, size)
    return None


def adapt(app: WSGIApplication) -> WSGIApplication:
    """Return *app* as this server needs it.

    A response may be begun again before it is sent (PEP 3333): then gunicorn sends the headers of both,
    and Granian looks for a status before it asks an app that is a generator for its first part. So
    both are told the last status and headers only, before they get the body.
    """
    if find_server() not in _MODULES:
        return app

    def adapted(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        head = _Head(start_response)
        body = app(environ, head.start)
        if not head.status:
            body = _Primed(body)
        head.send()
        return body

    return adapted


class _Head:
    """A response's status and headers until they are told to the server."""

    __slots__ = ("_headers", "_sent", "_start_response", "_write", "status")

    def __init__(self, start_response: StartResponse) -> None:
        self._start_response = start_response
        self._headers: list[tuple[str, str]] = []
        self._write: Callable[[bytes], object] | None = None
        self._sent = False
        self.status = ""

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        if self._sent and exc_info is not None and exc_info[1] is not None:
            raise exc_info[1].with_traceback(exc_info[2])
        self.status, self._headers = status, headers
        return self._write_at_once

    def send(self) -> None:
        if not self._sent:
            self._sent = True
            self._write = self._start_response(self.status, self._headers)

    def _write_at_once(self, data: bytes) -> object:
        self.send()
        if self._write is None:
            raise RuntimeError("this server has no write(); return the response's parts instead")
        return self._write(data)


class _Primed:
    """A body whose first part has been asked for."""

    __slots__ = ("_body", "_first", "_rest")

    def __init__(self, body: Iterable[bytes]) -> None:
        self._body = body
        self._rest = iter(body)
        try:
            self._first = next(self._rest, b"")
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        yield self._first
        yield from self._rest

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            close()


def end_with_parent(number: int, parent: int) -> None:
    """Have the kernel send this process a signal when its parent ends, also by SIGKILL."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)  # it has ended already


def _after_fork() -> None:
    for start in _AFTER_FORK:
        start()


def _read(read: Callable[[int], bytes], size: int) -> bytes:
    try:
        return read(size)
    except OSError:
        raise
    except Exception as error:  # each server has errors of its own
        raise OSError(f"the body cannot be read: {error}") from error


def _accepts_visitors(descriptor: int) -> bool:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as copy:
        if copy.family in {socket.AF_INET, socket.AF_INET6}:
            return bool(copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    return False
