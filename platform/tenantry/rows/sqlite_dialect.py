"""Reads a consistent snapshot of a SQLite file, and fills one."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tenantry.rows import codec as values
from tenantry.rows.tables import BATCH, insert, quoted, select

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Engine

    from tenantry.rows.codec import Sort
    from tenantry.rows.tables import Table


class SqliteDialect:
    """SQLite: a deferred transaction of the write-ahead log sees one moment."""

    @contextmanager
    def reading(self, engine: Engine) -> Iterator[Connection]:
        with engine.connect() as connection:
            # The driver itself begins none for reading.
            connection.exec_driver_sql("BEGIN")
            yield connection
            connection.rollback()

    @contextmanager
    def filling(self, engine: Engine) -> Iterator[Connection]:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            yield connection
            if (
                broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first()
            ) is not None:
                raise ValueError(
                    f"a row of {broken[0]!r} refers to one of {broken[2]!r} that does not exist"
                )
            connection.commit()

    def left_out(self, connection: Connection) -> frozenset[str]:
        # A virtual table keeps its rows in shadow tables, and triggers or the app fill it.
        found = connection.exec_driver_sql("PRAGMA table_list").all()
        return frozenset(row.name for row in found if row.type in {"virtual", "shadow"})

    def read_row(self, row: Sequence[Any], sorts: Iterable[Sort]) -> list[Any]:
        return [values.from_sqlite(*pair) for pair in zip(row, sorts, strict=True)]

    def write_row(self, row: Sequence[Any], sorts: Iterable[Sort]) -> tuple[Any, ...]:
        return tuple(values.to_sqlite(*pair) for pair in zip(row, sorts, strict=True))

    def rows(self, connection: Connection, table: Table) -> Iterator[list[Any]]:
        result = connection.exec_driver_sql(select(connection, table, table.columns))
        for row in result.yield_per(BATCH):
            yield self.read_row(row, table.columns.values())

    def insert(self, connection: Connection, table: Table, rows: Iterable[list[Any]]) -> None:
        ready = [self.write_row(row, table.columns.values()) for row in rows]
        connection.exec_driver_sql(insert(connection, table, "?"), ready)

    def counters(self, connection: Connection) -> dict[str, int]:
        if not _has_sequences(connection):
            return {}
        found = connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence").tuples()
        return {name: number for name, number in found if isinstance(number, int)}

    def count_from(self, connection: Connection, counters: Mapping[str, int]) -> None:
        if not _has_sequences(connection):
            return
        for name, number in counters.items():
            updated = connection.exec_driver_sql(
                "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (number, name)
            )
            if not updated.rowcount and _counts(connection, name):
                connection.exec_driver_sql(
                    "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, number)
                )

    def derive(self, connection: Connection) -> None:
        # An FTS5 table with the content of another one has no rows of its own. Apps fill it, because a
        # trigger may not: `trusted_schema` is off.
        query = "SELECT name, sql FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'"
        for name, sql in connection.exec_driver_sql(query).tuples().all():
            if _WITH_CONTENT.search(sql):
                index = quoted(connection, name)
                connection.exec_driver_sql(f"INSERT INTO {index} ({index}) VALUES ('rebuild')")  # noqa: S608


_WITH_CONTENT = re.compile(r"USING\s+fts5\b.*\bcontent\s*=\s*['\"]?\w", re.IGNORECASE | re.DOTALL)


def _has_sequences(connection: Connection) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"
    return connection.exec_driver_sql(query).first() is not None


def _counts(connection: Connection, name: str) -> bool:
    """Say whether the table gives away numbers by itself, and never one twice."""
    query = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?"
    sql = connection.exec_driver_sql(query, (name,)).scalar()
    return "AUTOINCREMENT" in str(sql or "").upper()
