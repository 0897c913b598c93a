"""Change capture on a SQLite file.

Writers come one after the other, so a note's number tells what came later.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from tenantry.errors import SiteMovingError
from tenantry.relocation.capture import FENCE, upsert
from tenantry.rows.codec import dump_row
from tenantry.rows.sqlite_dialect import SqliteDialect
from tenantry.rows.tables import BATCH, OURS, insert, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Engine

    from tenantry.rows.tables import RowDialect, Table

LOCK_SECONDS = 30
"""How long to wait for writers who come one after the other; they are not kept waiting by that."""


class SqliteCapture:
    """A file: a write transaction is the only one."""

    def __init__(self) -> None:
        self.side: RowDialect = SqliteDialect()
        # So that no move takes another one's notes for its own.
        self._name = f"{OURS}{secrets.token_hex(4)}"

    def _log(self, number: int) -> str:
        """Return the name of the table that notes the changes of the table with this number."""
        return f"{self._name}_{number}"

    @contextmanager
    def locking(self, engine: Engine, tables: Sequence[Table]) -> Iterator[Connection]:  # noqa: ARG002
        with engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {LOCK_SECONDS * 1000}")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def watch(self, connection: Connection, tables: Sequence[Table]) -> None:
        for number, table in enumerate(tables):
            keys = [f"k{place}" for place in range(len(table.key))]
            columns = ", ".join(["n INTEGER PRIMARY KEY", *keys])
            connection.exec_driver_sql(f"CREATE TABLE {self._log(number)} ({columns})")
            for event, rows in (
                ("INSERT", ("NEW",)),
                ("UPDATE", ("OLD", "NEW")),
                ("DELETE", ("OLD",)),
            ):
                notes = " ".join(_note(connection, self._log(number), table, row) for row in rows)
                connection.exec_driver_sql(
                    f"CREATE TRIGGER {self._log(number)}_{event} AFTER {event} "
                    f"ON {quoted(connection, table.name)} BEGIN {notes} END"
                )

    def mark(self, connection: Connection, tables: Sequence[Table]) -> object:
        # The keys are not asked for: the end of the tree is.
        return [
            connection.exec_driver_sql(
                f"SELECT coalesce(max(n), 0) FROM {self._log(number)}"  # noqa: S608
            ).scalar_one()
            for number in range(len(tables))
        ]

    def count_changes(
        self, connection: Connection, number: int, table: Table, since: object
    ) -> tuple[int, bool]:
        query = f"SELECT count(*) FROM {self._log(number)} WHERE n > ?"  # noqa: S608
        found = connection.exec_driver_sql(query, (_since(since, number),)).scalar_one()
        return int(found), bool(found) and not table.key

    def gone(
        self, connection: Connection, number: int, table: Table, since: object
    ) -> Iterator[list[Any]]:
        keys = ", ".join(f"c.k{place}" for place in range(len(table.key)))
        query = (
            f"SELECT DISTINCT {keys} FROM {self._log(number)} c WHERE c.n > ? AND NOT EXISTS "  # noqa: S608
            f"(SELECT 1 FROM {quoted(connection, table.name)} t WHERE {_same(connection, table)})"
        )
        sorts = [table.columns[name] for name in table.key]
        for row in connection.exec_driver_sql(query, (_since(since, number),)).yield_per(BATCH):
            yield self.side.read_row(row, sorts)

    def changed(
        self, connection: Connection, number: int, table: Table, since: object
    ) -> Iterator[list[Any]]:
        keys = ", ".join(f"k{place}" for place in range(len(table.key)))
        wanted = ", ".join(f"t.{quoted(connection, name)}" for name in table.columns)
        query = (
            f"SELECT {wanted} FROM (SELECT DISTINCT {keys} FROM {self._log(number)} WHERE n > ?) c "  # noqa: S608
            f"CROSS JOIN {quoted(connection, table.name)} t ON {_same(connection, table)}"
        )
        sorts = list(table.columns.values())
        seen: set[bytes] = set()
        for row in connection.exec_driver_sql(query, (_since(since, number),)).yield_per(BATCH):
            found = self.side.read_row(row, sorts)
            # Two keys that a collation takes for the same lead to one row.
            if (line := dump_row(found)) not in seen:
                seen.add(line)
                yield found

    def refuse_writes(self, connection: Connection) -> None:
        query = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
        names = connection.exec_driver_sql(query).scalars().all()
        for number, name in enumerate(names):
            if name.startswith(("sqlite_", OURS)):
                continue
            for event in ("INSERT", "UPDATE", "DELETE"):
                connection.exec_driver_sql(
                    f"CREATE TRIGGER {FENCE}_{number}_{event} BEFORE {event} "
                    f"ON {quoted(connection, name)} "
                    f"BEGIN SELECT RAISE(ABORT, '{SiteMovingError.notice}'); END"
                )

    def forget(self, engine: Engine) -> None:
        query = (
            "SELECT type, name FROM sqlite_master WHERE type IN ('trigger', 'table') "  # noqa: S608
            f"AND substr(name, 1, {len(OURS)}) = '{OURS}' ORDER BY type DESC"  # triggers first
        )
        with engine.connect() as connection:
            if not connection.exec_driver_sql(query).all():
                return
        with self.locking(engine, ()) as connection:
            for kind, name in connection.exec_driver_sql(query).tuples().all():
                connection.exec_driver_sql(f"DROP {kind} {quoted(connection, name)}")

    @contextmanager
    def replaying(self, engine: Engine) -> Iterator[Connection]:
        # Unlike what fills a database this does not look at all rows in the end: foreign keys that
        # are checked late are counted as they change.
        with self.locking(engine, ()) as connection:
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            yield connection

    def delete(self, connection: Connection, table: Table, keys: Sequence[list[Any]]) -> None:
        sorts = [table.columns[name] for name in table.key]
        query = f"DELETE FROM {quoted(connection, table.name)} WHERE {_is(connection, table)}"  # noqa: S608
        connection.exec_driver_sql(query, [self.side.write_row(key, sorts) for key in keys])

    def find(self, connection: Connection, table: Table, keys: Sequence[Any]) -> list[Any] | None:
        names = ", ".join(quoted(connection, name) for name in table.columns)
        query = (
            f"SELECT {names} FROM {quoted(connection, table.name)} WHERE {_is(connection, table)}"  # noqa: S608
        )
        given = self.side.write_row(keys, [table.columns[name] for name in table.key])
        row = connection.exec_driver_sql(query, given).first()
        return self.side.read_row(row, table.columns.values()) if row is not None else None

    def put(self, connection: Connection, table: Table, rows: Sequence[list[Any]]) -> None:
        sorts = list(table.columns.values())
        query = upsert(connection, table, insert(connection, table, "?"))
        connection.exec_driver_sql(query, [self.side.write_row(row, sorts) for row in rows])


def _note(connection: Connection, log: str, table: Table, row: str) -> str:
    if not table.key:
        return f"INSERT INTO {log} (n) VALUES (NULL);"  # noqa: S608
    columns = ", ".join(f"k{place}" for place in range(len(table.key)))
    keys = ", ".join(f"{row}.{quoted(connection, name)}" for name in table.key)
    return f"INSERT INTO {log} ({columns}) VALUES ({keys});"  # noqa: S608


def _same(connection: Connection, table: Table) -> str:
    """Return that a row ``t`` has the key of a note ``c``, by the column's own rule."""
    return " AND ".join(
        f"t.{quoted(connection, name)} IS c.k{place}" for place, name in enumerate(table.key)
    )


def _is(connection: Connection, table: Table) -> str:
    return " AND ".join(f"{quoted(connection, name)} IS ?" for name in table.key)


def _since(mark: object, number: int) -> int:
    return cast("list[int]", mark)[number]
