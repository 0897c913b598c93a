"""Measures a tenant's room at most every five seconds, and compares it with its plan.

A site over its quota can be read and can delete, but should not grow: its app asks
:func:`find_exceeded` before it adds something, and says why it does not. Looking costs a file or a
server some work, so each tenant is looked at every few seconds at most, and only if its plan has a
limit. What is written meanwhile can exceed the limit by a little.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tenantry.databases.placements import tenant_database
from tenantry.files.disk import is_file
from tenantry.flask.binding import current_binding

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

SAMPLE_SECONDS = 5.0
MAX_SAMPLES = 10_000
"""Tenants that are remembered, at most; beyond, the one looked at first is forgotten."""

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit of a tenant's plan, and how far it is used."""

    what: str
    """``database`` or ``files``."""
    used: int
    allowed: int
    """In bytes."""

    @property
    def exceeded(self) -> bool:
        """Whether nothing may be added."""
        return self.used >= self.allowed

    def forbids(self, adding: int) -> bool:
        """Say whether files of so many bytes would exceed it."""
        return self.what == "files" and self.used + adding > self.allowed

    @property
    def used_mb(self) -> str:
        """How much is taken, in MiB, for people."""
        return f"{self.used / MIB:.1f}"

    @property
    def allowed_mb(self) -> str:
        """The limit, in MiB, for people."""
        return f"{round(self.allowed / MIB, 3):,}".removesuffix(".0")

    def __str__(self) -> str:
        take = "takes" if self.what == "database" else "take"
        return f"Its {self.what} {take} {self.used_mb} of {self.allowed_mb} MiB"


class Meter:
    """Looks at tenants, and remembers for a moment what it saw."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: OrderedDict[str, tuple[float, int, tuple[Quota, ...]]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, tenant: Tenant, settings: Settings, *, anew: bool = False) -> tuple[Quota, ...]:
        """Return the limits that the tenant's plan sets, and how far they are used.

        :param anew: Look, however short ago that was done.
        :raises PlacementError: Its database cannot be asked.
        """
        limits = settings.limits_of(tenant.plan)
        if limits.database_mb is None and limits.media_mb is None:
            return ()
        found = self._seen.get(tenant.id)
        if (
            not anew
            and found is not None
            and self._clock() < found[0]
            and found[1] == tenant.revision
        ):
            return found[2]
        quotas = []
        if limits.database_mb is not None:
            used = tenant_database(tenant, settings).used()
            quotas.append(Quota("database", used, round(limits.database_mb * MIB)))
        if limits.media_mb is not None:
            used = size_of_files(settings.tenant_dir(tenant.id))
            quotas.append(Quota("files", used, round(limits.media_mb * MIB)))
        entry = (self._clock() + SAMPLE_SECONDS, tenant.revision, tuple(quotas))
        with self._lock:
            self._seen.pop(tenant.id, None)
            self._seen[tenant.id] = entry
            if len(self._seen) > MAX_SAMPLES:
                self._seen.popitem(last=False)
        return entry[2]


METER = Meter()
"""The process's own."""


def read_quotas(tenant: Tenant, settings: Settings) -> tuple[Quota, ...]:
    """Return the limits on room that a tenant's plan sets, and how far they are used."""
    return METER.read(tenant, settings)


def find_exceeded(*, adding: int = 0) -> Quota | None:
    """Return the limit that the current tenant has reached, if any: then its app adds nothing.

    :param adding: Bytes of files that the app is about to store. The tenant is measured at this moment
        then, and a limit that they would exceed is returned too.
    :raises NoTenantError: There is no tenant here.
    """
    settings, tenant = current_binding()
    quotas = METER.read(tenant, settings, anew=adding > 0)
    return next((quota for quota in quotas if quota.exceeded or quota.forbids(adding)), None)


def size_of_files(folder: Path) -> int:
    """Return the bytes of the tenant's files; its database has a limit of its own."""
    total = 0
    # Unlike rglob, it goes on if a folder is deleted meanwhile.
    for place, _, names in os.walk(folder, onerror=_fail):
        for name in names:
            path = Path(place, name)
            if path.parent == folder and name.startswith("site.sqlite3"):
                continue
            with suppress(FileNotFoundError):
                total += path.lstat().st_size if is_file(path) else 0
    return total


def _fail(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, PermissionError)):
        raise error
