"""A factory's Alembic history, loaded once."""

from __future__ import annotations

import hashlib
import threading
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from tenantry.errors import HistoryError, UnknownSchemaError

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import Script
    from sqlalchemy import Connection

_RUNNING = threading.Lock()
"""`alembic.op` is one for the whole process: revisions run in one thread at a time. A thread that wants
several at once takes several processes."""


class History:
    """The line of revisions in an Alembic folder, from nothing to its head.

    The folder's ``env.py`` is not run: which database it is, and in which transaction, is decided here.

    :raises HistoryError: The folder has no revisions, or more than one newest.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self._script = ScriptDirectory(str(folder))
            heads = self._script.get_heads()
        except CommandError as error:
            raise HistoryError(str(folder), str(error)) from error
        if len(heads) != 1:
            found = f"several newest revisions ({', '.join(heads)})" if heads else "no revisions"
            raise HistoryError(str(folder), f"there are {found}; there must be one")
        self.head: str = heads[0]
        """The newest revision."""
        self._known = {script.revision for script in self._script.walk_revisions()}

    @cached_property
    def fingerprint(self) -> str:
        """What names the schema at the head: it changes when any of the revisions does."""
        digest = hashlib.sha256()
        for script in self._script.walk_revisions():
            digest.update(Path(script.path).read_bytes())
        return f"{self.head}-{digest.hexdigest()[:16]}"

    def path_from(self, revision: str) -> tuple[Script, ...]:
        """Return the revisions that a database at *revision* lacks, oldest first.

        :param revision: Empty for a database that has none.
        :raises UnknownSchemaError: There is no such revision.
        """
        if revision and revision not in self._known:
            raise UnknownSchemaError(revision, self.head)
        lacking = self._script.iterate_revisions(self.head, revision or "base")
        return tuple(reversed(list(lacking)))

    def needs_maintenance(self, revision: str) -> bool:
        """Say whether a database at *revision* lacks one that says ``maintenance = True``."""
        try:
            lacking = self.path_from(revision)
        except UnknownSchemaError:
            return False  # it will be refused, and is as it was
        return any(getattr(script.module, "maintenance", False) for script in lacking)

    def run(self, connection: Connection, *, to: str | None = None) -> None:
        """Bring the database to the head, in the transaction that the connection is in.

        :param to: An earlier revision instead.
        """
        with _RUNNING, self._environment(to=to) as environment:
            environment.configure(connection=connection)
            environment.run_migrations()

    def render(self, dialect: str, revision: str, buffer: TextIO) -> None:
        """Write the SQL that leads from *revision* to the head, without any database.

        What a revision asks of the database cannot be known, and fails.
        """
        with _RUNNING, self._environment(as_sql=True, starting_rev=revision or None) as environment:
            environment.configure(dialect_name=dialect, output_buffer=buffer, literal_binds=True)
            environment.run_migrations()

    def _environment(self, *, to: str | None = None, **options: Any) -> EnvironmentContext:
        def work(revision: Any, _context: MigrationContext) -> Any:
            return self._script._upgrade_revs(to or self.head, revision)  # noqa: SLF001 - as Alembic's cookbook does

        return EnvironmentContext(Config(), self._script, fn=work, **options)


@lru_cache(maxsize=8)
def load_history(folder: Path) -> History:
    """Return the folder's history, read once in this process.

    :raises HistoryError: The folder has no revisions, or more than one newest.
    """
    return History(folder)
