"""The table of tenants: what it can be filtered and sorted by, and a row of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend_app.context import catalog
from backend_app.listing import Choice, Listing
from tenantry import TenantState
from tenantry.catalog import TenantFilter

if TYPE_CHECKING:
    from tenantry.catalog import TenantRow

SORTS = ("slug", "name", "state", "plan", "created_at")
FACETS = (
    ("plan", "Plan", "plan"),
    ("placement", "Placement", "placement"),
    ("schema", "Schema", "schema_revision"),
)
"""Filters: the name in the address, its label, and the column whose values can be chosen."""
COLUMNS = {
    "name": True,
    "state": True,
    "plan": True,
    "placement": True,
    "owner": True,
    "domains": False,
    "schema": False,
    "id": False,
    "created": True,
}
"""The columns beside the address, and whether they are shown if nobody chooses."""
CSV_HEADS = ("id", "slug", "name", "state", "plan", "placement", "hosts", "owners", "created_at")


def read_listing() -> Listing:
    """Return what the request asks the table to show."""
    states = {state.value: state.capitalize() for state in TenantState}
    facets = [
        Choice(name, label, {value: value for value in catalog().listings.find_values(column)})
        for name, label, column in FACETS
    ]
    return Listing.from_request(
        "tenants.index",
        sorts=SORTS,
        choices=[Choice("state", "State", states), *facets],
        columns=COLUMNS,
    )


def read_filter(listing: Listing) -> TenantFilter:
    """Return which tenants the table shows."""
    state = listing.chosen("state")
    return TenantFilter(
        search=listing.search,
        state=TenantState(state) if state else None,
        plan=listing.chosen("plan"),
        placement=listing.chosen("placement"),
        schema=listing.chosen("schema"),
    )


def to_cells(row: TenantRow) -> tuple[object, ...]:
    """Return a row of the file."""
    tenant = row.tenant
    return (
        tenant.id,
        tenant.slug,
        tenant.name,
        tenant.state,
        tenant.plan,
        tenant.placement,
        " ".join(tenant.hosts),
        " ".join(row.owners),
        row.created_at.isoformat(timespec="seconds"),
    )
