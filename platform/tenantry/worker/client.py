"""Asks all workers at once, with one timeout."""

from __future__ import annotations

import json
import selectors
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenantry.worker.folder import MAX_BYTES, opened

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ANSWER_SECONDS = 2.0
"""For all workers together. A worker answers within milliseconds if it gets the processor."""

PIECE = 64 * 1024
SILENT = "it does not answer in time"
GARBLED = "its report cannot be read"


@dataclass(frozen=True, slots=True)
class Survey:
    """What the workers said."""

    reports: list[dict[str, Any]] = field(default_factory=list)
    """One of each worker, in the workers' order."""

    troubles: dict[int, str] = field(default_factory=dict)
    """Process ids of workers that are there and said nothing of use, and what was wrong."""


def ask_workers(folder: Path, *, timeout: float = ANSWER_SECONDS) -> list[dict[str, Any]]:
    """Return the reports of the workers that answer within *timeout* seconds."""
    return survey(folder, timeout=timeout).reports


def survey(folder: Path, *, timeout: float = ANSWER_SECONDS) -> Survey:
    """Ask every worker, for *timeout* seconds at most in all. Never raises for a worker's sake."""
    try:
        return _sorted_out(_ask(folder, deadline=time.monotonic() + timeout))
    except (
        OSError
    ):  # no server has ever run here, or it is another user's, or no descriptor is left
        return Survey()


def _ask(folder: Path, *, deadline: float) -> dict[int, bytes | None]:
    """Return what each worker there has sent; ``None`` is one that is silent."""
    answers: dict[int, bytes | None] = {}
    peers: dict[int, socket.socket] = {}
    with ExitStack() as stack:
        inside = stack.enter_context(opened(folder))
        for pid, name in inside.sockets().items():
            try:
                peer = inside.connect(name)
            except BlockingIOError:
                answers[pid] = None
                continue
            if peer is not None:
                peers[pid] = stack.enter_context(peer)
        answers.update(_gather(peers, deadline=deadline))
    return answers


def _gather(
    peers: Mapping[int, socket.socket], *, deadline: float
) -> Iterator[tuple[int, bytes | None]]:
    """Yield what each peer sends until it closes; nothing of use is ``None``."""
    received = {pid: bytearray() for pid in peers}
    with selectors.DefaultSelector() as selector:
        for pid, peer in peers.items():
            selector.register(peer, selectors.EVENT_READ, pid)
        while selector.get_map():
            left = deadline - time.monotonic()
            for key, _ in selector.select(left) if left > 0 else ():
                pid = key.data
                piece = _receive(peers[pid])
                received[pid] += piece
                if not piece or len(received[pid]) > MAX_BYTES:
                    selector.unregister(key.fileobj)
                    yield pid, bytes(received[pid])
            if left <= 0:
                yield from ((key.data, None) for key in selector.get_map().values())
                return


def _receive(peer: socket.socket) -> bytes:
    try:
        return peer.recv(PIECE)
    except OSError:  # killed at this very moment
        return b""


def _sorted_out(answers: Mapping[int, bytes | None]) -> Survey:
    found = Survey()
    for pid, answer in answers.items():
        if answer == b"":  # it was about to end
            continue
        report = _parsed(answer) if answer else None
        if answer is None:
            found.troubles[pid] = SILENT
        elif report is None:
            found.troubles[pid] = GARBLED
        elif "problem" in report:
            found.troubles[pid] = str(report["problem"])
        else:
            found.reports.append(report)
    found.reports.sort(key=lambda report: (report.get("worker") or 0, report.get("pid") or 0))
    return found


def _parsed(answer: bytes) -> dict[str, Any] | None:
    try:
        report = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return report if isinstance(report, dict) else None
