"""Reads a consistent snapshot of a PostgreSQL schema, and fills one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tenantry.rows import codec as values
from tenantry.rows.tables import BATCH, insert, quoted, select

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Engine

    from tenantry.rows.codec import Sort
    from tenantry.rows.tables import Table


class PostgresqlDialect:
    """PostgreSQL: a repeatable read sees one moment."""

    @contextmanager
    def reading(self, engine: Engine) -> Iterator[Connection]:
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with engine.connect().execution_options(**options) as connection:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # pages' limit, not ours
            yield connection
            connection.rollback()

    @contextmanager
    def filling(self, engine: Engine) -> Iterator[Connection]:
        with engine.connect() as connection:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            # A moment without a zone is one in UTC.
            connection.exec_driver_sql("SET LOCAL timezone = 'UTC'")
            checks = self._foreign_keys(connection)
            for change in checks:
                connection.exec_driver_sql(f"{change} DEFERRABLE INITIALLY DEFERRED")
            yield connection
            connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
            for change in checks:
                connection.exec_driver_sql(f"{change} NOT DEFERRABLE")
            connection.commit()

    def left_out(self, connection: Connection) -> frozenset[str]:  # noqa: ARG002 - there are none
        return frozenset()

    def read_row(self, row: Sequence[Any], sorts: Iterable[Sort]) -> list[Any]:
        return [values.from_postgresql(*pair) for pair in zip(row, sorts, strict=True)]

    def write_row(self, row: Sequence[Any], sorts: Iterable[Sort]) -> tuple[Any, ...]:
        return tuple(values.to_postgresql(*pair) for pair in zip(row, sorts, strict=True))

    def rows(self, connection: Connection, table: Table) -> Iterator[list[Any]]:
        query = select(connection, table, table.columns, as_text=True)
        # For this statement alone: what else is said on the connection is no query.
        result = connection.exec_driver_sql(query, execution_options={"stream_results": True})
        for row in result.yield_per(BATCH):
            yield self.read_row(row, table.columns.values())

    def insert(self, connection: Connection, table: Table, rows: Iterable[list[Any]]) -> None:
        ready = [self.write_row(row, table.columns.values()) for row in rows]
        connection.exec_driver_sql(insert(connection, table, "%s"), ready)

    def counters(self, connection: Connection) -> dict[str, int]:
        found: dict[str, int] = {}
        for table, _, sequence in self._sequences(connection):
            last = connection.exec_driver_sql(f"SELECT last_value, is_called FROM {sequence}").one()  # noqa: S608
            if last.is_called:
                found[table] = max(found.get(table, 0), int(last.last_value))
        for name, sequence in self._free_sequences(connection):  # no table can have such a name
            last = connection.exec_driver_sql(f"SELECT last_value, is_called FROM {sequence}").one()  # noqa: S608
            if last.is_called:
                found[name] = int(last.last_value)
        return found

    def derive(self, connection: Connection) -> None:
        """Nothing: the server keeps indexes and generated columns."""

    def count_from(self, connection: Connection, counters: Mapping[str, int]) -> None:
        for table, column, sequence in self._sequences(connection):
            # SQLite needs no counter to go on after the highest number; a sequence knows of no rows.
            highest = connection.exec_driver_sql(
                f"SELECT max({quoted(connection, column)}) FROM {quoted(connection, table)}"  # noqa: S608
            ).scalar()
            last = max(int(highest or 0), counters.get(table, 0))
            self._set(connection, sequence, last)
        for name, sequence in self._free_sequences(connection):
            self._set(connection, sequence, counters.get(name, 0))

    def _set(self, connection: Connection, sequence: str, last: int) -> None:
        if last > 0:
            connection.exec_driver_sql(
                f"SELECT setval(%s::regclass, greatest(%s, last_value)) FROM {sequence}",  # noqa: S608
                (sequence, last),
            )

    def _free_sequences(self, connection: Connection) -> list[tuple[str, str]]:
        """Return the sequences that belong to no column: their names, and these quoted if needed."""
        query = """
            SELECT s.relname, s.oid::regclass::text FROM pg_class s
            WHERE s.relkind = 'S'
                AND s.relnamespace = to_regnamespace(quote_ident(current_schema()))
                AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = s.oid
                    AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))
            ORDER BY s.relname
        """
        return [(row[0], row[1]) for row in connection.exec_driver_sql(query)]

    def _sequences(self, connection: Connection) -> list[tuple[str, str, str]]:
        """Return tables, columns and their sequences, these as names that are quoted where needed."""
        query = """
            SELECT t.relname, a.attname, s.oid::regclass::text
            FROM pg_class s
            JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass
                AND d.deptype IN ('a', 'i')
            JOIN pg_class t ON t.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass
            JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
            WHERE s.relkind = 'S' AND pg_table_is_visible(t.oid)
                AND t.relnamespace = to_regnamespace(quote_ident(current_schema()))
            ORDER BY t.relname, d.refobjsubid
        """
        return [(row[0], row[1], row[2]) for row in connection.exec_driver_sql(query)]

    def _foreign_keys(self, connection: Connection) -> list[str]:
        """Return the beginning of a change of each foreign key that is checked row by row."""
        query = """
            SELECT conrelid::regclass::text, quote_ident(conname)
            FROM pg_constraint
            WHERE contype = 'f' AND NOT condeferrable AND conparentid = 0
                AND connamespace = to_regnamespace(quote_ident(current_schema()))
        """
        return [
            f"ALTER TABLE {table} ALTER CONSTRAINT {name}"
            for table, name in connection.exec_driver_sql(query)
        ]
