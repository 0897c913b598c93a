"""Checks that PostgreSQL servers answer and isolate tenants."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from tenantry.catalog.joining import find_node_id
from tenantry.catalog.tenant_locks import tenant_lock
from tenantry.databases.placements import find_orphaned_placements, get_server
from tenantry.databases.refusal import first_line
from tenantry.doctor.findings import Finding, fine, unsafe, warning
from tenantry.errors import (
    DatabaseUnavailableError,
    ElsewhereError,
    PlacementError,
    TenantLockedError,
    UnsafePlacementError,
)
from tenantry.lifecycle.plan import find_unnamed_plans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tenantry.databases.safety import Setup
    from tenantry.settings import Settings
    from tenantry.values.placement import Placement
    from tenantry.values.tenant import Tenant


_LET_IN = (
    "Add a line as `host sites /^t_ samenet scram-sha-256` to its pg_hba.conf, or give the placement "
    '`"login": "shared"`.'
)
_CLOSE = (
    'Take `"login": "shared"` out of the placement, or run what docs/data.md says under "A login '
    'for all".'
)


def examine_placements(settings: Settings) -> Iterator[Finding]:
    """Ask each server of ``TENANTRY_DATABASES``."""
    for placement in settings.databases:
        if placement.kind != "postgresql":
            continue
        from tenantry.databases.servers import probe  # noqa: PLC0415 - the driver

        subject = f"{placement.name} (placement)"
        try:
            setup = probe(placement)
        except UnsafePlacementError as error:
            yield unsafe("placements", subject, f"{error.problem}.", error.remedy)
        except DatabaseUnavailableError as error:
            yield warning("placements", subject, str(error), "Start it, or correct its URL.")
        else:
            yield _examine_login(placement, setup, subject, settings)


def _examine_login(placement: Placement, setup: Setup, subject: str, settings: Settings) -> Finding:
    """Check that tenants can sign in, or explain a shared login."""
    if placement.login == "own":
        if (problem := _try_login(placement, settings)) is not None:
            sentence = f"{placement.shown} does not let tenants sign in: {problem}."
            return unsafe("placements", subject, sentence, _LET_IN)
    elif setup.settings_are_open:
        sentence = "Its tenants share one login, and SQL that is injected into a SELECT can leave "
        return warning("placements", subject, f"{sentence}its tenant's role.", _CLOSE)
    return fine("placements", subject, f"{placement.shown} isolates tenants.")


def _try_login(placement: Placement, settings: Settings) -> str | None:
    """Sign in as a tenant that is made for that, and is gone afterwards; return what went wrong."""
    from tenantry.databases.binding import Binding  # noqa: PLC0415 - the driver
    from tenantry.databases.postgresql_schema import SchemaDatabase  # noqa: PLC0415

    place = f"{find_node_id(settings)}:doctor"
    name = f"t_{sha256(place.encode()).hexdigest()[:32]}"  # the same again after a kill
    database = SchemaDatabase(get_server(placement, settings), Binding(name))
    try:
        database.create()
        try:
            with database.open_engine().connect():
                return None
        finally:
            database.drop()
    except DBAPIError as error:
        return first_line(error)
    except PlacementError as error:
        return error.problem


def examine_homes(settings: Settings, counts: Mapping[str, int]) -> Iterator[Finding]:
    """Check that the settings name every placement that tenants live on.

    :param counts: How many tenants live on each placement, as the catalog says.
    """
    for sentence in find_orphaned_placements(settings, counts):
        said, _, remedy = sentence.rpartition(". ")
        yield unsafe("placements", "TENANTRY_DATABASES (setting)", f"{said}.", remedy)


def examine_plans(settings: Settings, counts: Mapping[str, int]) -> Iterator[Finding]:
    """Check that the settings name every plan that tenants have.

    :param counts: How many tenants have each plan, as the catalog says.
    """
    for sentence in find_unnamed_plans(settings, counts):
        said, _, remedy = sentence.rpartition(". ")
        yield warning("plans", "TENANTRY_LIMIT_PLANS (setting)", f"{said}.", remedy)


def examine_moves(settings: Settings, moves: Iterable[Tenant]) -> Iterator[Finding]:
    """Look for moves that were interrupted.

    :param moves: Tenants whose moves have begun and not ended.
    """
    for tenant in moves:
        try:
            with tenant_lock(tenant, "looked at", settings=settings, wait=0):
                yield warning(
                    "placements",
                    f"{tenant.slug} (tenant)",
                    "A move of it was interrupted: its database records changes, and may refuse "
                    "all writes.",
                    f"Run `tenantry tenant move {tenant.slug} --to ...` again.",
                )
        except (TenantLockedError, ElsewhereError):
            continue  # it is under way, or another node's
