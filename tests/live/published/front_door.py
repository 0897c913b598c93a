"""A plugin for the own test suite of a published app: each app that the suite makes is a tenant's.

A suite calls its app's factory, with settings of its own, and asks the app by Flask's test client.
With this plugin such a call creates a tenant, whose pool builds the app by the very same call. The
test client sends its requests to the front door, by the tenant's host. Between the suite and its app
stand the request gate, the dispatcher, the pool and the pins, as for any visitor.

``THROUGH_DOOR=flaskr:create_app`` names the factory as the suite imports it. The last line of the
report says how many requests came through the door.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog import SYSTEM, open_catalog
from tenantry.files.shipped import load_composition
from tenantry.lifecycle import Operations
from tenantry.testing.clients import FlaskSiteClient
from tenantry.testing.prepared import in_effect, variables_for, variables_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment
    from flask import Flask

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

FACTORY = f"{__name__}:create_app"
MANY = "100000"
"""Each test of a suite has an instance, and goes on asking it."""

Call = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass
class Door:
    """A platform in the process of a suite, whose tenants' apps are what the suite calls for."""

    original: Callable[..., Flask]
    settings: Settings
    application: WSGIApplication
    operations: Operations
    pool: Any
    calls: dict[str, Call] = field(default_factory=dict)
    """The suite's arguments, by the slug of the tenant."""
    requests: int = 0

    def call(self, *arguments: Any, **options: Any) -> Flask:
        """Create a tenant; return the app that its pool has built from these arguments."""
        slug = f"suite-{len(self.calls)}"
        self.calls[slug] = (arguments, options)
        tenant = self.operations.create(slug, name=slug)
        lease = self.pool.acquire(tenant)
        app: Flask = lease.instance
        lease.release()
        app.test_client_class = self._client_of(tenant)
        return app

    def build(self, tenant: Tenant) -> Flask:
        """Do what the suite has called for, as the tenant's factory."""
        # The platform also builds one app for nobody, to ask it for its migrations.
        arguments, options = self.calls.get(tenant.slug, ((), {}))
        return self.original(*arguments, **options)

    def _client_of(self, tenant: Tenant) -> type[FlaskSiteClient]:
        door, origin = self, self.settings.site_url(tenant)

        class DoorClient(FlaskSiteClient):
            """A browser that asks the front door for the tenant's site."""

            def __init__(self, app: Flask, *_: Any, use_cookies: bool = True) -> None:
                super().__init__(app, origin, {}, cookies=use_cookies)

            def run_wsgi_app(self, environ: WSGIEnvironment, *_: Any, **_options: Any) -> Any:
                door.requests += 1
                app, self.application = self.application, door.application  # type: ignore[assignment]
                try:
                    # A server reads and closes each response, and so ends its place on the site.
                    return super().run_wsgi_app(environ, buffered=True)
                finally:
                    self.application = app

        return DoorClient


_opened = ExitStack()
_doors: list[Door] = []


def create_app(tenant: Tenant) -> Flask:
    """Return a tenant's app; the platform's factory."""
    return _doors[0].build(tenant)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Put the platform where the app's factory is, before the suite's conftest imports it."""
    module, _, name = os.environ["THROUGH_DOOR"].partition(":")
    imported = import_module(module)
    door = _open(getattr(imported, name))
    _doors.append(door)
    setattr(imported, name, door.call)


def _open(original: Callable[..., Flask]) -> Door:
    folder = Path(_opened.enter_context(tempfile.TemporaryDirectory(prefix="tenantry-suite-")))
    monkeypatch = _opened.enter_context(pytest.MonkeyPatch.context())
    variables = {
        **variables_for(factory=FACTORY, placement="sqlite"),
        **variables_in(folder),
        "TENANTRY_LIMIT_CLIENT_REQUESTS": "0",
        "TENANTRY_LIMIT_TENANT_REQUESTS": "0",
        "TENANTRY_POOL_INSTANCES": MANY,
        "TENANTRY_POOL_MEMORY_MB": MANY,
    }
    settings = _opened.enter_context(in_effect(variables, monkeypatch))
    for made in (settings.data_dir, settings.run_dir):
        made.mkdir(parents=True, mode=0o700)
    catalog = open_catalog(settings)
    _opened.callback(catalog.close)
    catalog.upgrade()
    composition = load_composition()
    parts = composition.assemble(settings, catalog)
    composition.connect_changes(parts)
    _opened.callback(parts.pool.close)
    operations = Operations(catalog, parts.factory, settings=settings, actor=SYSTEM)
    application = composition.build_front_door(parts)
    return Door(original, settings, application, operations, parts.pool)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many requests came through the door."""
    terminalreporter.write_line(f"{_doors[0].requests} requests came through the front door")


def pytest_unconfigure() -> None:
    """Take the platform apart."""
    _opened.close()
