"""Copies a SQLite database page by page, with its schema."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from tenantry.bundles.manifest import PAGES, Database, Member
from tenantry.bundles.streams import BLOCK
from tenantry.errors import BundleError
from tenantry.rows.tables import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tenantry.bundles.manifest import Manifest


Schema = frozenset[tuple[str, str, str, str]]
"""Of each object its type, name, table and statement."""
_SCHEMA = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master"
_SQLITES = re.compile(r"sqlite_(autoindex_.*|sequence|stat[14])")
"""What SQLite makes by itself."""
_KEEPS = re.compile(r"(CREATE (TABLE|INDEX|UNIQUE INDEX) .*)?", re.IGNORECASE | re.DOTALL)
"""What does no more than to keep rows; all else, as a view or a trigger, runs by itself."""


@dataclass(frozen=True, slots=True)
class Known:
    """Schemas that a database may have; without any, it may have every one."""

    schemas: tuple[Schema, ...] = ()
    is_exact: bool = False
    """Whether it must have one of them; otherwise only what runs by itself must be in one."""


def read_schema(path: Path, *, is_ours: bool = False, name: str) -> Schema:
    """Return what is in a database but rows. Nothing of it is run.

    :param is_ours: Whether the site may be writing to it, which means that it has a log.
    :param name: What errors call the file.
    :raises BundleError: It cannot be read.
    """
    uri = f"file:{quote(str(path))}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True) if is_ours else _open(path)) as connection:
            rows = connection.execute(_SCHEMA).fetchall()
    except sqlite3.Error as error:
        raise BundleError(name, f"its database is damaged ({error})") from error
    return frozenset(
        (str(kind), str(known), str(table), " ".join(str(sql).split()))
        for kind, known, table, sql in rows
        if not (kind in {"table", "index"} and _SQLITES.fullmatch(str(known)))
    )


def _check_schema(path: Path, known: Known, *, name: str) -> None:
    """Make sure that a database has a schema that is known.

    A view instead of a table would answer with anything, or never.
    """
    found = read_schema(path, name=name)
    if not known.is_exact:
        found = frozenset(entry for entry in found if not _KEEPS.fullmatch(entry[3]))
    fits = (found == schema if known.is_exact else found <= schema for schema in known.schemas)
    if not known.schemas or any(fits):
        return
    kind, strange, _, _ = min(min(found ^ schema) for schema in known.schemas)
    problem = f"its database has another schema than sites have ({kind} {strange!r})"
    raise BundleError(name, f"{problem}; an export contains only rows, and can be imported")


def describe_pages(path: Path, *, name: str) -> tuple[Database, Member, dict[str, int]]:
    """Return what a manifest says of a copy that nobody writes to.

    :param name: What errors call the site.
    :raises BundleError: It is damaged.
    """
    summed = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(BLOCK):
            summed.update(part)
    try:
        with closing(_open(path)) as connection:
            counts = _count(connection)
            revision = _revision(connection, counts)
    except sqlite3.Error as error:
        raise BundleError(name, f"its database cannot be read ({error})") from error
    member = Member(PAGES, path.stat().st_size, summed.hexdigest())
    return Database("sqlite", revision), member, counts


def check_copy(path: Path, *, name: str) -> None:
    """Let SQLite look at every page of a copy that was just made, before it takes a good one's place.

    :param name: What errors call the site.
    :raises BundleError: The original is damaged.
    """
    try:
        with closing(_open(path)) as connection:
            problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        problem = str(error)
    if problem != "ok":
        said = f"its database is damaged ({problem}), and was not backed up"
        raise BundleError(name, f"{said}; `tenantry restore {name}` restores a good one")


def check_pages(path: Path, manifest: Manifest, known: Known | None = None, *, name: str) -> None:
    """Let SQLite look at everything in a file that came out of a bundle.

    :param known: Schemas that it may have.
    :raises BundleError: It is damaged, or not what the manifest or what is known says.
    """
    _check_schema(
        path, known or Known(), name=name
    )  # first: what follows runs what the schema says
    try:
        with closing(_open(path)) as connection:
            problem = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if problem != "ok":
                raise BundleError(name, f"its database is damaged ({problem})")
            if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise BundleError(name, "its database has a row that refers to a missing one")
            counts = _count(connection)
            revision = _revision(connection, counts)
    except sqlite3.Error as error:
        raise BundleError(name, f"its database is damaged ({error})") from error
    if manifest.database is not None and revision != manifest.database.revision:
        found = revision[:40] or "none"
        problem = f"its database is at revision {found}, but the manifest names another one"
        raise BundleError(name, problem)
    check_counts(counts, manifest.counts, name=name)


def check_counts(found: Mapping[str, int], told: Mapping[str, int], *, name: str) -> None:
    """Compare the rows of each table.

    :raises BundleError: They are not as many as the manifest says.
    """
    for table in sorted({*found, *told}):
        if found.get(table) != told.get(table):
            problem = f"table {table!r} has {found.get(table)} rows instead of {told.get(table)}"
            raise BundleError(name, problem)


def _open(path: Path) -> sqlite3.Connection:
    # Nobody writes to it, so that it needs neither log nor locks beside it.
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)


def _count(connection: sqlite3.Connection) -> dict[str, int]:
    tables = connection.execute("PRAGMA table_list").fetchall()
    names = sorted(row[1] for row in tables if row[0] == "main" and row[2] == "table")
    return {name: _rows(connection, name) for name in names if not name.startswith("sqlite_")}


def _rows(connection: sqlite3.Connection, table: str) -> int:
    quoted = table.replace('"', '""')
    found: int = connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0]  # noqa: S608
    return found


def _revision(connection: sqlite3.Connection, tables: Mapping[str, int]) -> str:
    if VERSIONS not in tables:
        return ""
    found = connection.execute(f"SELECT version_num FROM {VERSIONS}").fetchall()  # noqa: S608
    return ",".join(sorted(row[0] for row in found))
