"""Operations that are done at once, as they are offered: a tenant's state, name, plan and owners."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from tenantry.catalog import canonical_email
from tenantry.errors import BadArgumentError
from tenantry.lifecycle.declaration import EXISTING, Hint, Prepared, declare
from tenantry.lifecycle.owners import Change  # noqa: TC001 - parameters are made of annotations
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog import Job
    from tenantry.lifecycle.operations import Operations

_S = TenantState

Reason = Annotated[str, Hint("Reason", "The audit trail records it, and the owner can read it.")]


def _at_once(call: Callable[[], object]) -> Callable[[], Job | None]:
    def run() -> None:
        call()

    return run


def _already(sentence: str) -> Prepared:
    return Prepared((sentence,), lambda: None, sentence, is_needed=False)


@declare("Suspend", name="suspend", states=EXISTING - {_S.SUSPENDED})
def suspend(operations: Operations, slug: str, *, reason: Reason = "") -> Prepared:
    """Answer 403 for the site from the next request on. Its data stays."""
    found = operations.preview_transition(slug, _S.SUSPENDED)
    if found.state is _S.SUSPENDED:
        return _already(f"{slug} is suspended already.")
    return Prepared(
        (f"Would make {slug} suspended; it is {found.state}.",),
        _at_once(lambda: operations.suspend(slug, reason=reason)),
        f"{slug} is suspended: its site answers 403.",
    )


@declare("Resume", name="resume", states={_S.SUSPENDED, _S.MAINTENANCE, _S.ARCHIVED})
def resume(operations: Operations, slug: str) -> Prepared:
    """Serve the site again, after maintenance, suspension or archiving."""
    found = operations.preview_transition(slug, _S.ACTIVE)
    if found.state is _S.ACTIVE:
        return _already(f"{slug} is active already.")
    return Prepared(
        (f"Would make {slug} active; it is {found.state}.",),
        _at_once(lambda: operations.resume(slug)),
        f"{slug} is served again: {operations.settings.site_url(found)}",
    )


@declare("Maintenance", name="maintenance", states={_S.ACTIVE, _S.MAINTENANCE})
def maintenance(
    operations: Operations,
    slug: str,
    *,
    message: Annotated[
        str, Hint("Message", "What visitors read. By default, that the site comes back soon.")
    ] = "",
    until: Annotated[
        datetime | None, Hint("Until", "When it should be over, in UTC. It does not end by itself.")
    ] = None,
    reason: Reason = "",
) -> Prepared:
    """Answer 503 for the site from the next request on, until it is resumed."""
    found = operations.preview_transition(slug, _S.MAINTENANCE)
    shown = ""
    if until is not None:
        until = until.replace(tzinfo=UTC) if until.tzinfo is None else until.astimezone(UTC)
        check_ahead(until)
        shown = f" until {until:%Y-%m-%d %H:%M} UTC"
    return Prepared(
        (f"Would answer 503 for {slug}{shown}; it is {found.state}.",),
        _at_once(
            lambda: operations.begin_maintenance(
                slug, notice=message, reason=reason, reopens_at=until
            )
        ),
        f"{slug} is in maintenance{shown}: its site answers 503.",
    )


def check_ahead(until: datetime) -> None:
    """Refuse an end that is in the past.

    :raises BadArgumentError: It is.
    """
    now = datetime.now(UTC)
    if until <= now:
        problem = f"it is in the past; it is {now:%Y-%m-%d %H:%M} UTC"
        raise BadArgumentError(f"{until:%Y-%m-%d %H:%M} UTC", problem)


@declare("Archive", name="archive", states=EXISTING - {_S.ARCHIVED})
def archive(operations: Operations, slug: str, *, reason: Reason = "") -> Prepared:
    """Answer 410 for the site from the next request on. Its data stays, and it can be resumed."""
    found = operations.preview_transition(slug, _S.ARCHIVED)
    if found.state is _S.ARCHIVED:
        return _already(f"{slug} is archived already.")
    return Prepared(
        (f"Would archive {slug}: its site would answer 410; it is {found.state}.",),
        _at_once(lambda: operations.archive(slug, reason=reason)),
        f"{slug} is archived: its site answers 410.",
    )


@declare("Undelete", name="undelete", states={_S.DELETED}, suits=lambda row: not row.is_due)
def undelete(operations: Operations, slug: str) -> Prepared:
    """Make a deleted site archived again, with all its data. It answers 410 until it is resumed."""
    row = operations.preview_undelete(slug)
    if row.tenant.state is _S.ARCHIVED:
        return _already(f"{slug} is archived already.")
    until = f" and can be undeleted until {row.purge_date}" if row.purge_date else ""
    return Prepared(
        (f"Would make {slug} archived; it is deleted{until}.",),
        _at_once(lambda: operations.undelete(slug)),
        f"{slug} is archived again.",
    )


@declare("Rename", name="rename")
def rename(
    operations: Operations,
    slug: str,
    *,
    new: Annotated[str, Hint("New address", "Lower-case letters, digits and single hyphens.")],
) -> Prepared:
    """Give the site another address from the next request on.

    Its old address redirects to it for a time, and no other site can ever have it. Its custom hosts
    and its data stay as they are.
    """
    settings, found = operations.settings, operations.preview_rename(slug, new)
    days = settings.rename_redirect_days
    redirect = (
        f"its old address redirects there for {days} days" if days else "its old address is closed"
    )
    if found.slug == new:
        return _already(f"{slug} has the name {new} already.")
    return Prepared(
        (f"Would rename {slug} to {new}; {redirect}.",),
        _at_once(lambda: operations.rename(slug, new)),
        f"{slug} is renamed to {new}: {settings.site_url(replace(found, slug=new))}; {redirect}.",
    )


@declare("Change plan", name="plan", states=frozenset(_S) - {_S.DELETED})
def plan(
    operations: Operations, slug: str, *, new: Annotated[str, Hint("Plan", choices="plans")]
) -> Prepared:
    """Apply the limits of another plan to the site from the next request on."""
    before = operations.preview_plan(slug, new).plan
    if before == new:
        return _already(f"{slug} has the plan {new} already.")
    return Prepared(
        (f"Would give {slug} the plan {new}; it has {before}.",),
        _at_once(lambda: operations.change_plan(slug, new)),
        f"{slug} has the plan {new} now; it had {before}.",
    )


@declare("Change owners", name="owner", states=frozenset(_S) - {_S.DELETED})
def owner(
    operations: Operations,
    slug: str,
    *,
    change: Annotated[
        Change,
        Hint("Change", "Add an owner, remove one, or transfer the site to one account alone."),
    ],
    email: Annotated[str, Hint("E-mail", "An account is created if there is none.")],
) -> Prepared:
    """Change who owns the site. An owner manages it, and is signed in on it as its owner."""
    before = operations.catalog.tenants.get(slug).owners
    after = operations.preview_owners(slug, change, email)
    shown = ", ".join(after) or "nobody"
    if set(before) == set(after):
        alone = "alone " if change == "transfer" else ""
        owns = f"{alone}owns {slug} already" if change != "remove" else f"does not own {slug}"
        return _already(f"{canonical_email(email)} {owns}.")
    return Prepared(
        (f"Would make these the owners of {slug}: {shown}.",),
        _at_once(lambda: operations.change_owners(slug, change, email)),
        f"Owners of {slug}: {shown}.",
    )


@declare("Release", name="release", suits=lambda row: row.tenant.quiet)
def release(operations: Operations, slug: str) -> Prepared:
    """Let a clone send mail, call webhooks and run jobs, from its next request on."""
    if not operations.catalog.tenants.get(slug).quiet:
        return _already(f"{slug} is not quiet.")
    return Prepared(
        (f"Would release {slug}.",),
        _at_once(lambda: operations.release(slug)),
        f"{slug} is released.",
    )


@declare(
    "Drop the old copy",
    name="drop-former",
    is_typed=True,
    suits=lambda row: bool(row.former_placement),
)
def drop_former(operations: Operations, slug: str) -> Prepared:
    """Destroy the old copy of the site's database that its last move has left."""
    place = operations.preview_drop_former(slug)
    size = place.database.size() if place.database.exists() else 0
    what = f"the old copy of {slug} on {place.location.placement}"
    return Prepared(
        (f"Would destroy {what}, {size / 2**20:,.1f} MiB: {place.database.shown}",),
        _at_once(lambda: operations.drop_former(slug)),
        f"The old copy of {slug} on {place.location.placement} is gone.",
    )
