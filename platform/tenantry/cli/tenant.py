"""``tenantry tenant``: lists and shows tenants; the group of all commands on one tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tenantry.catalog.tenants import SORTS
from tenantry.cli.context import ready_catalog
from tenantry.cli.lazy import LazyGroup
from tenantry.cli.listing import json_option, paged, pages_of, show_rest
from tenantry.cli.output import echo_facts, echo_json, echo_json_array, echo_table, plain
from tenantry.settings import get_settings
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.catalog import TenantRow
    from tenantry.settings import Settings


@click.group(
    cls=LazyGroup,
    members={
        "archive": "tenantry.cli.tenant_end:archive",
        "bulk": "tenantry.cli.bulk:bulk",
        "check": "tenantry.cli.tenant_check:check",
        "clone": "tenantry.cli.clone:clone",
        "create": "tenantry.cli.create:create",
        "delete": "tenantry.cli.tenant_end:delete",
        "export": "tenantry.cli.bundle:export",
        "import": "tenantry.cli.bundle:import_",
        "maintenance": "tenantry.cli.tenant_maintenance:maintenance",
        "move": "tenantry.cli.move:move",
        "owner": "tenantry.cli.tenant_owner:owner",
        "plan": "tenantry.cli.tenant_plan:plan",
        "purge": "tenantry.cli.tenant_end:purge",
        "release": "tenantry.cli.clone:release",
        "rename": "tenantry.cli.tenant_life:rename",
        "resume": "tenantry.cli.tenant_life:resume",
        "suspend": "tenantry.cli.tenant_life:suspend",
        "undelete": "tenantry.cli.tenant_end:undelete",
    },
)
def tenant() -> None:
    """Create, list and change tenants."""


@tenant.command("list")
@click.option(
    "--search",
    default="",
    metavar="TEXT",
    help="Words of a slug, a name, a host or a person, or how they begin.",
)
@click.option("--state", type=click.Choice([state.value for state in TenantState]))
@click.option(
    "--sort",
    type=click.Choice([sign + name for name in SORTS for sign in ("", "-")]),
    default="slug",
    show_default=True,
    metavar="COLUMN",
    help=f"One of {', '.join(SORTS)}; put - in front to reverse it.",
)
@paged
def list_tenants(
    *, search: str, state: str | None, sort: str, page: int, size: int, every: bool, as_json: bool
) -> None:
    """List the tenants."""
    settings = get_settings()
    wanted = TenantState(state) if state else None
    with ready_catalog(settings) as catalog:
        pages = pages_of(
            lambda page, size: catalog.tenants.list(
                search=search, state=wanted, sort=sort, page=page, size=size
            ),
            page=page,
            size=size,
            every=every,
        )
        if as_json:
            echo_json_array(_to_json(row, settings) for part in pages for row in part.items)
            return
        parts = list(pages)
    rows = [_to_row(row, settings) for part in parts for row in part.items]
    echo_table(["Slug", "Name", "State", "Owner", "URL"], rows)
    show_rest(parts[-1], every=every)


@tenant.command()
@click.argument("slug")
@json_option
def show(slug: str, *, as_json: bool) -> None:
    """Show every value of the tenant SLUG."""
    settings = get_settings()
    with ready_catalog(settings) as catalog:
        facts = _to_json(catalog.tenants.get_row(slug), settings)
        former = catalog.names.list_former(facts["id"])
    facts["former_names"] = [
        {"slug": name.slug, "redirects_until": name.redirects_until.isoformat()} for name in former
    ]
    facts["folder"] = str(settings.tenant_dir(facts["id"]))
    if as_json:
        echo_json(facts)
        return
    facts["former_names"] = [
        f"{name.slug} (redirects until {name.redirects_until:%Y-%m-%d})"
        if name.redirects
        else f"{name.slug} (reserved)"
        for name in former
    ]
    for name in ("hosts", "owners", "former_names"):
        facts[name] = ", ".join(facts[name])
    facts["settings"] = ", ".join(f"{name}={value!r}" for name, value in facts["settings"].items())
    for name in ("message", "reopens_at", "former_placement", "moving_to", "purge_at", "purged_at"):
        if not facts[name]:
            del facts[name]
    echo_facts({name.replace("_", " ").capitalize(): value for name, value in facts.items()})


def _to_row(row: TenantRow, settings: Settings) -> list[object]:
    return [
        row.tenant.slug,
        row.tenant.name,
        _state_of(row),
        plain(", ".join(row.owners)),
        settings.site_url(row.tenant),
    ]


def _state_of(row: TenantRow) -> str:
    """Return the state, what becomes of a deleted tenant and when, and what else is particular."""
    if row.purged_at is not None:
        return f"{row.tenant.state}, purged {row.purged_at:%Y-%m-%d}"
    if row.purge_at is not None:
        return f"{row.tenant.state} until {row.purge_at:%Y-%m-%d}"
    moving = f", moving to {row.moving_to}" if row.moving_to else ""
    return f"{row.tenant.state}{', quiet' if row.tenant.quiet else ''}{moving}"


def _to_json(row: TenantRow, settings: Settings) -> dict[str, Any]:
    found = row.tenant
    return {
        "slug": found.slug,
        "name": found.name,
        "state": found.state.value,
        "reason": row.reason,
        "message": found.notice,
        "reopens_at": found.reopens_at.isoformat() if found.reopens_at else None,
        "url": settings.site_url(found),
        "hosts": list(found.hosts),
        "owners": list(row.owners),
        "plan": found.plan,
        "placement": found.placement,
        "former_placement": row.former_placement,
        "moving_to": row.moving_to,
        "quiet": found.quiet,
        "settings": dict(found.settings),
        "id": found.id,
        "revision": found.revision,
        "created_at": row.created_at.isoformat(),
        "purge_at": row.purge_at.isoformat() if row.purge_at else None,
        "purged_at": row.purged_at.isoformat() if row.purged_at else None,
    }
