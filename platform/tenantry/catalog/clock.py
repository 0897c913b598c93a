"""The time by which nodes agree on leases and due times: the database server's, not a machine's own."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from tenantry.catalog.models import now

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

READ_AGAIN = 60.0
"""Seconds after which the server is asked anew; meanwhile this machine's monotonic clock counts."""


class CatalogClock:
    """Tells the time of a catalog's server; on SQLite, which one machine uses, that machine's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: tuple[datetime, float] | None = None  # replaced as a whole: threads share it

    def __call__(self, connection: Connection | None = None) -> datetime:
        """Return the time in UTC.

        :param connection: One that is open anyway, to ask the server with.
        """
        if self._engine.dialect.name != "postgresql":
            return now()
        known = self._known
        if known is None or time.monotonic() - known[1] > READ_AGAIN:
            known = self._known = (self._read(connection), time.monotonic())
        return known[0] + timedelta(seconds=time.monotonic() - known[1])

    def _read(self, connection: Connection | None) -> datetime:
        if connection is None:
            with self._engine.connect() as own:
                return self._read(own)
        found: datetime | None = connection.scalar(select(func.clock_timestamp()))
        assert found is not None  # a server has a clock
        return found.astimezone(UTC)
