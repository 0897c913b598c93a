"""When jobs are due that nobody asks for. All times are UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenantry.catalog import Catalog
    from tenantry.settings import Settings

DAY = timedelta(days=1)
HOSTS_EVERY = timedelta(seconds=15)
UNCONFIRMED_EVERY = timedelta(minutes=5)


def always(_catalog: Catalog) -> bool:
    """Say that a schedule has something to do."""
    return True


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
    is_wanted: Callable[[Catalog], bool] = always
    """Says whether there is something to do. A moment without is passed over: it leaves no job."""

    def find_due(self, moment: datetime) -> datetime:
        """Return the last moment until now at which it was due."""
        start = datetime(2000, 1, 1, tzinfo=UTC) + self.at
        return start + (moment - start) // self.every * self.every


def platform_schedules(settings: Settings) -> tuple[Schedule, ...]:
    """Return what runs for the platform: once a day, or whenever something has become due."""
    found = [
        Schedule("clean", "platform.clean", at=timedelta(hours=4, minutes=11)),
        Schedule("quotas", "platform.check_quotas", at=timedelta(hours=4, minutes=41)),
        Schedule(
            "hosts",
            "platform.check_hosts",
            every=HOSTS_EVERY,
            is_wanted=lambda catalog: catalog.host_checks.has_due(),
        ),
        Schedule(
            "unconfirmed",
            "platform.give_up_unconfirmed",
            every=UNCONFIRMED_EVERY,
            is_wanted=lambda catalog: bool(catalog.sign_ups.list_expired(limit=1)),
        ),
    ]
    if (backup_at := settings.backup_offset) is not None:
        arguments = {"keep": settings.backup_keep, "folder": settings.backup_dir or None}
        found.append(Schedule("backup", "operations.backup_all", at=backup_at, arguments=arguments))
    if (purge_at := settings.purge_offset) is not None:
        found.append(Schedule("purge", "operations.purge_due", at=purge_at))
    return tuple(found)
