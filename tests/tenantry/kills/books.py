"""A factory whose sites keep notes of people: rows, files, and a schema that grows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenantry.migrations import provision_database
from tenantry.settings import get_settings
from tests.tenantry.migrations.support import NAME, NOTES, PEOPLE, write_revisions
from tests.tenantry.support import hello

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from tenantry.values.tenant import Tenant

DEMONSTRATIONS: dict[str, dict[str, Any]] = {
    "first": {"name": "First", "settings": {}},
    "second": {"name": "Second", "settings": {}},
}
TABLES = ("people", "notes", "alembic_version")
MIGRATIONS = Path("not known yet")
"""The folder of the revisions; :func:`set_revisions` makes it."""


def set_revisions(home: Path, release: str) -> None:
    """Give the factory the schema revisions of a release: one, two, or two with a maintenance page."""
    global MIGRATIONS  # noqa: PLW0603 - what a release of the factory's app would bring
    MIGRATIONS = home / f"alembic-{release}"
    if MIGRATIONS.exists():
        return
    write_revisions(MIGRATIONS, f"{PEOPLE}; {NOTES}")
    if release != "one":
        head = "maintenance = True" if release == "closed" else ""
        write_revisions(MIGRATIONS, NAME, first=2, head=head)


def create_app(tenant: Tenant) -> WSGIApplication:
    """Return an app that says whose it is."""
    return hello(tenant.slug)


def provision(tenant: Tenant) -> None:
    """Make the site's database and the folder of its pictures."""
    settings = get_settings()
    provision_database(tenant, settings, MIGRATIONS)
    (settings.tenant_dir(tenant.id) / "pictures").mkdir(parents=True, exist_ok=True)


def demonstrate(tenant: Tenant) -> None:
    """Hang a picture."""
    (get_settings().tenant_dir(tenant.id) / "pictures" / "example").write_text("a picture")
