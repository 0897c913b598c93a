"""One tenant's SQLite file."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from sqlalchemy import create_engine, event
from sqlalchemy.exc import DisconnectionError

from tenantry.databases.authorizer import restrict
from tenantry.databases.engine_cache import IDLE_CONNECTIONS, MAX_OVERFLOW, ClosingPool
from tenantry.databases.refusal import tell_moves
from tenantry.databases.timing import TimedConnection
from tenantry.errors import LinkedPlaceError, PlacementError
from tenantry.files.atomic import rename
from tenantry.files.disk import exists, is_file, is_symlink
from tenantry.files.locks import lock_folder

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

FILE_NAME = "site.sqlite3"
SUFFIXES = ("-wal", "-shm", "-journal", "")
"""What SQLite adds to a file's name, the file last: a log that stays behind would be another one's."""
BUSY_SECONDS = 5
DESCRIPTORS = 3
"""What a connection takes: the file, its write-ahead log and the index of that."""
_FILE = "tenantry.file"
"""Key under which a pooled connection remembers its file; the path is empty in memory."""
_PLATFORMS = "tenantry.platforms"
"""Key under which a connection of the platform's own work is marked."""


@dataclass(frozen=True, slots=True)
class SiteDatabase:
    """One tenant's database file."""

    path: Path

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
        event.listen(engine, "connect", _prepare_for_platform)
        return confine(engine)

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
        return None if answer == "ok" else str(answer)


def check_own(path: Path) -> None:
    """Make sure that neither a tenant's file nor its folder is a link.

    A user who can put one there could make a site show, and write to, another site's data.

    :raises LinkedPlaceError: One does.
    """
    for place in (path.parent, path):
        try:
            found = os.lstat(place)
        except OSError:
            continue  # nothing is no link; opening it will tell
        if stat.S_ISLNK(found.st_mode):
            problem = f"{place} is a link, and may lead to another tenant's data"
            raise LinkedPlaceError("local", problem)


def copy_site(source: SiteDatabase, target: SiteDatabase) -> None:
    """Copy a database as it is at one moment, during writes; *target* appears when whole."""
    target.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    target.path.parent.chmod(0o700)
    partial = target.path.with_name(f"{target.path.name}-partial")
    copy_file(source.path, partial)
    target.drop()
    rename(partial, target.path)


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
    if placement.folder is None:
        return SiteDatabase(settings.tenant_dir(tenant.id) / FILE_NAME)
    return SiteDatabase(placement.folder / f"t_{tenant.id}" / FILE_NAME)


def confine(engine: Engine) -> Engine:
    """Make every connection of *engine* safe: no way into another file, foreign keys enforced.

    A pooled connection is used again only while its file is the one that stands under its name. The
    time of its statements is counted, unless the engine has a ``creator`` of its own.
    """
    if not event.contains(engine, "checkout", _check_file):
        guard(engine)
        event.listen(engine, "do_connect", _count_time)
        tell_moves(engine)
    return engine


def guard(target: Engine | type[ClosingPool]) -> None:
    """Have the connections of an engine, or of a whole kind of pools, prepared and checked."""
    event.listen(target, "connect", _prepare)
    event.listen(target, "checkout", _check_file)


_NO_INDEX = frozenset(
    {
        "SQLITE_IOERR_SHMSIZE",
        "SQLITE_IOERR_SHMOPEN",
        "SQLITE_IOERR_SHMMAP",
        "SQLITE_CANTOPEN",
        "SQLITE_READONLY_CANTINIT",
        "SQLITE_READONLY_DIRECTORY",
    }
)
"""What SQLite says where the index of a write-ahead log cannot be made."""


def lacks_index(error: sqlite3.Error, path: Path) -> bool:
    """Say whether a file cannot be opened only because no log can be made beside it, and needs none.

    On a full disk, or in a folder that may not be written to, SQLite cannot even read a database in
    WAL mode that nobody else has open. Without anything in the log, the file alone is the whole
    database, and nobody can be writing to it.
    """
    if getattr(error, "sqlite_errorname", "") not in _NO_INDEX or not is_file(path):
        return False
    try:
        return path.with_name(path.name + "-wal").stat().st_size == 0
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _count_time(_dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> None:
    options.setdefault("factory", TimedConnection)


def _check_file(_connection: Any, record: Any, _proxy: Any) -> None:
    # An open handle outlives its file's name: it would go on writing, and acknowledging, into a
    # file that was deleted or that a restored one has replaced.
    path, identity = record.info[_FILE]
    if path and _identity(path) != identity:
        raise DisconnectionError(f"{path} is not the file that was opened")


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - for each request that asks the database
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _prepare_for_platform(_connection: Any, record: Any) -> None:
    record.info[_PLATFORMS] = True


def _prepare(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")
    path = cursor.execute("PRAGMA database_list").fetchone()[2]
    cursor.close()
    restrict(connection, is_platforms=_PLATFORMS in record.info)
    record.info[_FILE] = (path, _identity(path) if path else None)
