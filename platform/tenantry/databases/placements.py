"""Finds a tenant's database from its placement, and chooses placements for new tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeGuard

from tenantry.databases.sqlite_file import site_database
from tenantry.errors import NoRoomError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Engine

    from tenantry.databases.postgresql_schema import SchemaDatabase
    from tenantry.databases.servers import Server
    from tenantry.settings import Settings
    from tenantry.values.placement import Kind, Placement
    from tenantry.values.tenant import Tenant


class TenantDatabase(Protocol):
    """One tenant's own database, whatever kind of server holds it."""

    @property
    def kind(self) -> Kind:
        """The kind of server."""

    @property
    def shown(self) -> str:
        """Where it is, for people; never with a password."""

    def exists(self) -> bool:
        """Say whether it has been made."""

    def remains(self) -> tuple[str, ...]:
        """Return the names of what is there of it, were it not enough to be served."""

    def create(self) -> None:
        """Make it, empty, if it is not there."""

    def drop(self) -> None:
        """Destroy it with all that is in it; what is not there is no error."""

    def open_engine(self) -> Engine:
        """Return an engine confined to it. The caller disposes of it."""

    def size(self) -> int:
        """Return how many bytes it takes."""

    def used(self) -> int:
        """Return how many bytes of that hold something, as far as the server knows."""

    def check(self) -> str | None:
        """Check that it is sound; return the problem."""


def tenant_database(tenant: Tenant, settings: Settings) -> TenantDatabase:
    """Return the tenant's database, on the placement that it lives on.

    :raises UnknownPlacementError: The settings do not name it any more.
    """
    placement = settings.get_placement(tenant.placement)
    if placement.kind != "postgresql":
        return site_database(tenant, settings)
    from tenantry.databases.binding import Binding  # noqa: PLC0415 - see get_server
    from tenantry.databases.postgresql_schema import SchemaDatabase  # noqa: PLC0415

    binding = Binding(
        f"t_{tenant.id}",
        statement_seconds=settings.statement_seconds_of(tenant.plan),
        lock_seconds=settings.lock_seconds_of(tenant.plan),
    )
    return SchemaDatabase(get_server(placement, settings), binding)


def get_server(placement: Placement, settings: Settings) -> Server:
    """Return the process's PostgreSQL server behind a placement.

    The driver is loaded here, and not before: without it, everything works on SQLite.
    """
    from tenantry.databases.servers import SERVERS  # noqa: PLC0415

    return SERVERS.get(placement, settings)


def is_schema(database: TenantDatabase) -> TypeGuard[SchemaDatabase]:
    """Say whether it is a schema on a PostgreSQL server."""
    return database.kind == "postgresql"


def find_orphaned_placements(settings: Settings, counts: Mapping[str, int]) -> list[str]:
    """Return a sentence for each placement that tenants live on and that the settings do not name.

    :param counts: How many tenants live on each placement.
    """
    named = {placement.name for placement in settings.databases}
    return [
        f"TENANTRY_DATABASES does not name the placement {name!r}, where {count} "
        f"{'tenant lives: its site answers' if count == 1 else 'tenants live: their sites answer'} "
        "503. Name it there again."
        for name, count in sorted(counts.items())
        if name not in named
    ]


def choose_placement(
    settings: Settings, asked: str | None, count: Callable[[], Mapping[str, int]]
) -> Placement:
    """Return where a new tenant goes: the placement asked for, or the first one with room.

    :param count: Returns how many tenants live on each placement; asked only where that matters.
    :raises UnknownPlacementError: Nothing has the name asked for.
    :raises NoRoomError: All are full. If you name a placement, its capacity limit is not checked.
    """
    if asked is not None:
        return settings.get_placement(asked)
    counts: Mapping[str, int] | None = None
    for placement in settings.databases:
        if not placement.tenants:
            return placement
        counts = count() if counts is None else counts
        if counts.get(placement.name, 0) < placement.tenants:
            return placement
    raise NoRoomError(tuple(placement.name for placement in settings.databases))
