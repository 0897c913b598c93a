"""Creates the demonstration sites of ``tenantry init --demo``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from tenantry.cli.output import plain, progress
from tenantry.lifecycle import Operations
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.factory import Factory
    from tenantry.values.tenant import Tenant


def add_demonstrations(operations: Operations, *, owner: str) -> None:
    """Add the factory's demonstration sites that are missing, unless the platform is in real use.

    They belong to *owner*, who can then write on them.

    A site is opened when its example content is complete. So one that is open is never touched
    again, and one that an interrupted run left behind is completed.
    """
    catalog, settings = operations.catalog, operations.settings
    factory = with_content(operations.factory)
    operations = Operations(catalog, factory, settings=settings, actor=operations.actor)
    wanted = factory.demonstrations
    found = {slug: tenant for slug in wanted if (tenant := catalog.tenants.find(slug))}
    if not wanted:
        click.echo(f"TENANTRY_FACTORY={settings.factory} has no DEMONSTRATIONS; no sites added.")
        return
    if not found and any(catalog.tenants.count_by_state().values()):
        click.echo("The platform already has sites; no demonstration sites added.")
        return
    missing = [slug for slug in wanted if _is_incomplete(found.get(slug))]
    with progress("Demonstration sites", total=len(missing)) as step:
        for slug in missing:
            _add(operations, slug, found.get(slug), owner=owner)
            step()
    click.echo(f"Demonstration sites: {plain(', '.join(wanted))}")


def with_content(factory: Factory) -> Factory:
    """Return *factory* with example content as a part of a site's own data."""

    def provision_with_content(tenant: Tenant) -> None:
        factory.provision(tenant)
        factory.demonstrate(tenant)

    return replace(factory, provision=provision_with_content)


def _is_incomplete(tenant: Tenant | None) -> bool:
    return tenant is None or tenant.state is TenantState.PROVISIONING


def _add(operations: Operations, slug: str, found: Tenant | None, *, owner: str) -> None:
    if found is not None:
        operations.complete(found, owner_email=owner)
        return
    site = operations.factory.demonstrations[slug]
    operations.create(
        slug, name=site["name"], owner_email=owner, site_settings=site.get("settings")
    )
