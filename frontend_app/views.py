"""What every page of the front app can show."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import g
from markupsafe import Markup

from frontend_app import look, terms
from frontend_app.context import front

if TYPE_CHECKING:
    from flask import Flask

    from tenantry import Tenant
    from tenantry.catalog import Account

NO_ACCENT = "#1d6b52"
"""The look's own, which a site without a colour has."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\Z")


def init_views(app: Flask) -> None:
    """Give the templates what they all use."""
    app.add_template_filter(accent_of, "accent")
    app.add_template_filter(address_of, "address")
    app.add_template_filter(show_time, "time")
    app.add_template_filter(look.render_markdown, "markdown")
    app.jinja_env.globals.update(
        colours_url=look.colours_url,
        has_colours=look.has_colours,
        logo_size=look.logo_size,
        logo_url=look.logo_url,
    )
    app.context_processor(_common)


def accent_of(tenant: Tenant) -> str:
    """Return the site's colour, if what its owner chose is one."""
    accent = str(tenant.settings.get("accent") or "")
    return accent if _COLOUR.match(accent) else NO_ACCENT


def address_of(tenant: Tenant) -> str:
    """Return the site's address as people write it."""
    return front().settings.site_url(tenant).partition("://")[2].rstrip("/")


def show_time(moment: datetime) -> Markup:
    """Return *moment* as a ``<time>``, in the zone of who is signed in, or in UTC."""
    shown = moment.astimezone(zone_of(g.get("account")))
    return Markup('<time datetime="{}" class="text-nowrap">{}</time>').format(
        moment.astimezone(UTC).isoformat(timespec="seconds"), f"{shown:%Y-%m-%d %H:%M %Z}"
    )


def zone_of(account: Account | None) -> tzinfo:
    """Return the time zone that an account has chosen; UTC by default."""
    try:
        return ZoneInfo(account.time_zone) if account is not None and account.time_zone else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC  # another release of the time zone database had it


def _common() -> dict[str, Any]:
    settings, page = front().settings, look.front_page()
    # Absolute, because the page about a free name stands on that name's host.
    return {
        "account": g.get("account"),
        "accounts_url": settings.accounts_url,
        "apex_url": settings.apex_url,
        "backend_url": settings.backend_url,
        "can_sign_up": settings.signup == "open",
        "domain": settings.domain,
        "has_terms": terms.has_terms(),
        "look": page,
        "own_sites_url": settings.own_sites_url,
        "site_url": settings.site_url,
    }
