"""Waits for what PostgreSQL's NOTIFY tells of changes and jobs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threading import Event

    import psycopg
    from sqlalchemy import Engine

log = logging.getLogger(__name__)

CHANNEL = "tenantry_changes"
JOBS_CHANNEL = "tenantry_jobs"


class PostgresListener:
    """LISTEN on a connection of its own; a lost one is opened again. Notices only wake."""

    def __init__(self, engine: Engine, *channels: str) -> None:
        self._channels = channels
        self._conninfo = engine.url.set(drivername="postgresql").render_as_string(
            hide_password=False
        )
        self._connection: psycopg.Connection[Any] | None = None

    def wait(self, seconds: float, stopping: Event) -> set[str]:
        """Return the channels that have news; none after *seconds*, or if the server is away."""
        import psycopg  # noqa: PLC0415 - a catalog on SQLite needs no driver

        try:
            notices = self._connect().notifies(timeout=seconds, stop_after=1)
            return {notice.channel for notice in notices}
        except psycopg.Error as error:
            log.warning("listening for changes failed: %s", str(error).strip())
            self.close()
            stopping.wait(seconds)
            return set()

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
        """Close the connection; the next look opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> psycopg.Connection[Any]:
        import psycopg  # noqa: PLC0415 - see above

        if self._connection is None:
            self._connection = psycopg.connect(self._conninfo, autocommit=True, connect_timeout=3)
            for channel in self._channels:
                self._connection.execute(f"LISTEN {channel}")
        return self._connection
