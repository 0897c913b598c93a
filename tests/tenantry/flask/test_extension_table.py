"""Each extension of docs/extensions.md with two tenants, as full instances and as flyweights."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.flask import extensions
from tenantry.flask.building import Build, building, check_built
from tenantry.flask.flyweight import SharedFactory
from tests.tenantry.flask.extension_rows import ROWS, Row
from tests.tenantry.support import a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

ACME, GLOBEX = a_tenant("acme"), a_tenant("globex")


def of_tenant(create_app: Callable[..., Flask]) -> Callable[[Tenant], Flask]:
    """Return what passes the tenant to a factory that takes one."""
    takes = bool(inspect.signature(create_app).parameters)
    return lambda tenant: create_app(tenant) if takes else create_app()


def full(create_app: Callable[..., Flask], settings: Settings) -> list[Flask]:
    apps = []
    build_app = of_tenant(create_app)
    extensions.install()
    for tenant in (ACME, GLOBEX):
        build = Build(tenant, settings, creates_database=True)
        with building(build):
            app = build_app(tenant)
        check_built(app, build, factory="test")
        extensions.adapt(app)
        apps.append(app)
    return apps


def flyweight(create_app: Callable[..., Flask], settings: Settings) -> list[Flask]:
    shared = SharedFactory(of_tenant(create_app))
    return [
        shared.instance(Build(tenant, settings, creates_database=True)) for tenant in (ACME, GLOBEX)
    ]


@pytest.mark.parametrize("kind", [full, flyweight], ids=["full", "flyweight"])
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_extension(row: Row, kind: Any, settings: Settings) -> None:
    """It works as its manual says, and nothing of one tenant is seen at the other."""
    apps = kind(row.make(), settings)
    try:
        row.check(*apps)
    finally:
        for app in apps:
            extensions.close(app)
