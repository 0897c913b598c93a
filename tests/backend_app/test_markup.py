"""Every page of the backend is valid HTML."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tests.markup import find_flaws

if TYPE_CHECKING:
    from tests.backend_app.conftest import Browser, World

ACME = "acme.example.test"
PLATFORM = (
    "/find",
    "/find?search=acme",
    "/find?search=zz",
    "/",
    "/tenants",
    "/tenants?search=zz",
    "/tenants/acme",
    "/tenants/new",
    "/tenants/acme/delete",
    "/tenants/acme/owner",
    "/jobs",
    "/import",
    "/migrations",
    "/tenants/acme/backups",
    "/jobs?state=failed",
    "/accounts",
    "/accounts?search=zz",
    "/workers",
    "/audit",
    "/api",
    "/api-tokens",
    "/none",
)
SITE = (
    "/",
    "/settings",
    "/activity",
    "/api",
    "/site-tokens",
    "/sections/things",
    "/sections/things?search=zz",
    "/none",
)


@pytest.mark.parametrize("path", PLATFORM)
def test_pages_of_the_platform_are_valid(operator: Browser, path: str) -> None:
    """No page has what a validator would complain about."""
    assert find_flaws(operator.get(path).text) == []


@pytest.mark.parametrize("path", SITE)
def test_pages_of_a_site_are_valid(olga: Browser, path: str) -> None:
    """The same on a site's own host."""
    assert find_flaws(olga.get(path, ACME).text) == []


def test_pages_for_strangers_are_valid(world: World) -> None:
    """So is the page that lets people in, and the one that does not."""
    assert find_flaws(world.browser().get("/enter/gone", ACME).text) == []
    account = world.catalog.accounts.find("olga@example.com")
    assert account is not None
    token = world.catalog.links.create(
        "enter",
        account_id=account.id,
        tenant_id=world.catalog.tenants.get("acme").id,
        lifetime=timedelta(minutes=1),
        by=SYSTEM,
    )
    assert find_flaws(world.browser().get(f"/enter/{token}", ACME).text) == []


def test_forms_with_complaints_are_valid(operator: Browser, olga: Browser) -> None:
    """A complaint is bound to its field."""
    assert find_flaws(operator.post("/tenants/new", {"slug": "-"}).text) == []
    assert find_flaws(olga.post("/settings", {"name": ""}, ACME).text) == []
