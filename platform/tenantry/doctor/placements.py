"""Whether the servers that hold tenants' data answer, and keep tenants apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.databases.placements import find_homeless
from tenantry.databases.servers import probe
from tenantry.doctor.findings import Finding, fine, unsafe, warning
from tenantry.errors import DatabaseUnavailableError, TenantHeldError, UnsafePlacementError
from tenantry.lifecycle.plan import find_unnamed_plans
from tenantry.turns import holding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tenantry.settings import Settings
    from tenantry.tenant import Tenant


def examine_placements(settings: Settings) -> Iterator[Finding]:
    """Ask each server of ``TENANTRY_DATABASES``."""
    for placement in settings.databases:
        if placement.kind != "postgresql":
            continue
        subject = f"{placement.name} (placement)"
        try:
            probe(placement)
        except UnsafePlacementError as error:
            yield unsafe("placements", subject, f"{error.problem}.", error.remedy)
        except DatabaseUnavailableError as error:
            yield warning("placements", subject, str(error), "Start it, or correct its URL.")
        else:
            yield fine("placements", subject, f"{placement.shown} keeps tenants apart.")


def examine_homes(settings: Settings, counts: Mapping[str, int]) -> Iterator[Finding]:
    """Look whether every placement that tenants live on is named.

    :param counts: How many tenants live on each placement, as the catalog says.
    """
    for sentence in find_homeless(settings, counts):
        said, _, remedy = sentence.rpartition(". ")
        yield unsafe("placements", "TENANTRY_DATABASES (setting)", f"{said}.", remedy)


def examine_plans(settings: Settings, counts: Mapping[str, int]) -> Iterator[Finding]:
    """Look whether every plan that tenants have is named.

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
            with holding(tenant, "looked at", settings=settings, wait=0):
                yield warning(
                    "placements",
                    f"{tenant.slug} (tenant)",
                    "A move of it was interrupted: its database notes what is written, and may take "
                    "no writes at all.",
                    f"Say `tenantry tenant move {tenant.slug} --to ...` again.",
                )
        except TenantHeldError:
            continue  # it is under way
