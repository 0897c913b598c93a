"""How many requests each tenant had, with what errors and latency: by minute, hour and day.

The figures are a node's own, in an SQLite file beside the catalog: a request writes nothing, and the
catalog's write lock is never taken for them. Workers count in memory and write every few seconds. The
three spans are written together, so nothing has to be rolled up later, and a lost minute is only that.
"""

from __future__ import annotations

import sqlite3
import time
from bisect import bisect_right
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tenantry.files.disk import exists

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds between the classes of latency; the last class has no end."""
CLASSES = len(BOUNDS) + 1
ERRORS, MILLISECONDS = CLASSES, CLASSES + 1
"""Where a :data:`Counts` has the answers 500 and above, and the time of all requests."""

Counts = list[float]
"""Requests by class of latency, then errors, then milliseconds."""

EVERYONE = ""
"""The tenant under whose id all tenants are added up."""

BUSY_SECONDS = 2.0
CLASS_NAMES = tuple(f"c{number}" for number in range(CLASSES))
FIELDS = (*CLASS_NAMES, "errors", "ms")


class Span(NamedTuple):
    """A length of time that is counted together."""

    name: str
    seconds: int
    kept: int
    """How many of them are kept of a tenant."""


MINUTE = Span("minute", 60, 1440)
HOUR = Span("hour", 3600, 744)
DAY = Span("day", 86400, 400)
SPANS = (MINUTE, HOUR, DAY)

_CREATE = f"""
CREATE TABLE IF NOT EXISTS tenants (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS traffic (
    tenant INTEGER NOT NULL, span INTEGER NOT NULL, start INTEGER NOT NULL,
    {", ".join(f"{name} INTEGER NOT NULL" for name in FIELDS)},
    PRIMARY KEY (tenant, span, start)
) WITHOUT ROWID;
"""
# All names are this module's own: nothing from outside becomes SQL.
_ADD = f"""
INSERT INTO traffic VALUES ({", ".join("?" * (3 + len(FIELDS)))}) ON CONFLICT DO UPDATE SET
{", ".join(f"{name} = {name} + excluded.{name}" for name in FIELDS)}
"""  # noqa: S608
_NUMBER = (
    "INSERT INTO tenants (id) VALUES (?) ON CONFLICT (id) DO UPDATE SET id = id RETURNING number"
)
_PRUNE = "DELETE FROM traffic WHERE tenant = ? AND span = ? AND start < ?"
_READ = f"""
SELECT start, {", ".join(FIELDS)} FROM traffic JOIN tenants ON number = tenant
WHERE id = ? AND span = ? AND start > ? ORDER BY start
"""  # noqa: S608
_FORGET = (
    "DELETE FROM traffic WHERE tenant IN (SELECT number FROM tenants WHERE id = ?)",
    "DELETE FROM tenants WHERE id = ?",
)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What happened within one span."""

    start: float
    """When it began, in seconds since 1970."""
    classes: tuple[int, ...] = (0,) * CLASSES
    errors: int = 0
    milliseconds: float = 0.0

    @property
    def requests(self) -> int:
        """How many requests were answered."""
        return sum(self.classes)

    @property
    def mean(self) -> float:
        """Milliseconds of a request, on average."""
        return self.milliseconds / self.requests if self.requests else 0.0

    def quantile(self, share: float) -> float:
        """Return the milliseconds within which this *share* of the requests was answered.

        It is the end of the class in which that request lies; of the last class, its beginning.
        """
        wanted, passed = share * self.requests, 0
        for count, bound in zip(self.classes, (*BOUNDS, BOUNDS[-1]), strict=True):
            passed += count
            if count and passed >= wanted:
                return bound * 1000
        return 0.0


def class_of(seconds: float) -> int:
    """Return the class of latency of a request."""
    return bisect_right(BOUNDS, seconds)


def add_up(parts: Sequence[Traffic]) -> Traffic:
    """Return several spans as one."""
    start = parts[0].start if parts else 0.0
    classes = tuple(sum(counts) for counts in zip(*(part.classes for part in parts), strict=True))
    return Traffic(
        start,
        classes or (0,) * CLASSES,
        sum(part.errors for part in parts),
        sum(part.milliseconds for part in parts),
    )


class TrafficFile:
    """The figures of one node, in a file that its workers share.

    :param path: The file; it is made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, fresh: Mapping[str, Counts], *, at: float | None = None) -> None:
        """Add what was counted since the last time, by tenant, in one transaction.

        :param at: When it happened, in seconds since 1970; now if not given.
        :raises sqlite3.Error: The file cannot be written. What was counted is lost.
        """
        if not fresh:
            return
        moment = int(time.time() if at is None else at)
        everyone = [sum(column) for column in zip(*fresh.values(), strict=True)]
        with self._open() as database, database:
            database.execute("BEGIN IMMEDIATE")
            for tenant_id, counts in (*fresh.items(), (EVERYONE, everyone)):
                number = database.execute(_NUMBER, (tenant_id,)).fetchone()[0]
                whole = [round(count) for count in counts]
                for span in SPANS:
                    start = moment - moment % span.seconds
                    database.execute(_ADD, (number, span.seconds, start, *whole))
                    oldest = start - (span.kept - 1) * span.seconds
                    database.execute(_PRUNE, (number, span.seconds, oldest))

    def read(
        self, span: Span, count: int, *, tenant_id: str = EVERYONE, at: float | None = None
    ) -> list[Traffic]:
        """Return the last *count* spans, oldest first; those without a request are there, too.

        :raises sqlite3.Error: The file cannot be read.
        """
        moment = int(time.time() if at is None else at)
        last = moment - moment % span.seconds
        first = last - (count - 1) * span.seconds
        known: dict[int, Traffic] = {}
        if exists(self._path):
            with self._open() as database:
                rows = database.execute(_READ, (tenant_id, span.seconds, first - 1)).fetchall()
            known = {row[0]: Traffic(row[0], row[1 : CLASSES + 1], *row[-2:]) for row in rows}
        starts = range(first, last + 1, span.seconds)
        return [known.get(start) or Traffic(start) for start in starts]

    def forget(self, tenant_id: str) -> None:
        """Delete the figures of a tenant that is no more.

        :raises sqlite3.Error: The file cannot be written.
        """
        if exists(self._path):
            with self._open() as database, database:
                for statement in _FORGET:
                    database.execute(statement, (tenant_id,))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS)) as database:
            database.isolation_level = None
            if database.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                raise sqlite3.OperationalError(f"{self._path} cannot keep a write-ahead log")
            database.execute("PRAGMA synchronous = NORMAL")
            database.executescript(_CREATE)
            yield database
