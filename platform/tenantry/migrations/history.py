"""A factory's Alembic history, loaded once."""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import alembic
from alembic.autogenerate import RevisionContext
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError, rev_id

from tenantry.errors import HistoryError, UnknownSchemaError
from tenantry.files.disk import is_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alembic.runtime.migration import MigrationContext
    from alembic.script import Script
    from sqlalchemy import Connection, MetaData

TEMPLATE = "script.py.mako"
_RUNNING = threading.Lock()
"""`alembic.op` is one for the whole process: revisions run in one thread at a time. A thread that wants
several at once takes several processes."""


class History:
    """The line of revisions in an Alembic folder, from nothing to its head.

    The folder's ``env.py`` is not run: which database it is, and in which transaction, is decided here.

    :param may_be_empty: Whether it may have no revision yet, so that the first one can be written.
    :raises HistoryError: The folder has no revisions, more than one newest, or needs its ``env.py``.
    """

    def __init__(self, folder: Path, *, may_be_empty: bool = False) -> None:
        self.folder = folder
        try:
            self._config = _read_config(folder)
            self._script = ScriptDirectory.from_config(self._config)
            heads = self._script.get_heads()
        except CommandError as error:
            raise HistoryError(str(folder), str(error)) from error
        if len(heads) != 1 and not (may_be_empty and not heads):
            found = f"several newest revisions ({', '.join(heads)})" if heads else "no revisions"
            raise HistoryError(str(folder), f"there are {found}; there must be one")
        self.head: str = heads[0] if heads else ""
        """The newest revision; empty if there is none yet."""
        if (needed := _find_needed(folder)) is not None:
            problem = f"its env.py has {needed}, and Tenantry does not run it; each tenant has one"
            raise HistoryError(str(folder), f"{problem} database, with the table alembic_version")
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

    def write(self, connection: Connection, metadata: MetaData, *, message: str) -> Path | None:
        """Write the revision that leads from the head to what the models say.

        :param connection: To a database at the head.
        :param message: What the revision is for; part of its file's name.
        :returns: The new file, or ``None`` if there is no difference.
        :raises HistoryError: The folder's template cannot be used.
        """
        arguments = {
            "message": message,
            "autogenerate": True,
            "sql": False,
            "head": "head",
            "splice": False,
            "branch_label": None,
            "version_path": None,
            "rev_id": _next(self._known),
            "depends_on": None,
        }
        wanted = RevisionContext(self._config, self._script, arguments)
        try:
            with _RUNNING, self._environment() as environment:
                # In batches, because SQLite can alter little of a table; servers get plain statements.
                environment.configure(
                    connection=connection, target_metadata=metadata, render_as_batch=True
                )
                context = environment.get_context()
                wanted.run_autogenerate(context.get_current_heads(), context)
            if wanted.generated_revisions[-1].upgrade_ops_list[0].is_empty():
                return None
            if not is_file(self.folder / TEMPLATE):  # as `alembic init` does
                templates = Path(alembic.__file__).with_name("templates")
                shutil.copy(templates / "generic" / TEMPLATE, self.folder)
            (self.folder / "versions").mkdir(exist_ok=True)
            (script,) = wanted.generate_scripts()
        except CommandError as error:
            raise HistoryError(str(self.folder), str(error)) from error
        return None if script is None else Path(script.path)

    def _environment(self, *, to: str | None = None, **options: Any) -> EnvironmentContext:
        def work(revision: Any, _context: MigrationContext) -> Any:
            return self._script._upgrade_revs(to or self.head, revision)  # noqa: SLF001 - as Alembic's cookbook does

        return EnvironmentContext(self._config, self._script, fn=work, **options)


def _next(known: Iterable[str]) -> str:
    """Return a name that no revision has: the next number, where all are numbers."""
    names = list(known) or ["0000"]
    if not all(name.isdecimal() for name in names):
        return rev_id()
    return str(max(map(int, names)) + 1).zfill(max(map(len, names)))


_NEEDED = {
    "a version table of its own": re.compile(r"\bversion_table(_schema)?\s*="),
    "several databases": re.compile(r"\brun_migrations\(\s*\w"),
}
"""What an ``env.py`` can say that changes what ``upgrade`` does."""


def _find_needed(folder: Path) -> str | None:
    env = folder / "env.py"
    if not is_file(env):
        return None
    code = "".join(re.findall(r"(?m)^[^#]*", env.read_text()))
    return next((what for what, pattern in _NEEDED.items() if pattern.search(code)), None)


def _read_config(folder: Path) -> Config:
    """Return what the folder's ``alembic.ini`` says of the revisions, if it has one."""
    ini = folder / "alembic.ini"
    config = Config(str(ini)) if is_file(ini) else Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


@lru_cache(maxsize=8)
def load_history(folder: Path, *, may_be_empty: bool = False) -> History:
    """Return the folder's history, read once in this process.

    :raises HistoryError: The folder has no revisions, or more than one newest.
    """
    return History(folder, may_be_empty=may_be_empty)
