"""Flyweights: Flask instances that share everything immutable with one prototype.

A full app per tenant costs hundreds of kilobytes and tens of milliseconds, growing with its routes. A
flyweight is a true :class:`~flask.Flask` object with an identity of its own; the URL map, views,
blueprints, hooks and template environment are its prototype's, frozen.
"""

from __future__ import annotations

import copy
import threading
import weakref
from typing import TYPE_CHECKING, Any

from flask.json.provider import DefaultJSONProvider

from tenantry.databases.placements import tenant_database
from tenantry.flask import extensions
from tenantry.flask.binding import init_tenant
from tenantry.flask.building import Build, building, current_build
from tenantry.flask.placeholder import put_in
from tenantry.flask.prototype import make_prototype
from tenantry.pool.build_steps import build_step
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from tenantry.flask.pins import Pins
    from tenantry.flask.prototype import Prototype
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


class SharedFactory:
    """Makes tenants' apps out of one that a factory has made once.

    :param build: The factory; it is called for a tenant that does not exist.
    :param bind: Called with each instance and its tenant.
    :param adopts: Whether the app knows of no tenants: its folder is there from the start, and it
        can do nothing without its database.
    """

    def __init__(
        self,
        build: Callable[[Tenant], Any],
        *,
        bind: Callable[[Flask, Tenant], None] = lambda _app, _tenant: None,
        adopts: bool = True,
    ) -> None:
        self._build = build
        self._adopts = adopts
        self._bind = bind
        self._lock = threading.Lock()
        self._prototype: Prototype | None = None

    def instance(self, build: Build) -> Flask:
        """Return a new app for the build's tenant.

        :raises UnfitError: The prototype has something that only one app can have.
        """
        prototype = self._prototype or self.prepare(build.settings)
        prototype.check_own_files(build.settings.tenant_dir(build.tenant.id))
        with building(build):
            pins = build.pins(needs_placement=self._adopts)
            if self._adopts or prototype.folders:
                _make_folders(prototype, pins)
            app = _make_instance(prototype, build, pins)
            with build_step("bind"):
                self._bind(app, build.tenant)
            extensions.bind(prototype.app, app)
            if build.creates_database and "sqlalchemy" in app.extensions:
                tenant_database(build.tenant, build.settings).create()
            for make_tables in prototype.tables:
                with app.app_context():
                    make_tables()
        return app

    def prepare(self, settings: Settings) -> Prototype:
        """Build the prototype, if that has not been done.

        :raises UnfitError: It has something that only one app can have.
        """
        with self._lock, build_step("prototype"):
            if self._prototype is None:
                self._prototype = make_prototype(self._build, settings)
            return self._prototype


class Flyweight:
    """Makes a tenant's app out of one that is built once per process.

    .. code-block:: python

        site = Flyweight(build_site, bind=open_database)

        def create_app(tenant):
            return site.instance(tenant)

    :param build: Makes an ordinary Flask app that knows of no tenant.
    :param bind: Called with each instance and its tenant, to give it what is its own: entries of
        ``config`` and ``extensions``.
    """

    def __init__(
        self,
        build: Callable[[], Flask],
        *,
        bind: Callable[[Flask, Tenant], None] = lambda _app, _tenant: None,
    ) -> None:
        self._factory = SharedFactory(lambda _placeholder: build(), bind=bind, adopts=False)

    def instance(self, tenant: Tenant, *, settings: Settings | None = None) -> Flask:
        """Return a new app for *tenant*, bound to it by :func:`~tenantry.init_tenant`.

        :raises UnfitError: The prototype has something that only one app can have.
        """
        build = current_build()
        if build is None or build.tenant is not tenant or settings is not None:
            build = Build(tenant, settings or get_settings())
        return self._factory.instance(build)

    def prepare(self) -> Flask:
        """Build the prototype, if that has not been done, and return it; nobody may change it.

        :raises UnfitError: It has something that only one app can have.
        """
        app: Flask = self._factory.prepare(get_settings()).app
        return app


def _make_folders(prototype: Prototype, pins: Pins) -> None:
    """Make the tenant's folder, with those that the factory and the operator want inside."""
    pins.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for inside in prototype.folders:
        (pins.folder / inside).mkdir(parents=True, exist_ok=True)
    pins.make_folders()


def _make_instance(prototype: Prototype, build: Build, pins: Pins) -> Flask:
    original = prototype.app
    made: Flask = object.__new__(prototype.kind)
    app: Any = made
    app.__dict__.update(prototype.shared)
    app.json = copy.copy(original.json)
    if isinstance(app.json, DefaultJSONProvider) or hasattr(app.json, "_app"):
        app.json._app = weakref.proxy(app)  # noqa: SLF001 - as Flask's own constructor does
    app.extensions = {
        name: copy.copy(value) if type(value) in (dict, list, set) else value
        for name, value in original.extensions.items()
    }
    pairs = prototype.pairs(build.tenant, pins)
    app.config = _make_config(prototype, pins, pairs)
    for name, value in prototype.attributes.items():
        setattr(app, name, put_in(value, pairs))
    for name, value in prototype.containers.items():
        setattr(app, name, copy.copy(value))
    init_tenant(app, build.tenant, settings=build.settings)
    if prototype.session_interface is not None:
        app.session_interface = prototype.session_interface
    return made


def _make_config(prototype: Prototype, pins: Any, pairs: list[tuple[str, str]]) -> Any:
    original: Any = prototype.app.config
    root = original.root_path
    if root == str(prototype.pins.folder):
        root = str(pins.folder)
    config: Any = prototype.config_kind(root)
    dict.update(config, prototype.settings)
    config.pins, config.own, config.shared_root = pins, {}, original.shared_root
    dict.update(config, pins.values())
    for key in prototype.varying:
        config[key] = put_in(prototype.settings[key], pairs)
    return config
