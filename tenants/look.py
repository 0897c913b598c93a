"""How the current tenant's site presents itself, and where its pages are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import current_app

from tenantry import current_settings, current_tenant, site_url
from tenants.access import find_member
from tenants.carrying import sign_writer
from tenants.text import clean_line
from tenants.unsaved import name_store, pop_saved

if TYPE_CHECKING:
    from datetime import datetime

MAX_TAGLINE = 200
OWN_LANGUAGE = "en"
"""The language of the menus and messages, and of posts unless the owner says otherwise."""

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2}")


@dataclass(frozen=True, slots=True)
class Look:
    """What every page says about the site."""

    name: str
    tagline: str
    language: str
    """The language tag of what is written on the site (BCP 47)."""
    revision: int
    url: str
    """Canonical URL of the front page: from the platform, never from a Host header (R9)."""
    platform_url: str
    quiet: bool
    """A copy that does not speak for the original; its editors are told."""
    held_until: datetime | None
    """When a site is removed whose owner has not confirmed the address."""
    slug: str
    people_url: str
    """Where its owner invites colleagues."""


def get_look() -> Look:
    """Return the current site's look."""
    tagline = current_tenant.settings.get("tagline")
    return Look(
        name=current_tenant.name,
        tagline=clean_line(tagline)[:MAX_TAGLINE] if isinstance(tagline, str) else "",
        language=_read_language(current_tenant.settings.get("language")),
        revision=current_tenant.revision,
        url=site_url(),
        platform_url=current_settings.apex_url,
        quiet=current_tenant.quiet,
        held_until=current_tenant.held_until,
        slug=current_tenant.slug,
        people_url=f"{current_settings.own_sites_url}/{current_tenant.slug}/people",
    )


def _read_language(value: object) -> str:
    """Return the language tag, or our own for anything that is none."""
    return value if isinstance(value, str) and _LANGUAGE.fullmatch(value) else OWN_LANGUAGE


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
