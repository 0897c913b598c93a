"""``tenantry tenant maintenance``: answers 503 for a tenant until it is resumed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from tenantry.cli.context import dry_run_option, ready_operations
from tenantry.values.tenant import TenantState

FORMATS = ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
MAX_SECONDS = 365 * 24 * 3600


@click.command()
@click.argument("slug")
@click.option(
    "--message", default="", help="What visitors read.  [default: that it comes back soon]"
)
@click.option(
    "--reason", default="", help="The reason; stored in the audit trail, not shown to visitors."
)
@click.option("--until", type=click.DateTime(FORMATS), metavar="TIME", help="When it ends, in UTC.")
@click.option(
    "--retry-after",
    "seconds",
    type=click.IntRange(1, MAX_SECONDS),
    metavar="SECONDS",
    help="When it ends, from now on.",
)
@dry_run_option
def maintenance(
    slug: str,
    *,
    message: str,
    reason: str,
    until: datetime | None,
    seconds: int | None,
    dry_run: bool,
) -> None:
    """Answer 503 for the tenant SLUG from the next request on, until it is resumed.

    `Retry-After` gives the time until the end, if it is known. The maintenance does not end by itself:
    `tenantry tenant resume` ends it. Run the command again to change the message.
    """
    ends = _end(until, seconds)
    with ready_operations() as operations:
        found = operations.preview_transition(slug, TenantState.MAINTENANCE)
        if dry_run:
            click.echo(f"Would answer 503 for {slug}{_until(ends)}; it is {found.state}.")
            return
        operations.begin_maintenance(slug, notice=message, reason=reason, reopens_at=ends)
    click.echo(
        f"{slug} is in maintenance{_until(ends)}: its site answers 503. "
        f"`tenantry tenant resume {slug}` ends it."
    )


def _end(until: datetime | None, seconds: int | None) -> datetime | None:
    if until is not None and seconds is not None:
        raise click.UsageError("Give either --until or --retry-after.")
    now = datetime.now(UTC).replace(microsecond=0)
    if seconds is not None:
        return now + timedelta(seconds=seconds)
    if until is None:
        return None
    ends = until.replace(tzinfo=UTC)
    if ends <= now:
        raise click.ClickException(
            f"{ends:%Y-%m-%d %H:%M} UTC is in the past; it is {now:%H:%M} UTC."
        )
    return ends


def _until(end: datetime | None) -> str:
    return f" until {end:%Y-%m-%d %H:%M} UTC" if end else ""
