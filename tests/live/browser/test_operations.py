"""What an operator does with sites that are deleted, copied, closed or lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from playwright.sync_api import expect

import tenants
from tenantry.catalog import SYSTEM
from tenantry.factory import Factory
from tenantry.lifecycle import Operations

if TYPE_CHECKING:
    from tests.live.browser.person import Person
    from tests.live.server import Server


def factory_of(platform: Server) -> Factory:
    """Return the bundled factory, as the server has it."""
    return Factory(
        build=tenants.create_app,
        provision=partial(tenants.provision, settings=platform.settings),
        find_migrations=lambda: tenants.MIGRATIONS,
    )


def add(platform: Server, slug: str) -> None:
    """Make a site."""
    Operations(
        platform.catalog, factory_of(platform), settings=platform.settings, actor=SYSTEM
    ).create(slug, name=slug.title())


def test_a_deleted_site_comes_back_and_is_purged(platform: Server, operator: Person) -> None:
    """Its page has buttons, each leads to a page that says what happens."""
    add(platform, "attic")

    def delete() -> None:
        Operations(platform.catalog, settings=platform.settings, actor=SYSTEM).delete("attic")
        operator.go("", "/backend/tenants/attic")

    delete()
    operator.look("site-deleted")
    operator.click("Undelete it", role="link")
    operator.sees("Undelete: Attic")
    operator.look("site-undelete")
    operator.click("Undelete")
    operator.is_told("attic is archived again")

    delete()
    operator.click("Purge it", role="link")
    operator.sees("Purge: Attic")
    operator.look("site-purge")


def test_a_copy_is_released(platform: Server, operator: Person, visitor: Person) -> None:
    """Until then everybody sees that it is a copy."""
    factory = factory_of(platform)
    Operations(platform.catalog, factory, settings=platform.settings, actor=SYSTEM).clone(
        "acme", "acme-copy"
    )
    visitor.go("acme-copy")
    expect(visitor.page.get_by_text("This site is a copy.")).to_be_visible()
    visitor.look("copy")
    operator.go("", "/backend/tenants/acme-copy")
    operator.click("Release the copy", role="link")
    operator.look("site-release")
    operator.click("Release")
    operator.is_told("is released")
    visitor.go("acme-copy")
    expect(visitor.page.get_by_text("This site is a copy.")).to_have_count(0)


def test_sites_that_are_not_served_are_seen(
    platform: Server, operator: Person, visitor: Person
) -> None:
    """One in maintenance in the operator's words, one whose database is gone with the remedy."""
    add(platform, "engine")
    ends = datetime.now(UTC) + timedelta(hours=2)
    Operations(platform.catalog, settings=platform.settings, actor=SYSTEM).begin_maintenance(
        "engine", notice="New engine.", reopens_at=ends
    )
    assert visitor.go("engine", status=503).headers["retry-after"] == "7200"
    expect(visitor.page.get_by_text("New engine.")).to_be_visible()
    visitor.look("maintenance")
    operator.go("", "/backend/tenants/engine")
    operator.look("site-in-maintenance")

    add(platform, "hollow")
    platform.site_file("hollow").unlink()
    operator.go("", "/backend/tenants/hollow")
    expect(operator.page.get_by_role("link", name="Restore it")).to_be_visible()
    operator.look("site-without-database")


def test_names_that_nobody_can_have(platform: Server, visitor: Person) -> None:
    """An old name, a reserved one and one of two labels each say what is true of them."""
    add(platform, "oldname")
    tenant = platform.catalog.tenants.get("oldname")
    over = datetime.now(UTC) - timedelta(days=1)
    platform.catalog.names.rename(tenant.id, "newname", redirects_until=over, by=SYSTEM)
    for slug, text in (
        ("oldname", "stays reserved"),
        ("a.b", "one word before the domain"),
        ("billing", "keeps this name for itself"),
        ("nobody-yet", "No site has this name yet"),
    ):
        visitor.go(slug, status=404)
        expect(visitor.page.get_by_text(text)).to_be_visible()
        visitor.look(f"name-{slug}")
