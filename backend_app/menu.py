"""The console's sidebar: each page that stands in it is one line here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import g, request, url_for

from backend_app.access import is_owner
from backend_app.context import backend
from backend_app.instances import find_section_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry import Tenant


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the sidebar that leads to one of the app's pages."""

    label: str
    icon: str
    endpoint: str
    blueprints: tuple[str, ...] = ()
    """The line is marked on every page of these; without any, on its own page only."""


PLATFORM = (
    Place("Overview", "home", "home.index"),
    Place("Sites", "globe", "tenants.index", ("tenants", "operations", "backups", "imports")),
    Place("People", "people", "accounts.index", ("accounts",)),
    Place("Jobs", "jobs", "jobs.index", ("jobs",)),
    Place("Backups", "archive", "all_backups.index"),
    Place("Migrations", "layers", "migrations.index"),
    Place("Domains", "globe", "all_domains.index"),
    Place("Plans", "page", "plans.index"),
    Place("Mail", "mail", "mail.index", ("mail",)),
    Place("Front page", "page", "front_page.index", ("front_page",)),
    Place("Announcements", "comment", "announcements.index"),
    Place("Health", "pulse", "workers.index", ("workers",)),
    Place("Nodes", "grid", "nodes.index"),
    Place("Doctor", "check", "doctor.index"),
    Place("Settings", "settings", "settings_page.index"),
    Place("Audit", "list", "audit.index", ("audit",)),
    Place("API tokens", "key", "api_tokens.platform"),
    Place("Webhooks", "external", "webhooks.platform_index", ("webhooks",)),
)
"""What operators see, from top to bottom."""

SITE_FIRST = (Place("Overview", "home", "home.index"),)
SITE_LAST = (
    Place("Domains", "globe", "domains.index", ("domains",)),
    Place("Settings", "settings", "site.settings"),
    Place("Activity", "list", "site.activity"),
)
SITE_MEMBERS = (
    Place("Backups", "archive", "own_site.backups", ("own_jobs",)),
    Place("Plan and use", "pulse", "own_site.usage"),
    Place("Mail", "mail", "own_site.mail"),
)
"""What owners and staff see, and an operator on a visit does not."""
SITE_DANGER = Place("Danger zone", "alert", "own_site.danger")
SITE_WEBHOOKS = Place("Webhooks", "external", "webhooks.site_index", ("webhooks",))
SITE_TOKENS = Place("API tokens", "key", "api_tokens.site")
"""What owners and staff see, above and below their site's own sections."""


@dataclass(frozen=True, slots=True)
class Link:
    """A line of the sidebar as the page shows it."""

    label: str
    icon: str
    url: str
    current: bool = False
    is_page: bool = False
    """This very page, and not one below it."""


def list_links() -> list[Link]:
    """Return the sidebar of this request; it is empty for those who are not signed in."""
    scope = g.get("scope")
    if scope is None or g.get("account") is None:
        return []
    if scope.tenant is not None:
        return list(_list_site(scope.tenant))
    return [_link(place) for place in PLATFORM] if g.account.operator else []


def _list_site(tenant: Tenant) -> Iterator[Link]:
    yield from (_link(place) for place in SITE_FIRST)
    shown = (request.view_args or {}).get("name") if request.blueprint == "sections" else None
    for name, label in find_section_names():
        url = url_for("sections.show", name=name)
        yield Link(label, "page", url, name == shown, name == shown)
    yield from (_link(place) for place in SITE_LAST)
    if not g.as_operator:  # an operator on a visit is no member of the site
        yield from (_link(place) for place in SITE_MEMBERS)
        yield _link(SITE_TOKENS)
        own = backend().settings.own_sites_url
        yield Link("People", "people", f"{own}/{tenant.slug}/people")
        if is_owner():
            yield _link(SITE_WEBHOOKS)
            yield _link(SITE_DANGER)


def _link(place: Place) -> Link:
    is_page = request.endpoint == place.endpoint
    current = is_page or request.blueprint in place.blueprints
    return Link(place.label, place.icon, url_for(place.endpoint), current, is_page)
