"""Migrates one tenant's database to the newest schema revision in one transaction."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from sqlalchemy.exc import DBAPIError

from tenantry.databases.sqlite_file import SiteDatabase
from tenantry.errors import SiteMovingError, UpgradeError
from tenantry.files.disk import exists
from tenantry.migrations.history import find_revision

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from tenantry.databases.placements import TenantDatabase
    from tenantry.migrations.history import History

LOCK_SECONDS = 10.0
"""How long to wait for others who use the database."""
_HAS_VERSION = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What became of a database."""

    before: str
    after: str


def read_revision(database: TenantDatabase) -> str:
    """Return the revision that the database says it has; empty if it says none."""
    if isinstance(database, SiteDatabase):
        return _read_file(database.path)  # an engine would cost more than everything else
    engine = database.open_engine()
    try:
        with engine.connect() as connection:
            return find_revision(connection)
    finally:
        engine.dispose()


def _read_file(path: Path) -> str:
    # To begin a log and end it costs more than to read. Where there is none, nobody is at work on the
    # file, and it can be read as it is.
    if not any(exists(path.with_name(path.name + suffix)) for suffix in ("-wal", "-journal")):
        with suppress(sqlite3.Error):
            return _ask_revision(f"file:{quote(str(path))}?mode=ro&immutable=1")
    return _ask_revision(f"file:{quote(str(path))}?mode=rw")


def _ask_revision(uri: str) -> str:
    with closing(sqlite3.connect(uri, uri=True, timeout=LOCK_SECONDS)) as connection:
        if not connection.execute(_HAS_VERSION).fetchone():
            return ""
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(found[0]) if found else ""


def upgrade(
    database: TenantDatabase,
    history: History,
    *,
    to: str | None = None,
    lock_timeout: float = LOCK_SECONDS,
) -> Upgrade:
    """Run the revisions that the database lacks, all in one transaction.

    :param to: End at an earlier revision than the newest.
    :param lock_timeout: Seconds to wait for others who use the database.
    :raises UnknownSchemaError: The database is at a revision of another release.
    :raises UpgradeError: A revision failed, or the database did; it is as it was.
    """
    engine = database.open_engine()
    try:
        with engine.connect() as connection:
            begin = _sqlite if database.kind == "sqlite" else begin_postgresql
            with begin(connection, lock_timeout):
                before = find_revision(connection)
                if history.path_from(before):
                    history.run(connection, to=to)
                return Upgrade(before, to or history.head)
    except DBAPIError as error:
        problem = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        raise UpgradeError(problem[0]) from error
    except SiteMovingError as error:
        raise UpgradeError(
            "an interrupted move has closed it to writers; run `tenantry tenant move` again"
        ) from error
    finally:
        engine.dispose()


@contextmanager
def _sqlite(connection: Connection, lock_timeout: float) -> Iterator[None]:
    """Hold the file's write lock: the driver alone would begin too late for DDL to be taken back."""
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(lock_timeout * 1000)}")
    # SQLite alters most things by copying a table and dropping the old one, which would delete what
    # refers to it. It is checked afterwards instead, as SQLite's own manual says.
    connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield
        _check_references(connection)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _check_references(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        table, _, other, _ = broken
        raise UpgradeError(f"a row of {table!r} refers to one of {other!r} that does not exist")


@contextmanager
def begin_postgresql(connection: Connection, lock_timeout: float = LOCK_SECONDS) -> Iterator[None]:
    """Begin, and let nobody else migrate the same schema at the same time."""
    with connection.begin():
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(lock_timeout * 1000)}")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        _lock_versions(connection)
        yield


def _lock_versions(connection: Connection) -> None:
    """Let nobody else migrate the schema meanwhile, by a lock that only its own role can take.

    Before the first revision there is nothing to lock: of two that make the table one is refused.
    """
    if find_revision(connection):
        connection.exec_driver_sql("LOCK TABLE alembic_version IN SHARE ROW EXCLUSIVE MODE")
