"""A platform in a folder of its own: commands are said to it, and it is looked at as a whole."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alembic import command
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from tenantry.catalog import open_catalog, schema
from tenantry.catalog.engine import WRITE, open_engine
from tenantry.catalog.models import AccountRecord, FormerSlugRecord, TenantRecord
from tenantry.cli import main
from tenantry.errors import CatalogNotReadyError, CatalogUnavailableError
from tenantry.files.locks import lock_file
from tenantry.files.scratch import scratch_folder
from tenantry.settings import get_settings
from tests.tenantry.kills.books import TABLES
from tests.tenantry.kills.stepping import Steps

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tenantry.catalog import Catalog
    from tenantry.settings import Settings
    from tests.tenantry.kills.server import Server

MOMENT = re.compile(r"\d{8}T\d{6}\.\d{6}Z")
PASSING = ("-wal", "-shm")
"""Files that SQLite takes away by itself."""

DYING_SECONDS = 20
"""For the processes of a killed command to end on a busy machine, at most."""


@dataclass(frozen=True)
class Said:
    """What became of a command."""

    status: int
    """Its exit code; below zero the signal that ended it."""
    output: str


class World:
    """The platform.

    :param server: Where catalog and tenants' data are; without one, they are SQLite's files.
    """

    def __init__(self, home: Path, server: Server | None) -> None:
        self.home = home
        self.folder = home / "world"
        self.data = self.folder / "data"
        self.server = server
        self.folder.mkdir()
        os.environ |= {
            "TENANTRY_DATA_DIR": str(self.data),
            "TENANTRY_FACTORY": "tests.tenantry.kills.books:create_app",
        }
        if server is not None:
            os.environ |= server.variables

    @property
    def settings(self) -> Settings:
        """The settings as any command would read them."""
        get_settings.cache_clear()
        return get_settings()

    def say(self, *words: str, last: int = 0, record: Path | None = None) -> Said:
        """Say a command in a process of its own, and wait until nothing of it runs any more.

        :param last: The step before which it is killed; 0 for none.
        :param record: The file that gets a line for each step.
        """
        reading, writing = os.pipe()
        log = self.home / "said"
        child = os.fork()
        if not child:
            status = 99
            try:
                os.close(reading)
                os.set_inheritable(writing, True)
                for number in (1, 2):
                    os.dup2(_open_new(log), number)
                kept = None if record is None else _open_new(record)
                get_settings.cache_clear()
                Steps(self.folder, last=last, record=kept).watch()
                main(words)
            except SystemExit as error:
                status = error.code if isinstance(error.code, int) else 1
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        os.close(writing)
        _, ended = os.waitpid(child, 0)
        os.read(reading, 1)  # its children have the other end too
        os.close(reading)
        return Said(os.waitstatus_to_exitcode(ended), log.read_text())

    def write(
        self, slug: str, *, people: Iterable[tuple[Any, ...]], files: dict[str, bytes]
    ) -> None:
        """Add rows and files to a site."""
        key = self._find(slug)
        folder = self.settings.tenant_dir(key)
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        if self.server is not None:
            self.server.write(f"t_{key}", {"people": people})
            return
        with closing(sqlite3.connect(folder / "site.sqlite3")) as connection:
            connection.executemany("INSERT INTO people (id) VALUES (?)", people)
            connection.commit()

    def lose(self, slug: str) -> None:
        """Take a site's database away."""
        key = self._find(slug)
        if self.server is not None:
            self.server.drop(f"t_{key}")
        for path in self.settings.tenant_dir(key).glob("site.sqlite3*"):
            path.unlink()

    def begin_catalog(self, revision: str) -> None:
        """Make the catalog anew, as the release with this revision would have."""
        (self.data / "audit.anchor").unlink(missing_ok=True)  # it knows another catalog's trail
        if self.server is not None:
            self.server.empty_catalog()
        else:
            for path in self.data.glob("catalog.sqlite3*"):
                path.unlink()
        engine = open_engine(self.settings.catalog_url)
        config = schema._config()
        with engine.connect().execution_options(**WRITE) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            connection.commit()
        engine.dispose()

    def keep(self, name: str) -> None:
        """Keep all as it is now under this name."""
        shutil.rmtree(self.home / name, ignore_errors=True)
        shutil.copytree(self.folder, self.home / name, symlinks=True)
        if self.server is not None:
            self.server.keep(name, self._tenants())

    def bring_back(self, name: str) -> None:
        """Make all as it was when it was kept."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.home / name, self.folder, symlinks=True)
        if self.server is not None:
            self.server.bring_back(name, self.settings, self.begin_catalog)

    def look(self) -> dict[str, Any]:
        """Return all that is to be seen, in the words of slugs; ids and moments are left out."""
        settings = self.settings
        self._sweep()
        if self.server is None and not (self.data / "catalog.sqlite3").exists():
            return {"paths": self._paths({})}
        catalog = open_catalog(settings)
        with closing(catalog):
            try:
                revision = catalog.check_schema()
            except (CatalogNotReadyError, CatalogUnavailableError):
                return {"paths": self._paths({})}
            assert catalog.audit.verify().first_bad is None
            tenants = _read_tenants(catalog)
            with catalog.store.reading() as session:
                accounts = sorted(session.scalars(select(AccountRecord.email)))
        slugs = {facts["id"]: slug for slug, facts in tenants.items()}
        for facts in tenants.values():
            facts["data"] = self._read_data(facts.pop("id"), settings)
        seen = {"revision": revision, "tenants": tenants, "accounts": accounts}
        if self.server is not None:
            seen["server"] = sorted(_named(name, slugs) for name in self.server.names())
        return {**seen, "paths": self._paths(slugs)}

    def _sweep(self) -> None:
        """Do what every command does first: take away what is nobody's any more."""
        if (self.data / "scratch").exists():
            with scratch_folder(self.data):
                pass
        # What a killed holder leaves of a lock is an empty file. It has to be free; the next holder,
        # which a command with nothing to do is not, removes it. Migrations hold one in their own
        # processes, too, which see a moment later that the command was killed.
        for path in [*(self.data / "locks").glob("*"), *self.data.rglob("*.lock")]:
            with lock_file(path, wait=DYING_SECONDS):
                pass

    def _find(self, slug: str) -> str:
        (key,) = (key for key, name in self._tenants().items() if name == slug)
        return key

    def _tenants(self) -> dict[str, str]:
        """Return the slug of each tenant by its id."""
        catalog = open_catalog(self.settings)
        with closing(catalog):
            try:
                catalog.check_schema()
            except (CatalogNotReadyError, CatalogUnavailableError):
                return {}
            return {facts["id"]: slug for slug, facts in _read_tenants(catalog).items()}

    def _read_data(self, key: str, settings: Settings) -> dict[str, Any]:
        folder = settings.tenant_dir(key)
        files = {
            str(path.relative_to(folder)): _sum(path) if path.is_file() else None
            for path in sorted(folder.rglob("*"))
            if not path.name.startswith("site.sqlite3")
        }
        if self.server is not None:
            return {"rows": self.server.read(f"t_{key}"), "files": files}
        return {"rows": _read_file(folder / "site.sqlite3"), "files": files}

    def _paths(self, slugs: dict[str, str]) -> list[str]:
        found = (str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))
        found = (name.partition("/old/")[0] for name in found)  # what the last restore put aside
        return sorted({_named(name, slugs) for name in found if not name.endswith(PASSING)})


def _read_tenants(catalog: Catalog) -> dict[str, dict[str, Any]]:
    query = select(TenantRecord).options(
        selectinload(TenantRecord.hosts), selectinload(TenantRecord.members)
    )
    with catalog.store.reading() as session:
        former = session.execute(select(FormerSlugRecord.tenant_id, FormerSlugRecord.slug)).all()
        return {
            record.slug: {
                "id": record.id,
                "state": record.state,
                "reason": record.reason,
                "name": record.name,
                "plan": record.plan,
                "quiet": record.quiet,
                "settings": dict(record.settings),
                "schema": record.schema_revision,
                "purge": (record.purge_at is not None, record.purged_at is not None),
                "hosts": sorted(host.name for host in record.hosts),
                "members": sorted((m.account.email, m.role) for m in record.members),
                "former": sorted(slug for key, slug in former if key == record.id),
            }
            for record in session.scalars(query)
        }


def _read_file(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()  # noqa: S608
            for table in tables.intersection(TABLES)
        }


def _open_new(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _named(name: str, slugs: dict[str, str]) -> str:
    for key, slug in slugs.items():
        name = name.replace(key, f"<{slug}>")
    return MOMENT.sub("<moment>", name)
