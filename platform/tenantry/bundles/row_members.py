"""Reads and writes tables as bundle members: one JSON line for each row."""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from sqlalchemy.exc import DBAPIError, StatementError

from tenantry.bundles.manifest import Database, TableMember, table_member
from tenantry.errors import BundleError
from tenantry.rows.codec import dump_row, load_row
from tenantry.rows.dialects import dialect_of
from tenantry.rows.tables import BATCH, clear, count, revision_of, tables_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from tenantry.bundles.manifest import Manifest, Member
    from tenantry.databases.placements import TenantDatabase
    from tenantry.rows.tables import RowDialect, Table


def dump_database(
    database: TenantDatabase, parts: Path, *, name: str
) -> tuple[Database, tuple[TableMember, ...]]:
    """Write the rows of every table below *parts*, as they are at one moment.

    :param name: What errors call the site.
    :raises BundleError: The database cannot be read, or has something that a bundle cannot hold.
    """
    side = dialect_of(database.kind)
    engine = database.open_engine()
    (parts / "database").mkdir(mode=0o700, exist_ok=True)
    try:
        with side.reading(engine) as connection:
            tables = tables_of(connection, side)
            described = Database(
                kind=database.kind,
                revision=revision_of(connection),
                counters={n: last for n, last in side.counters(connection).items() if last > 0},
                left_out=tuple(sorted(side.left_out(connection))),
            )
            members = tuple(
                _dump(connection, side, table, parts / table_member(number), name=name)
                for number, table in enumerate(tables, 1)
            )
    except (DBAPIError, StatementError) as error:
        raise BundleError(name, f"its database cannot be read ({_sentence(error)})") from error
    finally:
        engine.dispose()
    return described, members


def stored_tables(manifest: Manifest, parts: Path) -> Iterator[tuple[Member, BinaryIO]]:
    """Yield the tables that :func:`dump_database` has written, or that came out of a bundle."""
    for member in manifest.tables:
        with (parts / member.name).open("rb") as content:
            yield member, content


def _dump(
    connection: Connection, side: RowDialect, table: Table, path: Path, *, name: str
) -> TableMember:
    summed, size, rows = hashlib.sha256(), 0, 0
    with path.open("xb") as file:
        try:
            for row in side.rows(connection, table):
                line = dump_row(row)
                file.write(line)
                summed.update(line)
                size += len(line)
                rows += 1
        except ValueError as error:
            raise BundleError(name, f"table {table.name!r}, row {rows + 1}: {error}") from error
    member = f"{path.parent.name}/{path.name}"
    columns = tuple(table.columns)
    return TableMember(member, size, summed.hexdigest(), table.name, columns, rows)


def fill_database(
    database: TenantDatabase,
    manifest: Manifest,
    members: Iterable[tuple[Member, BinaryIO]],
    *,
    name: str,
) -> None:
    """Replace every row of a database by those of a bundle, or none.

    :param members: The bundle's tables, and nothing else.
    :param name: What errors call the bundle.
    :raises BundleError: The database cannot hold them: it has another schema, or another kind of
        numbers. It is as it was.
    """
    assert manifest.database is not None
    side = dialect_of(database.kind)
    engine = database.open_engine()
    try:
        with side.filling(engine) as connection:
            tables = tables_of(connection, side)
            check_schema(connection, tables, manifest, name=name)
            clear(connection, reversed(tables))
            known = {table.name: table for table in tables}
            for member, content in members:
                assert isinstance(member, TableMember)
                _fill(connection, side, known[member.table], member, content, name=name)
            side.count_from(connection, manifest.database.counters)
            side.derive(connection)
    except (DBAPIError, StatementError) as error:
        raise BundleError(name, f"the database refuses it ({_sentence(error)})") from error
    except ValueError as error:
        raise BundleError(name, str(error)) from error
    finally:
        engine.dispose()


def check_schema(
    connection: Connection, tables: Sequence[Table], manifest: Manifest, *, name: str
) -> None:
    """Make sure that the database has a place for each value.

    :raises BundleError: It has not.
    """
    assert manifest.database is not None
    found, brought = revision_of(connection), manifest.database.revision
    if found != brought:
        problem = (
            f"its data is at revision {brought or 'none'}, this platform's are at {found or 'none'}"
        )
        raise BundleError(name, f"{problem}; export it again from a platform that is at the same")
    known = {table.name: set(table.columns) for table in tables}
    for member in manifest.tables:
        if member.table not in known:
            raise BundleError(name, f"this platform's sites have no table {member.table!r}")
        if unknown := set(member.columns) - known[member.table]:
            where = f"{member.table!r} no column {min(unknown)!r}"
            raise BundleError(name, f"this platform's sites have in {where}")


def _fill(
    connection: Connection,
    side: RowDialect,
    table: Table,
    member: TableMember,
    content: BinaryIO,
    *,
    name: str,
) -> None:
    narrowed = table.only(member.columns)
    number = 0
    for lines in _batches(content):
        try:
            side.insert(connection, narrowed, [load_row(line) for line in lines])
        except (ValueError, OverflowError, DBAPIError, StatementError) as error:
            where = f"table {table.name!r}, rows {number + 1} to {number + len(lines)}"
            raise BundleError(name, f"{where}: {_sentence(error)}") from error
        number += len(lines)
    if count(connection, table) != member.rows:
        raise BundleError(
            name, f"table {table.name!r} does not have the {member.rows} rows of the manifest"
        )


def _batches(content: BinaryIO) -> Iterator[list[bytes]]:
    while batch := list(islice(content, BATCH)):
        yield batch


def _sentence(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().split("\n", 1)[0][:300]
