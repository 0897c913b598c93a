"""When jobs are due that nobody asks for. All times are UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.settings import Settings

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


def platform_schedules(settings: Settings) -> tuple[Schedule, ...]:
    """Return what runs once a day for the platform."""
    found = [Schedule("clean", "platform.clean", at=timedelta(hours=4, minutes=11))]
    if (backup_at := settings.backup_offset) is not None:
        arguments = {"keep": settings.backup_keep, "folder": settings.backup_dir or None}
        found.append(Schedule("backup", "operations.backup_all", at=backup_at, arguments=arguments))
    if (purge_at := settings.purge_offset) is not None:
        found.append(Schedule("purge", "operations.purge_due", at=purge_at))
    return tuple(found)
