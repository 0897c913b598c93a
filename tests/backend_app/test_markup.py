"""Every page of the backend is valid HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.markup import find_flaws

if TYPE_CHECKING:
    from tests.backend_app.conftest import Browser, World

ACME = "acme.example.test"
PLATFORM = (
    "/",
    "/tenants",
    "/tenants?search=zz",
    "/tenants/acme",
    "/tenants/new",
    "/accounts",
    "/accounts?search=zz",
    "/workers",
    "/audit",
    "/sites",
    "/account",
    "/none",
)
SITE = ("/", "/settings", "/activity", "/sections/things", "/sections/things?search=zz", "/none")


@pytest.mark.parametrize("path", PLATFORM)
def test_pages_of_the_platform_are_valid(operator: Browser, path: str) -> None:
    """No page has what a validator would complain about."""
    assert find_flaws(operator.get(path).text) == []


@pytest.mark.parametrize("path", SITE)
def test_pages_of_a_site_are_valid(olga: Browser, path: str) -> None:
    """The same on a site's own host."""
    assert find_flaws(olga.get(path, ACME).text) == []


@pytest.mark.parametrize("host", ["example.test", ACME])
def test_pages_for_strangers_are_valid(world: World, host: str) -> None:
    """So is the sign-in page, also with a complaint in it."""
    somebody = world.browser()
    assert find_flaws(somebody.get("/sign-in", host).text) == []
    refused = somebody.post("/sign-in", {"email": "no@mail.test", "password": "x"}, host)
    assert find_flaws(refused.text) == []


def test_forms_with_complaints_are_valid(operator: Browser, olga: Browser) -> None:
    """A complaint is bound to its field."""
    assert find_flaws(operator.post("/tenants/new", {"slug": "-"}).text) == []
    assert find_flaws(olga.post("/settings", {"name": ""}, ACME).text) == []
