"""``tenantry tenant check``: whether tenants' data is sound, without disturbing their sites."""

from __future__ import annotations

import click

from tenantry.cli.context import ready_catalog
from tenantry.cli.listing import json_option, pages_of
from tenantry.cli.output import echo_json, plain, progress
from tenantry.lifecycle.check import find_problems
from tenantry.settings import get_settings


@click.command()
@click.argument("slugs", nargs=-1, metavar="[SLUG]...")
@click.option("--all", "every", is_flag=True, help="Every tenant that has data.")
@json_option
def check(slugs: tuple[str, ...], *, every: bool, as_json: bool) -> None:
    """Look whether the data of each tenant SLUG, or of all, is there and sound.

    Sites are served meanwhile. Exit code 1 says that something is wrong, and where.
    """
    if every == bool(slugs):
        raise click.UsageError("Give either tenants or --all.")
    settings = get_settings()
    found: dict[str, tuple[str, ...]] = {}
    with ready_catalog(settings) as catalog:
        tenants = [catalog.tenants.get(slug) for slug in slugs]
        if every:
            pages = pages_of(
                lambda page, size: catalog.tenants.list(page=page, size=size),
                page=1,
                size=1,
                every=True,
            )
            tenants = [row.tenant for page in pages for row in page.items]
        with progress("Checking", total=len(tenants)) as step:
            for tenant in tenants:
                found[tenant.slug] = find_problems(catalog, tenant, settings)
                step()
    bad = {slug: problems for slug, problems in found.items() if problems}
    if as_json:
        echo_json([{"slug": slug, "problems": list(problems)} for slug, problems in found.items()])
    for slug, problems in bad.items():
        for problem in problems:
            click.echo(f"{slug}: {plain(problem)}", err=True)
    if bad:
        raise click.ClickException(f"{len(bad)} of {len(found)} tenants are not sound.")
    if not as_json:
        click.echo(f"{len(found)} tenants are sound.")
