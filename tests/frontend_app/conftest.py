"""A front app on a real catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from frontend_app import create_app
from tenantry.catalog import SYSTEM, Catalog, open_catalog
from tenantry.settings import Settings
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask import Flask
    from werkzeug.test import TestResponse


@dataclass(frozen=True)
class Front:
    """The front app and its catalog."""

    app: Flask
    catalog: Catalog

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.open("GET", path, **options)

    def open(
        self, method: str, path: str, *, unknown: str | None = None, **options: Any
    ) -> TestResponse:
        """Ask on the apex, or on a name that the front door found unknown."""
        environ = {"tenantry.request_id": "0123456789abcdef"}
        host = "example.test"
        if unknown is not None:
            environ["tenantry.unknown_slug"] = unknown
            host = f"{unknown}.example.test"
        return self.app.test_client().open(
            path, method=method, base_url=f"http://{host}", environ_overrides=environ, **options
        )

    def add_site(self, slug: str, name: str, *, listed: bool = True, **settings: Any) -> str:
        """Add an active tenant; return its id."""
        tenant = self.catalog.tenants.add(
            slug, name=name, settings={"listed": listed, **settings}, by=SYSTEM
        )
        self.catalog.tenants.transition(tenant.id, TenantState.ACTIVE, by=SYSTEM)
        return tenant.id


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """Return the front app of a platform without sites."""
    settings = Settings(
        domain="example.test",
        base_url="http://example.test:8000",
        data_dir=tmp_path,
        secret_keys=(SecretStr("0123456789abcdef" * 2),),
    )
    catalog = open_catalog(settings)
    catalog.upgrade()
    yield Front(create_app(settings=settings, catalog=catalog), catalog)
    catalog.close()
