"""``tenantry flask``: the app's own commands, run for one tenant or for all."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import click
from flask import Flask

from tenantry.cli.context import actor, ready_catalog
from tenantry.cli.listing import pages_of
from tenantry.cli.output import plain
from tenantry.flask.commands import commands_of
from tenantry.flask.factories import load_factory
from tenantry.flask.tenant_context import SERVED
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from tenantry.catalog import Catalog
    from tenantry.factory import Factory
    from tenantry.values.tenant import Tenant


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--all", "everyone", is_flag=True, help="Run it for every tenant, one after another.")
@click.argument(
    "arguments", nargs=-1, required=True, type=click.UNPROCESSED, metavar="[SLUG] COMMAND..."
)
def flask(*, everyone: bool, arguments: tuple[str, ...]) -> None:
    """Run a command of a tenant's own app.

    `tenantry flask acme shell` and `tenantry flask acme routes` work for every app. Any command that
    the app or its extensions register with Flask works, too. With --all there is no SLUG: the command
    runs for every tenant. If it fails for one, it still runs for the others, and the exit code is 1.
    """
    settings = get_settings()
    factory = load_factory(settings)
    with ready_catalog(settings) as catalog:
        if not everyone:
            slug, *command = arguments
            raise SystemExit(_run(catalog, factory, catalog.tenants.get(slug), command))
        pages = pages_of(
            lambda page, size: catalog.tenants.list(page=page, size=size),
            page=1,
            size=1,
            every=True,
        )
        tenants = [row.tenant for page in pages for row in page.items if row.tenant.state in SERVED]
        failed = []
        for tenant in tenants:
            click.echo(f"{plain(tenant.slug)}:", err=True)
            if _run(catalog, factory, tenant, list(arguments)):
                failed.append(tenant.slug)
    if failed:
        raise click.ClickException(f"{len(failed)} of {len(tenants)} failed: {', '.join(failed)}.")


def _run(catalog: Catalog, factory: Factory, tenant: Tenant, command: list[str]) -> int:
    """Run a command in the tenant's app; return its exit code."""
    if tenant.state not in SERVED:
        raise click.ClickException(f"{tenant.slug} is {tenant.state}; its app is not run.")
    app = factory.build(tenant)
    try:
        if not isinstance(app, Flask):
            raise click.ClickException(
                "The factory makes no Flask app, so there is no such command."
            )
        detail = {"command": command[0] if command else ""}
        catalog.audit.record("tenant.flask", tenant_id=tenant.id, detail=detail, by=actor())
        program, script = commands_of(app)
        name = f"tenantry flask {tenant.slug}"
        try:
            program.main(command or ["--help"], prog_name=name, obj=script)
        except SystemExit as ended:
            if isinstance(ended.code, str):
                click.echo(ended.code, err=True)
            return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except Exception:  # noqa: BLE001 - the app's own code; the next tenant's may work
            traceback.print_exc()
            return 1
    finally:
        factory.dispose(app)
