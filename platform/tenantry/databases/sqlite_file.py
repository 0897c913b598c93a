"""One tenant's SQLite file."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from sqlalchemy import create_engine, event

from tenantry.databases.engine_cache import IDLE_CONNECTIONS, MAX_OVERFLOW, ClosingPool
from tenantry.databases.engines import ENGINES
from tenantry.databases.revisions import HAS_VERSION, LOCK_SECONDS, VERSION
from tenantry.databases.sqlite_connections import BUSY_SECONDS, check_own, confine, mark_platforms
from tenantry.errors import PlacementError, UpgradeError
from tenantry.files.atomic import rename, sync_folder
from tenantry.files.disk import exists, is_file, is_symlink
from tenantry.files.locks import lock_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from tenantry.databases.template import Template
    from tenantry.settings import Settings
    from tenantry.values.location import Location
    from tenantry.values.tenant import Tenant

FILE_NAME = "site.sqlite3"
SUFFIXES = ("-wal", "-shm", "-journal", "")
"""What SQLite adds to a file's name, the file last: a log that stays behind would be another one's."""


@dataclass(frozen=True, slots=True)
class SiteDatabase:
    """One tenant's database file."""

    path: Path

    statement_seconds: float = field(default=0.0, compare=False)
    """How long a statement of a request may take; 0 sets no limit."""

    @property
    def file(self) -> Path:
        """The file; a copy of it is a copy of the database."""
        return self.path

    @property
    def kind(self) -> Literal["sqlite"]:
        """The kind of server: none, the file is all."""
        return "sqlite"

    @property
    def shown(self) -> str:
        """Where it is, for people."""
        return str(self.path)

    def exists(self) -> bool:
        """Say whether the file is there."""
        return is_file(self.path)

    def is_empty(self) -> bool:
        """Say whether it is a file without anything in it, nor in its log: no site's was ever so."""
        log = self.path.with_name(f"{self.path.name}-wal")
        sizes = (path.stat().st_size for path in (self.path, log) if exists(path))
        return self.exists() and sum(sizes) == 0

    def remains(self) -> tuple[str, ...]:
        """Return the names of the files that are there of it."""
        beside = (self.path.with_name(self.path.name + suffix) for suffix in SUFFIXES)
        return tuple(path.name for path in beside if is_symlink(path) or exists(path))

    @property
    def url(self) -> str:
        """The SQLAlchemy URL, which opens for reading and writing but never creates.

        A missing file is an error to be seen, not an empty site to be served.
        """
        return f"sqlite:///file:{quote(str(self.path))}?mode=rw&uri=true"

    @property
    def app_url(self) -> str:
        """What an app that makes its own engine connects with: plain, since apps take it apart."""
        return f"sqlite:///{self.path}"

    @property
    def engine_options(self) -> dict[str, Any]:
        """Options for ``create_engine``."""
        return {
            "poolclass": ClosingPool,
            "pool_size": IDLE_CONNECTIONS,
            "max_overflow": MAX_OVERFLOW,
            "connect_args": {"timeout": BUSY_SECONDS},
        }

    def create(self) -> None:
        """Make the folder (0700) and an empty file in WAL mode, if they are not there."""
        check_own(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.parent.chmod(0o700)
        # Two changes of the mode at once would both fail.
        with lock_folder(self.path.parent), closing(sqlite3.connect(self.path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        self.path.chmod(0o600)

    def open_engine(self) -> Engine:
        """Return an engine for the platform's own work: confined to this file, and without a limit."""
        check_own(self.path)
        engine = create_engine(self.url, hide_parameters=True, **self.engine_options)
        event.listen(engine, "connect", mark_platforms)
        return confine(engine)

    def create_from(self, template: Template) -> bool:
        """Put a copy of the template's file here, which lasts when this returns, if there is none."""
        for left in self.path.parent.glob(f".{self.path.name}.draft-*"):
            left.unlink(missing_ok=True)  # of a process that was killed: only one makes a tenant
        if self.exists():
            return False
        copy_new(template.file(), self.path)
        return True

    def revision(self) -> str:
        """Return the schema revision that the file says it has; empty if it says none.

        :raises sqlite3.Error: The file cannot be read.
        """
        # An engine would cost more than everything else. To begin a log and end it costs more than to
        # read, too. Where there is none, nobody is at work on the file, and it can be read as it is.
        logs = (self.path.with_name(self.path.name + suffix) for suffix in ("-wal", "-journal"))
        if not any(exists(log) for log in logs):
            with suppress(sqlite3.Error):
                return self._ask_revision("ro&immutable=1")
        return self._ask_revision("rw")

    def _ask_revision(self, mode: str) -> str:
        uri = f"file:{quote(str(self.path))}?mode={mode}"
        with closing(sqlite3.connect(uri, uri=True, timeout=LOCK_SECONDS)) as connection:
            if not connection.execute(HAS_VERSION["sqlite"]).fetchone()[0]:
                return ""
            found = connection.execute(VERSION).fetchone()
            return str(found[0]) if found else ""

    @contextmanager
    def migrating(self, connection: Connection, lock_timeout: float) -> Iterator[None]:
        """Hold the write lock: the driver alone would begin too late for DDL to be taken back."""
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(lock_timeout * 1000)}")
        # SQLite alters most things by copying a table and dropping the old one, which would delete
        # what refers to it. It is checked afterwards instead, as SQLite's own manual says.
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield
            _check_references(connection)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise

    def serving_engine(self) -> Engine:
        """Return the engine that this process's requests use, from the budget of open files."""
        return ENGINES.get(self.path, statement_seconds=self.statement_seconds)

    def content_number(self) -> tuple[int, int] | None:
        """Return a number that every commit to the file changes; ``None`` if it cannot be told."""
        return ENGINES.content_number(self.path)

    def close(self) -> None:
        """Close what this process's requests have open."""
        ENGINES.close(self.path)

    def login_to_admit(self) -> None:
        """Return nothing: a file has no logins."""

    def admit(self, login: str) -> None:
        """Do nothing: a file has no roles."""

    def drop(self) -> None:
        """Remove the file and its log; what is not there is no error."""
        for suffix in SUFFIXES:
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        for beside in self.path.parent.glob(f".{self.path.name}.*"):  # drafts, and a mark
            beside.unlink(missing_ok=True)
        with suppress(OSError):  # there may be other things of the tenant, or nothing at all
            self.path.parent.rmdir()

    def size(self) -> int:
        """Return the bytes of the file and its log."""
        sizes = 0
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                sizes += self.path.with_name(self.path.name + suffix).stat().st_size
        return sizes

    def used(self) -> int:
        """Return the bytes of the pages in use: what was deleted leaves room in the file.

        :raises PlacementError: The file cannot be read.
        """
        uri = f"file:{quote(str(self.path))}?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as connection:
                pages, free, size = (
                    connection.execute(f"PRAGMA {name}").fetchone()[0]
                    for name in ("page_count", "freelist_count", "page_size")
                )
        except sqlite3.Error as error:
            raise PlacementError("local", str(error)) from error
        return int((pages - free) * size)

    def check(self) -> str | None:
        """Let SQLite look at every page and index; return what is wrong.

        :raises LinkedPlaceError: It is not the tenant's own.
        """
        check_own(self.path)
        uri = f"file:{quote(str(self.path))}?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as connection:
                answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            return str(error)
        if answer != "ok":
            return str(answer)
        usable = os.access(self.path, os.R_OK | os.W_OK)
        return None if usable else "the user of this command cannot write it"


def _check_references(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        table, _, other, _ = broken
        raise UpgradeError(f"a row of {table!r} refers to one of {other!r} that does not exist")


def copy_new(template: Path, path: Path) -> None:
    """Put a copy of *template* at *path*: whole, and never over another one; it lasts afterwards."""
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    draft = folder / f".{path.name}.draft-{secrets.token_hex(4)}"
    try:
        with template.open("rb") as source, os.fdopen(_open_new(draft), "wb") as target:
            shutil.copyfileobj(source, target)
            target.flush()
            # Its name comes before it lasts: a journal then takes file and folders in one write.
            # Nobody is let in to the site before this returns.
            with suppress(FileExistsError):  # another process was faster
                os.link(draft, path)
            draft.unlink()
            os.fsync(target.fileno())
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(folder)
    sync_folder(folder.parent)


def _open_new(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def copy_site(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment, during writes; *target* appears when whole."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    target.parent.chmod(0o700)
    partial = target.with_name(f"{target.name}-partial")
    copy_file(source, partial)
    SiteDatabase(target).drop()
    rename(partial, target)


def copy_file(source: Path, target: Path) -> None:
    """Copy a database file as it is at one moment into a new file, which lasts when this returns."""
    check_own(source)
    uri = f"file:{quote(str(source))}?mode=ro"
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as reader,
        closing(sqlite3.connect(target)) as writer,
    ):
        reader.backup(writer)  # all pages in one step: one moment
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with target.open("rb+") as file:
        os.fsync(file.fileno())


def site_database(tenant: Tenant, settings: Settings) -> SiteDatabase:
    """Return where this tenant's file is; the folder is named by id, which never changes.

    :raises PlacementError: The tenant lives on a server, or nowhere.
    """
    placement = settings.get_placement(tenant.placement)
    if placement.kind != "sqlite":
        problem = f"tenant {tenant.slug!r} has no file; ask for tenant_database() instead"
        raise PlacementError(placement.name, problem)
    return file_at(tenant.location, settings, plan=tenant.plan)


def file_at(location: Location, settings: Settings, *, plan: str = "") -> SiteDatabase:
    """Return the file of a location on a placement of files."""
    folder = settings.get_placement(location.placement).folder
    # Beside the catalog, not among files that nodes may share: SQLite's log works on one machine.
    home = (settings.data_dir / "tenants" if folder is None else folder) / f"t_{location.id}"
    return SiteDatabase(home / FILE_NAME, settings.statement_seconds_of(plan))
