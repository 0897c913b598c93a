"""Renders pending migrations as SQL, without touching a tenant's database."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.pool import StaticPool

if TYPE_CHECKING:
    from tenantry.migrations.history import History
    from tenantry.values.placement import Kind

QUESTIONS = ("SELECT", "PRAGMA")
"""What statements begin with that change nothing."""


def render(history: History, revision: str, kind: Kind) -> str:
    """Return the SQL that leads a database from *revision* to the newest one.

    On SQLite the revisions run on an empty database in memory, since most of them look at the tables
    that they copy; on PostgreSQL they are only written down.

    :raises UnknownSchemaError: There is no such revision.
    """
    history.path_from(revision)
    if kind == "sqlite":
        return _on_sqlite(history, revision)
    buffer = io.StringIO()
    history.render("postgresql", revision, buffer)
    return buffer.getvalue().strip()


def _on_sqlite(history: History, revision: str) -> str:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    statements: list[str] = []
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            if revision:
                history.run(connection, to=revision)

            def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
                text = statement.strip()
                if not text.upper().startswith(QUESTIONS):
                    statements.append(f"{text};" + (f"  -- with {values}" if values else ""))

            event.listen(engine, "before_cursor_execute", note)
            history.run(connection)
            connection.rollback()
    finally:
        engine.dispose()
    return "\n\n".join(statements)
