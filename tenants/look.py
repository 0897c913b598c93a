"""How the current tenant's site presents itself, and where its pages are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import current_app

from tenantry.flask import current_tenant
from tenants.access import find_member
from tenants.carrying import sign_writer
from tenants.text import clean_line
from tenants.unsaved import name_store, pop_saved

if TYPE_CHECKING:
    from tenantry.settings import Settings

MAX_TAGLINE = 200


@dataclass(frozen=True, slots=True)
class Look:
    """What every page says about the site."""

    name: str
    tagline: str
    revision: int
    url: str
    """Canonical URL of the front page: from the platform, never from a Host header (R9)."""
    platform_url: str
    quiet: bool
    """A copy that does not speak for the original; its editors are told."""


def get_look() -> Look:
    """Return the current site's look."""
    settings: Settings = current_app.extensions["tenantry"].settings
    tagline = current_tenant.settings.get("tagline")
    return Look(
        name=current_tenant.name,
        tagline=clean_line(tagline)[:MAX_TAGLINE] if isinstance(tagline, str) else "",
        revision=current_tenant.revision,
        url=settings.site_url(current_tenant),
        platform_url=settings.apex_url,
        quiet=current_tenant.quiet,
    )


def path_of(endpoint: str, **values: Any) -> str:
    """Return the path of a page below the site's root, wherever the site is mounted.

    Unlike ``url_for`` it works without a request, and knows no prefix.
    """
    return current_app.url_map.bind("site").build(endpoint, values)


def public_url(endpoint: str, **values: Any) -> str:
    """Return the canonical URL of a page."""
    return get_look().url.rstrip("/") + path_of(endpoint, **values)


def describe() -> dict[str, Any]:
    """Return what every template may use."""
    return {
        "site": get_look(),
        "find_member": find_member,
        "public_url": public_url,
        "pop_saved": pop_saved,
        "sign_writer": sign_writer,
        "text_store": name_store,
    }
