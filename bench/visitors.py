"""Visitors of a server under measure: in processes of their own, with bare sockets.

A visitor comes when it was meant to, however long the others wait: a time is counted from the moment
that was meant, so that a server which stalls cannot keep its own bad times from being seen.
"""

from __future__ import annotations

import gc
import math
import multiprocessing
import random
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.servers import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

    Visit = Callable[[float], "Heard"]
    """Begins at this moment of the monotonic clock, which all processes share."""

PATIENCE = 30.0
"""Seconds without a byte after which a visitor leaves."""
HEAD_START = 0.3
"""Seconds that processes get to be there when the visit begins."""
NOTHING = 0
"""The status of a request that got no answer."""


@dataclass(slots=True)
class Heard:
    """What visitors were answered, and after how long."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    lasted: float = 0.0

    @property
    def failed(self) -> int:
        """How many requests were not answered with 200."""
        return self.statuses.total() - self.statuses[200]

    def percentile(self, percent: float) -> float:
        """Return the milliseconds within which so many of the answers came."""
        ordered = sorted(self.seconds)
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] * 1000


def send_out(*visits: Visit) -> list[Heard]:
    """Let all visit at the same time, each in a forked process; return what each one heard."""
    context = multiprocessing.get_context("fork")
    start = time.monotonic() + HEAD_START
    children, receivers = [], []
    try:
        for visit in visits:
            receiver, sender = context.Pipe(duplex=False)
            child = context.Process(target=_report, args=(visit, start, sender), daemon=True)
            child.start()
            sender.close()
            children.append(child)
            receivers.append(receiver)
        heard = [receiver.recv() for receiver in receivers]
    finally:
        for child in children:
            child.join(HEAD_START)
            child.kill()
            child.join()
    return heard


def _report(visit: Visit, start: float, sender: Connection[Any, Any]) -> None:
    gc.disable()  # its pauses would look like the server's
    sender.send(visit(start))


def arrivals(
    port: int, hosts: Sequence[str], *, rate: float, path: str = "/", threads: int = 16
) -> Visit:
    """Return the visit of one request to each host, *rate* a second, whatever happens.

    :param threads: Requests on their way at once, at most; more than the server answers at once.
    """
    return partial(_arrive, port=port, hosts=hosts, rate=rate, path=path, threads=threads)


def _arrive(
    start: float, *, port: int, hosts: Sequence[str], rate: float, path: str, threads: int
) -> Heard:
    # Somewhere in its own part of the time: two kinds of visitors must not keep step.
    dice = random.Random(f"{hosts[0]} {start}")  # noqa: S311 - no secret
    moments = [start + (number + dice.random()) / rate for number in range(len(hosts))]

    def run(heard: Heard, number: int) -> None:
        for host, moment in zip(hosts[number::threads], moments[number::threads], strict=True):
            request = _request(host, path)
            if (early := moment - time.monotonic()) > 0:
                time.sleep(early)
            status = ask(port, request)
            heard.seconds.append(time.monotonic() - moment)
            heard.statuses[status] += 1

    return _in_threads(run, threads, start)


def one_after_another(
    port: int, hosts: Sequence[str], *, seconds: float, together: int = 2
) -> Visit:
    """Return the visit of *together* visitors to one host after the other, as each one answers."""
    return partial(_in_turn, port=port, hosts=hosts, seconds=seconds, together=together)


def _in_turn(
    start: float, *, port: int, hosts: Sequence[str], seconds: float, together: int
) -> Heard:
    over = threading.Event()

    def look() -> None:
        if time.monotonic() >= start + seconds:
            over.set()

    gate = threading.Barrier(together, action=look)  # so that all agree when it is over

    def run(heard: Heard, _number: int) -> None:
        time.sleep(max(0.0, start - time.monotonic()))
        for host in hosts:
            gate.wait()
            if over.is_set():
                return
            began = time.monotonic()
            status = ask(port, _request(host, "/"))
            heard.seconds.append(time.monotonic() - began)
            heard.statuses[status] += 1

    return _in_threads(run, together, start)


def hammering(
    port: int, host: str, *, path: str, clients: int, seconds: float, pause: float
) -> Visit:
    """Return the visit of clients that ask again at once, or after a pause if they were refused."""
    return partial(
        _hammer, port=port, host=host, path=path, clients=clients, seconds=seconds, pause=pause
    )


def _hammer(
    start: float, *, port: int, host: str, path: str, clients: int, seconds: float, pause: float
) -> Heard:
    request = _request(host, path)

    def run(heard: Heard, _number: int) -> None:
        time.sleep(max(0.0, start - time.monotonic()))
        while (began := time.monotonic()) < start + seconds:
            status = ask(port, request)
            heard.seconds.append(time.monotonic() - began)
            heard.statuses[status] += 1
            if status != 200:
                time.sleep(pause)

    return _in_threads(run, clients, start)


def ask(port: int, request: bytes) -> int:
    """Send a request, read the answer to its end, and return its status."""
    try:
        with socket.socket() as peer:
            peer.settimeout(PATIENCE)
            peer.connect((LOOPBACK, port))
            peer.sendall(request)
            first = peer.recv(65536)
            while peer.recv(65536):
                pass
        return int(first[9:12])
    except (OSError, ValueError):
        return NOTHING


def _request(host: str, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n".encode()


def _in_threads(run: Callable[[Heard, int], None], count: int, start: float) -> Heard:
    """Run it in so many threads and put together what they heard."""
    parts = [Heard() for _ in range(count)]
    threads = [
        threading.Thread(target=run, args=(part, number)) for number, part in enumerate(parts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Heard(lasted=time.monotonic() - start)
    for part in parts:
        whole.seconds += part.seconds
        whole.statuses += part.statuses
    return whole
