"""Engines that an app makes by itself from the URL of its tenant's SQLite file.

The app reads the URL in ``SQLALCHEMY_DATABASE_URI`` and passes it to ``create_engine``, now or in its
first request. Its connections are confined like those of the platform's own engines.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.pool import Pool

from tenantry.databases.sqlite_connections import check_file, check_own, prepare
from tenantry.databases.sqlite_file import FILE_NAME
from tenantry.databases.timing import TimedConnection


class _AppConnection(TimedConnection):
    """A connection that an app's own engine has opened to its tenant's file."""


@event.listens_for(SQLiteDialect_pysqlite, "do_connect")
def _choose_kind(_dialect: Any, _record: Any, arguments: Any, options: dict[str, Any]) -> None:
    path = Path(str(arguments[0])) if arguments else Path()
    # The platform's own engines name the file as a URI.
    if path.name == FILE_NAME and not options.get("uri"):
        check_own(path)
        options["factory"] = _AppConnection


@event.listens_for(Pool, "connect")
def _prepare(connection: Any, record: Any) -> None:
    if isinstance(connection, _AppConnection):
        prepare(connection, record)


@event.listens_for(Pool, "checkout")
def _check(connection: Any, record: Any, proxy: Any) -> None:
    if isinstance(connection, _AppConnection):
        check_file(connection, record, proxy)
