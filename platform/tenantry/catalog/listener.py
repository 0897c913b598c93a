"""Waits for changes: PostgreSQL's NOTIFY, or polling elsewhere."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from threading import Event

    import psycopg
    from sqlalchemy import Engine

log = logging.getLogger(__name__)

CHANNEL = "tenantry_changes"
JOBS_CHANNEL = "tenantry_jobs"


class Listener(Protocol):
    """Tells when it is worth asking the catalog for its epoch."""

    def wait(self, seconds: float, stopping: Event) -> None:
        """Return after *seconds*, or earlier with news or when *stopping*."""
        ...

    def close(self) -> None:
        """Give up what it holds."""
        ...


def open_listener(engine: Engine) -> Listener:
    """Return the listener that fits the catalog's database."""
    if engine.dialect.name == "postgresql":
        return PostgresListener(engine)
    return SqliteListener()


class SqliteListener:
    """SQLite sends no notices; on its one node the shared counter has told everyone already."""

    def wait(self, seconds: float, stopping: Event) -> None:
        stopping.wait(seconds)

    def close(self) -> None:
        pass


class PostgresListener:
    """LISTEN on a connection of its own; a lost one is opened again. Notices only wake."""

    def __init__(self, engine: Engine, channel: str = CHANNEL) -> None:
        self._channel = channel
        self._conninfo = engine.url.set(drivername="postgresql").render_as_string(
            hide_password=False
        )
        self._connection: psycopg.Connection[Any] | None = None

    def wait(self, seconds: float, stopping: Event) -> None:
        import psycopg  # noqa: PLC0415 - a catalog on SQLite needs no driver

        try:
            connection = self._connect()
            for _ in connection.notifies(timeout=seconds, stop_after=1):
                break
        except psycopg.Error as error:
            log.warning("listening for changes failed: %s", str(error).strip())
            self.close()
            stopping.wait(seconds)

    def find_descriptor(self) -> int | None:
        """Return what becomes readable with news; ``None`` while the server cannot be reached."""
        import psycopg  # noqa: PLC0415 - see above

        try:
            return self._connect().fileno()
        except psycopg.Error as error:
            log.warning("listening for jobs failed: %s", str(error).strip())
            self.close()
            return None

    def take(self) -> None:
        """Read the news that is there."""
        import psycopg  # noqa: PLC0415 - see above

        try:
            for _ in self._connect().notifies(timeout=0):
                pass
        except psycopg.Error:  # found again at the next look
            self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> psycopg.Connection[Any]:
        import psycopg  # noqa: PLC0415 - see above

        if self._connection is None:
            self._connection = psycopg.connect(self._conninfo, autocommit=True, connect_timeout=3)
            self._connection.execute(f"LISTEN {self._channel}")
        return self._connection
