"""Copies all rows of one database to another while people write to the first."""

from __future__ import annotations

import time
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError, StatementError

from tenantry.errors import MoveError
from tenantry.relocation.digest import Digest
from tenantry.relocation.postgresql_capture import PostgresqlCapture
from tenantry.relocation.sqlite_capture import SqliteCapture
from tenantry.rows.tables import BATCH, clear, count, revision_of, tables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy import Connection

    from tenantry.databases.placements import TenantDatabase
    from tenantry.relocation.capture import ChangeCapture
    from tenantry.rows.tables import Table

CAPTURES: Mapping[str, Callable[[], ChangeCapture]] = {
    "sqlite": SqliteCapture,
    "postgresql": PostgresqlCapture,
}
FEW = 200
"""So many changes can wait for the last step."""
ROUNDS = 20
MOST_AGAIN = 3
"""How often everything is copied once more where the copy cannot follow the notes. After that it is
copied while nobody can write."""
SHORT_SECONDS = 0.5
"""After a round that takes no longer, what is left can wait as well."""


class DiffersError(Exception):
    """The copy cannot follow the notes: the table's rows are others than those that were noted."""


class Transfer:
    """The way of one tenant's rows.

    :param name: What errors call the tenant.
    :param advance: Called whenever some rows more were read or compared.
    """

    def __init__(
        self,
        source: TenantDatabase,
        target: TenantDatabase,
        *,
        name: str,
        advance: Callable[[], object] = lambda: None,
    ) -> None:
        self._name = name
        self._advance = advance
        self._from, self._to = CAPTURES[source.kind](), CAPTURES[target.kind]()
        self._source, self._target = source.open_engine(), target.open_engine()
        self._tables: list[Table] = []
        self._arrived: dict[str, Table] = {}
        self._mark: object = None
        self._again = 0
        self.rows = 0
        """How many rows there are."""
        self.replayed = 0
        """How many changes were brought after them."""

    def dispose(self) -> None:
        """Close both ends."""
        self._source.dispose()
        self._target.dispose()

    def forget(self) -> None:
        """Remove from the source what was made there, also what refuses to write."""
        with self._told("be cleaned of what the move created in it"):
            self._from.forget(self._source)

    def begin(self) -> None:
        """Have changes noted from now on.

        :raises MoveError: The two do not have the same tables.
        """
        with self._told("be watched"):
            with self._from.side.reading(self._source) as connection:
                self._tables = tables_of(connection, self._from.side)
                before = revision_of(connection)
            with self._to.side.reading(self._target) as connection:
                found = tables_of(connection, self._to.side)
                after = revision_of(connection)
            if before != after:
                problem = f"its data is at schema revision {before or 'none'}, new ones are at"
                raise MoveError(
                    self._name, f"{problem} {after or 'none'}; run `tenantry migrate` first"
                )
            self._match({table.name: table for table in found})
            with self._from.locking(self._source, self._tables) as connection:
                self._from.watch(connection, self._tables)

    def _match(self, found: Mapping[str, Table]) -> None:
        for table in self._tables:
            other = found.get(table.name)
            lacking = [name for name in table.columns if other and name not in other.columns]
            if other is None or lacking or other.key != table.key:
                what = f"column {lacking[0]!r} of table" if lacking else "table"
                problem = f"new databases have no such {what} {table.name!r} as it has"
                raise MoveError(self._name, problem)
            self._arrived[table.name] = other.only(table.columns)

    def copy(self) -> None:
        """Bring all rows as they are at one moment, and compare them."""
        with self._told("be copied"), self._from.side.reading(self._source) as connection:
            self._copy(connection)

    def follow(self) -> None:
        """Bring what has changed since, again and again, until little is left for the last step."""
        for _ in range(ROUNDS):
            started = time.monotonic()
            try:
                with self._told("be followed"), self._from.side.reading(self._source) as connection:
                    changes = self._replay(connection)
            except DiffersError:
                if not self._may_copy_again():
                    return  # the last step will see to it
                self.copy()
                continue
            if changes <= FEW or time.monotonic() - started < SHORT_SECONDS:
                return

    def finish(self) -> None:
        """Bring the rest while nobody can write, compare, and have the source refuse to be written to.

        Whatever goes wrong before its end, the source takes writes as before.
        """
        while True:
            try:
                self._close_to_writers(self._replay)
            except DiffersError:
                if not self._may_copy_again():
                    break
                self.copy()
                self.follow()
            else:
                return
        # It takes long, and a request that waits for the lock would get no reason.
        self._close_to_writers(lambda _: None)
        self.copy()

    def _may_copy_again(self) -> bool:
        self._again += 1
        return self._again <= MOST_AGAIN

    def _close_to_writers(self, bring: Callable[[Connection], object]) -> None:
        with (
            self._told("be closed to writers"),
            self._from.locking(self._source, self._tables) as connection,
        ):
            bring(connection)
            self._from.refuse_writes(connection)

    def _copy(self, connection: Connection) -> None:
        self._mark, self.replayed = self._from.mark(connection, self._tables), 0
        with self._to.side.filling(self._target) as other:
            arrived = [self._arrived[table.name] for table in self._tables]
            known = {table.name for table in arrived}
            beside = [t for t in tables_of(other, self._to.side) if t.name not in known]
            clear(other, reversed([*arrived, *beside]))
            sums = {table.name: self._bring(connection, table, other) for table in self._tables}
            self.rows = sum(summed.rows for summed in sums.values())
            for table in arrived:
                self._compare(table, sums[table.name], other)
            self._to.side.count_from(other, self._from.side.counters(connection))
            self._to.side.derive(other)

    def _bring(self, connection: Connection, table: Table, other: Connection) -> Digest:
        summed, arriving = Digest(), self._arrived[table.name]
        sorts = list(arriving.columns.values())
        for rows in _batches(self._from.side.rows(connection, table)):
            try:
                summed.add(rows, sorts)
                self._to.side.insert(other, arriving, rows)
            except (ValueError, OverflowError, DBAPIError, StatementError) as error:
                where = f"table {table.name!r}, rows {summed.rows - len(rows) + 1} and after"
                raise MoveError(self._name, f"{where}: {_sentence(error)}") from error
            self._advance()
        return summed

    def _compare(self, table: Table, summed: Digest, other: Connection) -> None:
        found, sorts = Digest(), list(table.columns.values())
        for rows in _batches(self._to.side.rows(other, table)):
            found.add(rows, sorts)
            self._advance()
        if found == summed:
            return
        here, there = summed.rows, found.rows
        problem = f"of {here} rows of table {table.name!r} {there} arrived"
        if here == there:
            problem = f"some of the {here} rows of table {table.name!r} are others at the new place"
        raise MoveError(self._name, problem)

    def _replay(self, connection: Connection) -> int:
        """Bring what changed since the mark; return how many changes that was.

        :raises DiffersError: That did not make the same of the copy.
        """
        mark, total = self._from.mark(connection, self._tables), 0
        changed: list[tuple[int, Table, bool]] = []
        for number, table in enumerate(self._tables):
            found, whole = self._from.count_changes(connection, number, table, self._mark)
            if found:
                changed.append((number, table, whole))
            total += found
        try:
            with self._to.replaying(self._target) as other:
                for number, table, whole in reversed(changed):
                    self._take_away(connection, number, table, other, whole=whole)
                for number, table, whole in changed:
                    self._renew(connection, number, table, other, whole=whole)
                self._check_counts(connection, other)
                self._to.side.count_from(other, self._from.side.counters(connection))
                self._to.side.derive(other)
        except (ValueError, DBAPIError, StatementError) as error:
            # A value of a key may have gone to another row: in one go all of them find a place.
            raise DiffersError from error
        self._mark = mark
        self.replayed += total
        return total

    def _take_away(
        self, connection: Connection, number: int, table: Table, other: Connection, *, whole: bool
    ) -> None:
        arrived = self._arrived[table.name]
        if whole:
            clear(other, [arrived])
            return
        for keys in _batches(self._from.gone(connection, number, table, self._mark)):
            self._to.delete(other, arrived, keys)

    def _renew(
        self, connection: Connection, number: int, table: Table, other: Connection, *, whole: bool
    ) -> None:
        arrived = self._arrived[table.name]
        if whole:
            self._compare(arrived, self._bring(connection, table, other), other)
            return
        places = [list(arrived.columns).index(name) for name in arrived.key]
        sorts = list(arrived.columns.values())
        for rows in _batches(self._from.changed(connection, number, table, self._mark)):
            keys = [[row[place] for place in places] for row in rows]
            if any(None in key for key in keys):  # SQLite lets several rows have that
                raise DiffersError
            self._to.put(other, arrived, rows)
            expected, found = Digest(), Digest()
            expected.add(rows, sorts)
            present = (self._to.find(other, arrived, key) for key in keys)
            found.add((row for row in present if row is not None), sorts)
            if expected != found:
                raise DiffersError

    def _check_counts(self, connection: Connection, other: Connection) -> None:
        """Compare how many rows there are: SQLite's ``REPLACE`` takes some away without a word."""
        for table in self._tables:
            if count(connection, table) != count(other, self._arrived[table.name]):
                raise DiffersError

    @contextmanager
    def _told(self, purpose: str) -> Iterator[None]:
        """Turn the databases' failures into sentences."""
        try:
            yield
        except (DBAPIError, StatementError) as error:
            problem = f"its database cannot {purpose} ({_sentence(error)})"
            raise MoveError(self._name, problem) from error
        except ValueError as error:
            raise MoveError(self._name, str(error)) from error


def count_rows(database: TenantDatabase) -> int:
    """Return how many rows a move would bring."""
    end, engine = CAPTURES[database.kind](), database.open_engine()
    try:
        with end.side.reading(engine) as connection:
            return sum(count(connection, table) for table in tables_of(connection, end.side))
    finally:
        engine.dispose()


def forget_move(database: TenantDatabase) -> None:
    """Remove from a database what a move has made in it, also what refuses to write."""
    engine = database.open_engine()
    try:
        CAPTURES[database.kind]().forget(engine)
    finally:
        engine.dispose()


def _batches(rows: Iterable[list[Any]]) -> Iterator[list[list[Any]]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _sentence(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().split("\n", 1)[0][:300]
