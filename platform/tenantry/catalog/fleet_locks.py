"""Locks of a fleet: PostgreSQL's session advisory locks, each on a direct connection of its own.

The server lets go of a lock when its holder's connection ends, so what a killed process held is free
at once. A holder that is only cut off may not know that. So each lock has a token in the catalog, which
the next holder removes. A holder that has lost its token can commit nothing more (lock_tokens.py).
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import make_url

from tenantry.catalog.engine import unavailable
from tenantry.catalog.joining import find_node_id
from tenantry.catalog.lock_tokens import holding_token
from tenantry.catalog.values import shown_node
from tenantry.files.locks import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from tenantry.settings import Settings

_PAUSE = 0.05
# A machine that is gone sends no farewell: the server finds out within nine seconds.
_OPTIONS = (
    "-c tcp_keepalives_idle=3 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 "
    "-c statement_timeout=10000"
)
_TRY = "SELECT pg_try_advisory_lock{shared}(hashtextextended(%s, 0))"
_HOLDER = (
    "SELECT node, doing, pid, to_char(since AT TIME ZONE 'UTC', 'HH24:MI:SS') "
    "FROM operation_locks WHERE name = %s ORDER BY since DESC LIMIT 1"
)
_ADD = (
    "INSERT INTO operation_locks (name, token, node, doing, pid, since) "
    "VALUES (%s, %s, %s, %s, %s, clock_timestamp())"
)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a lock."""

    node: str = "another node"
    doing: str = "worked on"
    process: int = 0
    since: str = ""


class LockHeldError(Exception):
    """Somebody else has the lock; it is told to people as what the lock protects."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(holder)
        self.holder = holder


@contextmanager
def fleet_lock(
    name: str,
    doing: str,
    *,
    settings: Settings,
    shared: bool = False,
    wait: float = WAIT_SECONDS,
) -> Iterator[psycopg.Connection[Any]]:
    """Hold a lock that all nodes know by its name; yield the connection that holds it.

    :param doing: What the holder does, for those who are kept away.
    :param shared: Let those in who want it shared as well.
    :param wait: Seconds to wait for it.
    :raises LockHeldError: Another process has it, still.
    :raises CatalogUnavailableError: The catalog does not answer.
    """
    token = secrets.token_hex(16)
    with closing(_connect(settings)) as connection:
        with _translated():
            _acquire(connection, name, shared=shared, wait=wait)
            node = shown_node(find_node_id(settings), socket.gethostname()[:200])
            with connection.transaction():
                if not shared:
                    # Of those who were killed, or cut off: they cannot commit any more.
                    connection.execute("DELETE FROM operation_locks WHERE name = %s", (name,))
                connection.execute(_ADD, (name, token, node, doing[:40], os.getpid()))
        try:
            with holding_token(name, token):
                yield connection
        finally:
            _forget(connection, name, token)


@contextmanager
def advisory_lock(name: str, *, settings: Settings, wait: float) -> Iterator[None]:
    """Hold a lock for which the catalog need not have any table yet.

    :raises LockHeldError: Another process has it, still.
    """
    with closing(_connect(settings)) as connection:
        with _translated():
            _acquire(connection, name, shared=False, wait=wait, is_bare=True)
        yield


def _acquire(
    connection: psycopg.Connection[Any],
    name: str,
    *,
    shared: bool,
    wait: float,
    is_bare: bool = False,
) -> None:
    deadline = time.monotonic() + wait
    attempt = _TRY.format(shared="_shared" if shared else "")
    while True:
        row = connection.execute(attempt.encode(), (name,)).fetchone()
        if row and row[0]:
            return
        if time.monotonic() >= deadline:
            found = None if is_bare else connection.execute(_HOLDER, (name,)).fetchone()
            raise LockHeldError(Holder(*found) if found else Holder())
        time.sleep(_PAUSE)


def _connect(settings: Settings) -> psycopg.Connection[Any]:
    """Open a connection that does nothing but hold a lock."""
    import psycopg  # noqa: PLC0415 - a catalog on SQLite needs no driver

    url = make_url(settings.catalog_url).set(drivername="postgresql")
    with _translated():
        return psycopg.connect(
            url.render_as_string(hide_password=False),
            autocommit=True,
            connect_timeout=3,
            options=_OPTIONS,
            application_name="tenantry lock",
        )


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the server's failures into the catalog's; not those of what is done under the lock."""
    import psycopg  # noqa: PLC0415 - see above

    try:
        yield
    except psycopg.Error as error:
        raise unavailable(error) from error


def _forget(connection: psycopg.Connection[Any], name: str, token: str) -> None:
    import psycopg  # noqa: PLC0415 - see above

    # A connection that is lost has lost the lock, too: the next holder removes the row.
    with suppress(psycopg.Error):
        forget = "DELETE FROM operation_locks WHERE name = %s AND token = %s"
        connection.execute(forget, (name, token))
