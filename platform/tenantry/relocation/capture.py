"""The interface of change capture, for both kinds of databases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tenantry.rows.tables import OURS, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection, Engine

    from tenantry.rows.tables import RowDialect, Table

FENCE = f"{OURS}fence"
"""Begins the names of what refuses to write."""


class ChangeCapture(Protocol):
    """What differs between the kinds."""

    side: RowDialect

    def locking(
        self, engine: Engine, tables: Sequence[Table]
    ) -> AbstractContextManager[Connection]:
        """Open a transaction in which nobody else writes to these tables; commit at a good end.

        :raises DBAPIError: Others have held on to them for too long.
        """

    def watch(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Have the keys of changed rows noted from now on."""

    def mark(self, connection: Connection, tables: Sequence[Table]) -> object:
        """Return what tells the changes that this transaction sees from later ones."""

    def count_changes(
        self, connection: Connection, number: int, table: Table, since: object
    ) -> tuple[int, bool]:
        """Return how many changes of a table were noted since then, and whether of all rows."""

    def gone(
        self, connection: Connection, number: int, table: Table, since: object
    ) -> Iterator[list[Any]]:
        """Yield the keys, as JSON values, that changed since then and are not there any more."""

    def changed(
        self, connection: Connection, number: int, table: Table, since: object
    ) -> Iterator[list[Any]]:
        """Yield the rows, as JSON values, that changed since then and are there."""

    def refuse_writes(self, connection: Connection) -> None:
        """Refuse to write into any table from now on, so that it is known as a ``SiteMovingError``."""

    def forget(self, engine: Engine) -> None:
        """Remove all that a move has made, also what refuses to write."""

    def replaying(self, engine: Engine) -> AbstractContextManager[Connection]:
        """Open a transaction that checks foreign keys at its end; commit at a good end."""

    def delete(self, connection: Connection, table: Table, keys: Sequence[list[Any]]) -> None:
        """Delete the rows with these keys."""

    def find(self, connection: Connection, table: Table, keys: Sequence[Any]) -> list[Any] | None:
        """Return the row with a key, as JSON values."""

    def put(self, connection: Connection, table: Table, rows: Sequence[list[Any]]) -> None:
        """Insert rows, or replace those with the same keys."""


def upsert(connection: Connection, table: Table, insert: str) -> str:
    """Return the statement *insert*, which takes the place of a row with the same key."""
    names = [quoted(connection, name) for name in table.columns]
    keys = [quoted(connection, name) for name in table.key]
    others = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
    action = f"UPDATE SET {others}" if others else "NOTHING"
    return f"{insert} ON CONFLICT ({', '.join(keys)}) DO {action}"
