"""When jobs are due that nobody asks for. All times are UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Adds a job of the platform's each *every*, counted from midnight plus *at*.

    It fires once for the platform, however many workers and nodes there are. A moment that passes
    while no worker runs is made up for when one starts.
    """

    name: str
    job: str
    every: timedelta = DAY
    at: timedelta = timedelta(0)
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def find_due(self, moment: datetime) -> datetime:
        """Return the last moment until now at which it was due."""
        start = datetime(2000, 1, 1, tzinfo=UTC) + self.at
        return start + (moment - start) // self.every * self.every
