"""Finds a tenant's database from its placement, and chooses placements for new tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tenantry.databases.sqlite_file import file_at
from tenantry.errors import ElsewhereError, NoRoomError, PlacementKindError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from tenantry.databases.servers import Server
    from tenantry.databases.template import Template
    from tenantry.settings import Settings
    from tenantry.values.location import Location
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

    @property
    def file(self) -> Path | None:
        """The file that is all of it; ``None`` if a server keeps it among others."""

    @property
    def app_url(self) -> str:
        """What an app that makes its own engine passes to ``create_engine``, with its password."""

    def exists(self) -> bool:
        """Say whether it has been made."""

    def is_empty(self) -> bool:
        """Say whether it is there with nothing in it at all, as no site's ever is."""

    def remains(self) -> tuple[str, ...]:
        """Return the names of what is there of it, were it not enough to be served."""

    def create(self) -> None:
        """Make it, empty, if it is not there."""

    def create_from(self, template: Template) -> bool:
        """Make it at the newest schema revision; return whether this call did."""

    def drop(self) -> None:
        """Destroy it with all that is in it; what is not there is no error."""

    def open_engine(self) -> Engine:
        """Return an engine confined to it. The caller disposes of it."""

    def serving_engine(self) -> Engine:
        """Return the engine that all requests of this process share; nobody disposes of it."""

    def content_number(self) -> Hashable | None:
        """Return what every commit to it changes, by whichever process; ``None`` if nobody can tell.

        While two calls return the same, nothing was committed in between.
        """

    def close(self) -> None:
        """Close what this process's requests have open of it."""

    def revision(self) -> str:
        """Return the schema revision that it says it has; empty if it says none."""

    def migrating(
        self, connection: Connection, lock_timeout: float
    ) -> AbstractContextManager[None]:
        """Open a transaction in which nobody else migrates it; commit if the block ends well."""

    def login_to_admit(self) -> str | None:
        """Return the login that has to be let in before it can be made here; ``None`` for none."""

    def admit(self, login: str) -> None:
        """Let a login of another placement make the tenant's next database."""

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
    return database_at(tenant.location, settings, plan=tenant.plan)


def database_at(location: Location, settings: Settings, *, plan: str = "") -> TenantDatabase:
    """Return the database at a location, be there a tenant or not.

    :param plan: Whose limits its statements have; by default the default plan's.
    :raises UnknownPlacementError: The settings do not name the placement.
    :raises ElsewhereError: It belongs to another node.
    """
    placement = settings.get_placement(location.placement)
    check_here(placement.name, settings)
    if placement.kind != "postgresql":
        return file_at(location, settings, plan=plan)
    from tenantry.databases.binding import Binding  # noqa: PLC0415 - see get_server
    from tenantry.databases.postgresql_schema import SchemaDatabase  # noqa: PLC0415

    binding = Binding(
        f"t_{location.id}",
        statement_seconds=settings.statement_seconds_of(plan),
        lock_seconds=settings.lock_seconds_of(plan),
    )
    return SchemaDatabase(get_server(placement, settings), binding)


def check_here(placement: str, settings: Settings) -> None:
    """Refuse a placement whose data, or whose tenants' files, other nodes have.

    :raises ElsewhereError: It belongs to another node.
    """
    if node := settings.find_other_node(placement):
        raise ElsewhereError(placement, node)


def get_server(placement: Placement, settings: Settings) -> Server:
    """Return the process's PostgreSQL server behind a placement.

    The driver is loaded here, and not before: without it, everything works on SQLite.
    """
    from tenantry.databases.servers import SERVERS  # noqa: PLC0415

    return SERVERS.get(placement, settings)


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
    settings: Settings,
    asked: str | None,
    count: Callable[[], Mapping[str, int]],
    *,
    kinds: Collection[Kind] = (),
) -> Placement:
    """Return where a new tenant goes: the placement asked for, or this node's first one with room.

    :param count: Returns how many tenants live on each placement; asked only where that matters.
    :param kinds: Those that the app can live on; empty for all.
    :raises UnknownPlacementError: Nothing has the name asked for.
    :raises PlacementKindError: The app cannot live on it, or on any.
    :raises ElsewhereError: It belongs to another node, or all do.
    :raises NoRoomError: All are full. If you name a placement, its capacity limit is not checked.
    """
    if asked is not None:
        chosen = settings.get_placement(asked)
        check_here(chosen.name, settings)
        if kinds and chosen.kind not in kinds:
            raise PlacementKindError(chosen.name, tuple(kinds))
        return chosen
    counts: Mapping[str, int] | None = None
    fitting = [one for one in settings.databases if not kinds or one.kind in kinds]
    if not fitting:
        raise PlacementKindError(settings.databases[0].name, tuple(kinds))
    here = [one for one in fitting if not settings.find_other_node(one.name)]
    if not here:
        check_here(fitting[0].name, settings)
    for placement in here:
        if not placement.tenants:
            return placement
        counts = count() if counts is None else counts
        if counts.get(placement.name, 0) < placement.tenants:
            return placement
    raise NoRoomError(tuple(placement.name for placement in here))
