"""The catalog's engine on SQLite or PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from sqlalchemy import event, make_url

from tenantry.databases.platform_classes import create_platform_engine
from tenantry.errors import CatalogFullError, CatalogUnavailableError
from tenantry.files.disk import is_full

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

    from tenantry.databases.server_connection import WatchedConnection

WRITE = {"tenantry_write": True}
"""Execution options of a transaction that will write."""


def open_engine(address: str) -> Engine:
    """Return an engine for the catalog; it connects at first use.

    A forked child gets fresh connections: two processes must never share a socket or a SQLite handle.
    """
    url = make_url(address)
    engine = _sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url)
    _opened.add(engine)
    return engine


# A hook of a fork stays for ever: one for each engine would keep all of them and their statements.
_opened: WeakSet[Engine] = WeakSet()


def _forget_connections() -> None:
    for engine in list(_opened):
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_forget_connections)


def unavailable(error: Exception) -> CatalogUnavailableError:
    """Return what a failure of the catalog's database means to those who asked for something."""
    cause = getattr(error, "orig", None) or error
    kind = CatalogFullError if is_full(cause) else CatalogUnavailableError
    return kind((str(cause).strip() or type(cause).__name__).splitlines()[0])


def shown(address: str) -> str:
    """Return the URL without its password."""
    return make_url(address).render_as_string(hide_password=True)


def _postgresql(url: URL) -> Engine:
    # The driver takes longer to import than most commands take: a catalog on SQLite needs none.
    from tenantry.databases.server_connection import WatchedConnection, address_of  # noqa: PLC0415

    engine = create_platform_engine(
        url,
        pool_size=2,
        max_overflow=6,
        pool_timeout=5,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 3, "options": "-c statement_timeout=10000"},
    )

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> WatchedConnection:
        made = WatchedConnection.connect(*arguments, **options)
        made.watch(address_of(*arguments, **options))
        return made

    return engine


def _sqlite(url: URL) -> Engine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # As many as a worker has threads, as shipped: one beyond that is opened for each query anew.
    engine = create_platform_engine(url, pool_size=4, max_overflow=4, connect_args={"timeout": 5})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver's own transaction control begins too late and never IMMEDIATE.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        # Each connection keeps its own copies of pages. A flood of random names asks for all of
        # them, and the system's cache has them once for all workers.
        cursor.execute("PRAGMA cache_size = -512")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A reader that turns into a writer can fail half-way with "database is locked".
        options = connection.get_execution_options()
        connection.exec_driver_sql("BEGIN IMMEDIATE" if "tenantry_write" in options else "BEGIN")

    return engine
