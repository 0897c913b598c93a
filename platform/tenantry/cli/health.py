"""Asks the server on this machine for ``/-/health``."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING

from tenantry.worker import ask_workers

if TYPE_CHECKING:
    from tenantry.settings import Settings

PATH = "/-/health"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - asked, not bound


def reachable_address(settings: Settings) -> str:
    """Return the address under which this machine reaches its own HTTP listener."""
    return _EVERYWHERE.get(settings.address, settings.address)


def answers(settings: Settings, *, timeout: float = 1.0) -> bool:
    """Say whether the server answers on its listener."""
    try:
        if settings.socket:
            return _accepts(settings.socket, timeout=timeout)
        return _is_healthy(settings, timeout=timeout)
    except (OSError, http.client.HTTPException):
        return False


def is_complete(settings: Settings, server: str) -> bool:
    """Say whether the server answers with all its workers.

    A worker that still loads does not hear that it should stop, so a server that is told to stop
    then waits for it for ever. Without uWSGI's statistics the first worker has to do. Workers of
    other servers are counted by what they tell about themselves.
    """
    if not answers(settings):
        return False
    if server != "uwsgi":
        return len(ask_workers(settings.workers_dir)) >= settings.processes
    try:
        statistics = _read_all(str(settings.run_dir / "stats.sock"))
    except OSError:
        return True
    return all(worker["accepting"] for worker in json.loads(statistics)["workers"])


def _read_all(path: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        connection.connect(path)
        with connection.makefile("rb") as file:
            return file.read()


def _is_healthy(settings: Settings, *, timeout: float) -> bool:
    address = reachable_address(settings)
    connection = http.client.HTTPConnection(address, settings.port, timeout=timeout)
    try:
        connection.request("GET", PATH, headers={"Host": settings.domain})
        return connection.getresponse().status == http.HTTPStatus.OK
    finally:
        connection.close()


def _accepts(path: str, *, timeout: float) -> bool:
    # It speaks the uwsgi protocol; an accepted connection has to do.
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(path)
    return True
