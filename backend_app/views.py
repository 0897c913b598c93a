"""What every page can show: the scope, who is signed in, and values as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import g
from markupsafe import Markup, escape

from backend_app.activity import fold, show_json
from backend_app.context import backend, catalog
from backend_app.menu import list_links
from backend_app.session import ends_at
from tenantry import TenantState, is_local_path
from tenantry.flask.account_sessions import find_grace_end

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

    from tenantry import Tenant

STATE_NOTES: Mapping[TenantState, str] = {
    TenantState.SUSPENDED: "This site is suspended: visitors get a notice. You can read "
    "everything here, but not change what is on the site.",
    TenantState.MAINTENANCE: "This site is in maintenance: visitors are asked to come back later. "
    "You can read everything here, but cannot change the site's content.",
}
"""What the people who manage a site must know about its state."""


MOST_VALUES = 20
"""Values of a list that are shown."""
NOTHING = "\N{EN DASH}"


def init_views(app: Flask) -> None:
    """Give the templates what they all use."""
    app.add_template_filter(show_time, "time")
    app.add_template_filter(show_clock, "clock")
    app.add_template_filter(show_cell, "cell")
    app.add_template_filter(show_value, "value")
    app.add_template_filter(fold, "fold")
    app.add_template_filter(show_json, "as_json")
    app.add_template_test(is_local_path, "local_path")
    app.context_processor(_common)


def _common() -> dict[str, Any]:
    scope = g.get("scope")
    tenant = scope.tenant if scope else None
    return {
        "account": g.get("account"),
        "as_operator": g.get("as_operator", False),
        "visit_ends": ends_at() if g.get("as_operator") else None,
        "tenant": tenant,
        "state_note": note_on(tenant) if tenant else None,
        "announcements": lambda: (
            catalog().announcements.find_current(tenant.plan) if tenant else ()
        ),
        "sidebar": list_links,
        "accounts_url": backend().settings.accounts_url,
        "own_sites_url": backend().settings.own_sites_url,
        "apex_url": backend().settings.apex_url,
        "grace_end": find_grace_end(g.account) if g.get("account") else None,
        "grace_ends": not backend().settings.is_local,
        "site_url": backend().settings.site_url,
    }


def note_on(tenant: Tenant) -> str | None:
    """Return what the people who manage a site must know about its state."""
    note = STATE_NOTES.get(tenant.state)
    if note is None or tenant.state is not TenantState.MAINTENANCE:
        return note
    if tenant.notice:
        note += f" They read: “{tenant.notice}”"
    if tenant.reopens_at is not None:
        note += f" It ends at {tenant.reopens_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
    return note


def show_time(moment: datetime) -> Markup:
    """Return *moment* as a ``<time>``, in UTC: operators compare it with logs."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    shown = aware.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC" class="text-nowrap">{}</time>').format(
        shown.isoformat(timespec="seconds"),
        shown.strftime("%Y-%m-%d %H:%M:%S"),
        shown.strftime("%Y-%m-%d %H:%M"),
    )


def show_clock(moment: datetime) -> str:
    """Return the time of day: for what ends today."""
    return f"{moment.astimezone(UTC):%H:%M} UTC"


def show_cell(value: Any) -> Markup:
    """Return a cell of a table that a tenant's app filled."""
    if value is None or value == "":
        return Markup('<span class="text-body-secondary">{}</span>').format(NOTHING)
    if isinstance(value, bool):
        return escape("yes" if value else "no")
    if isinstance(value, datetime):
        return show_time(value)
    return escape(str(value))


def show_value(value: Any) -> Any:
    """Return an argument or a result of a job in words: lists and options are JSON."""
    if isinstance(value, dict):
        return show_value([f"{name}: {one}" for name, one in value.items() if one is not None])
    if not isinstance(value, list):
        return value
    if value and isinstance(value[0], list):
        return f"{len(value):,}"
    more = [f"and {len(value) - MOST_VALUES:,} more"] if len(value) > MOST_VALUES else []
    return ", ".join(map(str, [*value[:MOST_VALUES], *more]))
