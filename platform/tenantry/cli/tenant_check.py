"""``tenantry tenant check``: checks that tenants' data exists and is sound, while their sites serve."""

from __future__ import annotations

import click

from tenantry.cli.context import ready_operations
from tenantry.cli.listing import every_tenant, json_option
from tenantry.cli.output import echo_json, plain, progress
from tenantry.values.wording import counted


@click.command()
@click.argument("slugs", nargs=-1, metavar="[SLUG]...")
@click.option("--all", "every", is_flag=True, help="Every tenant that has data.")
@json_option
def check(slugs: tuple[str, ...], *, every: bool, as_json: bool) -> None:
    """Check that the data of each tenant SLUG, or of all, exists and is sound.

    Their sites serve meanwhile. If something is wrong, the exit code is 1 and stderr names it.
    """
    if every == bool(slugs):
        raise click.UsageError("Give either tenants or --all.")
    found: dict[str, tuple[str, ...]] = {}
    with ready_operations() as operations:
        catalog = operations.catalog
        tenants = [catalog.tenants.get(slug) for slug in slugs]
        if every:
            tenants = list(every_tenant(catalog))
        with progress("Checking", total=len(tenants)) as step:
            for tenant in tenants:
                found[tenant.slug] = operations.check(tenant)
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
        verb = "is" if len(found) == 1 else "are"
        click.echo(f"{counted(len(found), 'tenant')} {verb} sound.")
