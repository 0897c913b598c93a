"""What revisions did to two SQLite databases, done to the next ones without running the revisions.

Running a revision is mostly Python: reading tables back, making statements of operations. For databases
with one and the same schema the statements are one and the same, if the revisions ask no rows and
nothing outside. That is never taken for granted:

- the modules of the revisions import nothing but Alembic's ``op`` and SQLAlchemy, and never ask for
  the connection;
- what SQLite itself saw on a real database changes the schema only, and copies rows from a table into
  its altered self; any other statement, an UPDATE of rows as well, and the revisions are run on each
  database;
- two databases got the same statements, one after the other;
- the next one has, to the letter, the schema that those had.
"""

from __future__ import annotations

import ast
import re
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tenantry.databases.sqlite_file import SiteDatabase
from tenantry.errors import UpgradeError
from tenantry.migrations.upgrade import LOCK_SECONDS, Upgrade, broken_reference, upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.script import Script
    from sqlalchemy import Connection

    from tenantry.databases.placements import TenantDatabase
    from tenantry.migrations.history import History

MODULES = ("sqlalchemy", "typing", "collections.abc", "__future__")
ASKING = frozenset(
    {"get_bind", "get_context", "inspect", "open", "exec", "eval", "compile", "globals"}
    | {"getattr", "vars", "__import__", "__builtins__", "__file__", "random", "environ"}
)
"""Names with which a revision could come by something else than its operations."""
_CHANGE = re.compile(
    r"(CREATE\s+(UNIQUE\s+)?(TABLE|INDEX)|ALTER\s+TABLE|DROP\s+(TABLE|INDEX)"
    r"|INSERT\s+INTO\s+_alembic_tmp_\w+\s+\([^()]*\)\s+SELECT"
    r"|(UPDATE|INSERT\s+INTO|DELETE\s+FROM)\s+alembic_version)\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"SELECT\s+alembic_version\.version_num\s+FROM\s+alembic_version"
    r"|SELECT sql FROM\s+\(SELECT \* FROM sqlite_master UNION ALL\s+SELECT \* FROM "
    r"sqlite_temp_master\) WHERE name = '[^']*' AND type in \([^()]*\)"
    r"|PRAGMA\s+(\w+\.)?(table_x?info|index_list|index_x?info|foreign_key_list)\([^()]*\)",
    re.IGNORECASE,
)
"""What Alembic and SQLAlchemy ask of the schema, to the letter: all else may ask something else."""
_REVISION = "SELECT version_num FROM alembic_version"
_SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"

Schema = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """What revisions did to one database."""

    schema: Schema
    """What it was like before."""
    statements: tuple[str, ...]
    """What changed it; none if that is not to be done without the revisions."""


class Shortcuts:
    """What one process has learned of a history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._seen: dict[str, Recording] = {}
        self._sure: dict[str, Recording] = {}

    def upgrade(self, database: TenantDatabase, *, lock_timeout: float = LOCK_SECONDS) -> Upgrade:
        """Do what :func:`tenantry.migrations.upgrade` does, by the short way where there is one."""
        if not isinstance(database, SiteDatabase):
            return upgrade(database, self._history, lock_timeout=lock_timeout)
        if self._sure and (done := self._replay(database, lock_timeout)) is not None:
            return done
        found: list[Recording] = []

        @contextmanager
        def watching(connection: Connection) -> Iterator[None]:
            with _recording(connection, found):
                yield

        done = upgrade(database, self._history, lock_timeout=lock_timeout, watching=watching)
        for recording in found:
            self._learn(done.before, recording)
        return done

    def _learn(self, before: str, recording: Recording) -> None:
        lacking = self._history.path_from(before)
        if not before or not recording.statements or not all(map(_is_plain, lacking)):
            return
        if self._seen.get(before) == recording:
            self._sure[before] = recording
        self._seen[before] = recording

    def _replay(self, database: SiteDatabase, lock_timeout: float) -> Upgrade | None:
        """Upgrade without the revisions; ``None`` if that is not known to be the same."""
        uri = f"file:{quote(str(database.path))}?mode=rw"
        try:
            with closing(
                sqlite3.connect(uri, uri=True, timeout=lock_timeout, isolation_level=None)
            ) as connection:
                connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
                connection.execute("PRAGMA foreign_keys = OFF")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("BEGIN IMMEDIATE")
                schema = tuple(connection.execute(_SCHEMA).fetchall())
                if not any(known.schema == schema for known in self._sure.values()):
                    return None
                (before,) = connection.execute(_REVISION).fetchone() or ("",)
                known = self._sure.get(before)
                if known is None or known.schema != schema:
                    return None
                for statement in known.statements:
                    connection.execute(statement)
                if (
                    broken := connection.execute("PRAGMA foreign_key_check").fetchone()
                ) is not None:
                    raise broken_reference(broken)
                connection.execute("COMMIT")  # what ends early is rolled back by closing
                return Upgrade(before, self._history.head)
        except sqlite3.Error as error:
            raise UpgradeError(str(error)) from error


@contextmanager
def _recording(connection: Connection, into: list[Recording]) -> Iterator[None]:
    """Write down what SQLite does in the block; the connection is in a transaction."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    schema = tuple(driver.execute(_SCHEMA).fetchall())
    done: list[str] = []
    driver.set_trace_callback(done.append)
    try:
        yield
    finally:
        driver.set_trace_callback(None)
    into.append(Recording(schema, _changes_in(done)))


def _changes_in(statements: list[str]) -> tuple[str, ...]:
    """Return those that change something; none if one of them is not as simple as all that."""
    changes = []
    for statement in statements:
        text = statement.strip()
        if _CHANGE.match(text):
            changes.append(text)
        elif not _QUESTION.fullmatch(text):
            return ()
    return tuple(changes)


def _is_plain(script: Script) -> bool:
    """Say whether the revision's module can do nothing but operations on the schema."""
    return all(map(_is_harmless, ast.walk(ast.parse(Path(script.path).read_bytes()))))


def _is_harmless(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=names):
            return all(_is_known(alias.name) for alias in names)
        case ast.ImportFrom(module="alembic", level=0, names=names):
            return all(alias.name == "op" for alias in names)
        case ast.ImportFrom(module=module, level=0) if module is not None:
            return _is_known(module)
        case ast.ImportFrom():
            return False
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name not in ASKING
        case _:
            return True


def _is_known(module: str) -> bool:
    return module == "alembic.op" or any(
        module == known or module.startswith(f"{known}.") for known in MODULES
    )
