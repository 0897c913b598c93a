"""``tenantry audit``: list and verify the audit trail, and accept a restored one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from tenantry.catalog import AuditPoint
from tenantry.cli.context import actor, ready_catalog
from tenantry.cli.listing import json_option, paged, pages_of, show_rest
from tenantry.cli.output import echo_json, echo_json_array, echo_table, plain

if TYPE_CHECKING:
    from tenantry.catalog import AuditCheck, AuditEvent

_POINT = re.compile(r"(\d{1,18}):([0-9a-f]{64})\Z")


def _point(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> AuditPoint | None:
    """Read an event's number and hash, as ``12:9f86d0...``."""
    if value is None:
        return None
    match = _POINT.match(value)
    if match is None:
        raise click.BadParameter(f"{value!r} is not an event's number, a colon and its hash.")
    return AuditPoint(int(match[1]), match[2])


@click.group()
def audit() -> None:
    """List and verify the audit trail."""


@audit.command("list")
@click.option("--tenant", "slug", metavar="SLUG", help="Only this tenant's events.")
@paged
def list_events(*, slug: str | None, page: int, size: int, every: bool, as_json: bool) -> None:
    """List the events of the audit trail, the newest first."""
    with ready_catalog() as catalog:
        tenant_id = catalog.tenants.get(slug).id if slug is not None else None
        pages = pages_of(
            lambda page, size: catalog.audit.list(tenant_id=tenant_id, page=page, size=size),
            page=page,
            size=size,
            every=every,
        )
        if as_json:
            echo_json_array(_to_json(item) for part in pages for item in part.items)
            return
        parts = list(pages)
    rows = [_to_row(item) for part in parts for item in part.items]
    echo_table(["Event", "Time (UTC)", "Who", "What", "Tenant", "Details"], rows)
    show_rest(parts[-1], every=every)


@audit.command()
@click.option(
    "--anchor",
    "known",
    callback=_point,
    metavar="NUMBER:HASH",
    help="An event that you have noted elsewhere; it must be in the trail.",
)
@json_option
def verify(*, known: AuditPoint | None, as_json: bool) -> None:
    """Verify that no event was changed, added or removed.

    Verifies the hashes from the first event to the last, and compares them with the anchor in the data
    folder. If anything is wrong, exits with 1 and names the first bad event.
    """
    with ready_catalog() as catalog:
        found = catalog.audit.verify(known=known)
    if as_json:
        echo_json(_report(found))
    if found.problem:
        raise click.ClickException(plain(found.problem))
    if not as_json:
        click.echo(_praise(found))


@audit.command()
@click.option("--reason", required=True, help="Why the trail is shorter than it was.")
def accept(*, reason: str) -> None:
    """Accept the trail as it is, after the catalog was restored from a backup.

    The anchor has then seen events that the catalog lacks. A new event records the actor and the
    reason. A chain that is broken in the middle cannot be accepted.
    """
    with ready_catalog() as catalog:
        click.echo(_praise(catalog.audit.accept(reason, by=actor())))


def _praise(found: AuditCheck) -> str:
    point = f"{found.newest.number}:{found.newest.hash}"
    anchor = found.anchor
    vouching = "it has no anchor yet" if anchor is None else f"its anchor is event {anchor.number}"
    return (
        f"The audit trail is sound: {found.checked} events, {vouching}.\n"
        f"Newest event: {point}\n"
        "Note that where nobody on this machine can change it: `tenantry audit verify --anchor` "
        "compares it later."
    )


def _report(found: AuditCheck) -> dict[str, Any]:
    anchor = found.anchor
    return {
        "sound": not found.problem,
        "problem": found.problem or None,
        "first_bad": found.first_bad,
        "events": found.checked,
        "newest": {"number": found.newest.number, "hash": found.newest.hash},
        "anchor": None if anchor is None else {"number": anchor.number, "hash": anchor.hash},
    }


def _to_row(item: AuditEvent) -> list[object]:
    details = ", ".join(f"{name}={value}" for name, value in item.detail.items())
    moment = f"{item.at:%Y-%m-%d %H:%M:%S}"
    return [item.number, moment, item.actor, item.action, item.tenant_slug or "", details]


def _to_json(item: AuditEvent) -> dict[str, Any]:
    return {
        "number": item.number,
        "at": item.at.isoformat(),
        "actor_kind": item.actor_kind,
        "actor": item.actor,
        "action": item.action,
        "tenant_id": item.tenant_id,
        "tenant": item.tenant_slug,
        "detail": dict(item.detail),
        "ip": item.ip,
        "request_id": item.request_id,
        "hash": item.hash,
    }
