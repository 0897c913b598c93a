"""Sites for the tests, made by the platform's own test kit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.tenants.helpers import ADDRESS, Site, Visitor

if TYPE_CHECKING:
    from tenantry import Settings, Tenant


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let a site's tests run on each kind of placement, unless their module names its ``KINDS``."""
    if "kind" in metafunc.fixturenames:
        kinds = getattr(metafunc.module, "KINDS", ("sqlite", "postgresql"))
        marks = {"postgresql": [pytest.mark.postgresql]}
        metafunc.parametrize("kind", [pytest.param(k, marks=marks.get(k, [])) for k in kinds])


@pytest.fixture
def databases(kind: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the placement of the sites, as settings have it."""
    return {"local": "sqlite" if kind == "sqlite" else request.getfixturevalue("server_url")}


@pytest.fixture
def tenantry_variables() -> dict[str, str]:
    """Return the settings of the sites."""
    return {"TENANTRY_FACTORY": "tenants:create_app"} | {
        f"TENANTRY_{name.upper()}": value for name, value in ADDRESS.items()
    }


@pytest.fixture
def tenantry_placement(databases: dict[str, str]) -> str:
    """Return where the sites' data is."""
    return databases["local"]


@pytest.fixture
def site(tenant: Tenant, tenant_app: Any, tenantry_settings: Settings) -> Site:
    """Return a site with nobody and nothing on it."""
    return Site(tenant, tenantry_settings, tenant_app)


@pytest.fixture
def other_site(other_tenant: Tenant, other_app: Any, tenantry_settings: Settings) -> Site:
    """Return the site next door."""
    return Site(other_tenant, tenantry_settings, other_app)


@pytest.fixture
def visitor(site: Site) -> Visitor:
    """Return somebody who was never on the site."""
    return site.visitor()
