"""Tables and statements of both row dialects."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import inspect

from tenantry.rows import codec as values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection, Engine, Inspector

    from tenantry.rows.codec import Sort

VERSIONS = "alembic_version"
"""The table that says at which revision the schema is; it never travels with the rows."""

OURS = "tenantry_move_"
"""Begins the names of what a move makes in a tenant's database; it never travels either."""

BATCH = 500
"""Rows that are fetched or written at once."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with rows that travel."""

    name: str
    columns: Mapping[str, Sort]
    """Columns that hold values of their own, in order; generated ones are left out."""
    key: tuple[str, ...]
    """Columns of the primary key."""

    def only(self, columns: Iterable[str]) -> Table:
        """Return it with these columns alone, in their order."""
        return replace(self, columns={name: self.columns[name] for name in columns})


class RowDialect(Protocol):
    """What differs between the kinds."""

    def reading(self, engine: Engine) -> AbstractContextManager[Connection]:
        """Open a transaction that sees one moment, whatever is written meanwhile."""

    def filling(self, engine: Engine) -> AbstractContextManager[Connection]:
        """Open a transaction that checks foreign keys at its end; commit if the block ends well."""

    def left_out(self, connection: Connection) -> frozenset[str]:
        """Return tables whose rows follow from other tables."""

    def read_row(self, row: Sequence[Any], sorts: Iterable[Sort]) -> list[Any]:
        """Return a row from the driver as JSON values."""

    def write_row(self, row: Sequence[Any], sorts: Iterable[Sort]) -> tuple[Any, ...]:
        """Return a row of JSON values as the driver takes it.

        :raises ValueError: One of them cannot be kept exactly.
        """

    def rows(self, connection: Connection, table: Table) -> Iterator[list[Any]]:
        """Yield the rows of a table as JSON values, in the order of the primary key."""

    def insert(self, connection: Connection, table: Table, rows: Iterable[list[Any]]) -> None:
        """Insert rows of JSON values.

        :raises ValueError: One of them cannot be kept exactly.
        """

    def counters(self, connection: Connection) -> dict[str, int]:
        """Return the last number that each table has given away by itself."""

    def count_from(self, connection: Connection, counters: Mapping[str, int]) -> None:
        """Never give away these numbers again."""

    def derive(self, connection: Connection) -> None:
        """Make again what follows from the rows and is kept by nobody else."""


def revision_of(connection: Connection) -> str:
    """Return the revision of the schema; nothing if it has none."""
    # Not has_table(), which takes a view as well: that could take for ever to answer.
    if VERSIONS not in inspect(connection).get_table_names():
        return ""
    found = connection.exec_driver_sql(f"SELECT version_num FROM {VERSIONS}").scalars()  # noqa: S608
    return ",".join(sorted(found))


def tables_of(connection: Connection, side: RowDialect) -> list[Table]:
    """Return the tables, each after those that it refers to as far as that is possible."""
    left_out = side.left_out(connection) | {VERSIONS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of types that SQLAlchemy does not know; we need none
        inspector = inspect(connection)
        names = [name for name, _ in inspector.get_sorted_table_and_fkc_names() if name]
        return [
            _table(inspector, name)
            for name in names
            if name not in left_out and not name.startswith(OURS)
        ]


def _table(inspector: Inspector, name: str) -> Table:
    columns = {
        column["name"]: values.sort_of(column["type"])
        for column in inspector.get_columns(name)
        if "computed" not in column
    }
    return Table(name, columns, tuple(inspector.get_pk_constraint(name)["constrained_columns"]))


def clear(connection: Connection, tables: Iterable[Table]) -> None:
    """Delete all rows; foreign keys are checked at the end."""
    for table in tables:
        connection.exec_driver_sql(f"DELETE FROM {quoted(connection, table.name)}")  # noqa: S608


def count(connection: Connection, table: Table) -> int:
    """Return the number of rows."""
    query = f"SELECT count(*) FROM {quoted(connection, table.name)}"  # noqa: S608
    return int(connection.exec_driver_sql(query).scalar_one())


def quoted(connection: Connection, name: str) -> str:
    """Return a name as it stands in a statement."""
    return connection.dialect.identifier_preparer.quote_identifier(name)


def select(
    connection: Connection, table: Table, columns: Mapping[str, Sort], *, as_text: bool = False
) -> str:
    """Return what asks for all rows, in the order of the primary key."""
    wanted = []
    for name, sort in columns.items():
        column = quoted(connection, name)
        plain = not as_text or sort not in {"other", "json"}
        wanted.append(column if plain else f"CAST({column} AS TEXT)")
    query = f"SELECT {', '.join(wanted)} FROM {quoted(connection, table.name)}"  # noqa: S608
    if table.key:
        query += f" ORDER BY {', '.join(quoted(connection, name) for name in table.key)}"
    return query


def insert(connection: Connection, table: Table, mark: str) -> str:
    """Return what inserts a row, with *mark* for each value."""
    names = ", ".join(quoted(connection, name) for name in table.columns)
    marks = ", ".join(mark for _ in table.columns)
    overriding = " OVERRIDING SYSTEM VALUE" if mark == "%s" else ""
    return f"INSERT INTO {quoted(connection, table.name)} ({names}){overriding} VALUES ({marks})"  # noqa: S608
