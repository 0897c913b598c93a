"""Binding before the build: each Flask app that a factory makes for a tenant is the tenant's own.

Flask apps are made by ``Flask.__init__``, which looks here whether a tenant's app is being built. Then
the new app has the tenant's keys, folder, session and pinned settings before the factory's next line
runs. Outside of a build, nothing differs: the look is one read of a context variable, so builds in
several threads do not mix.
"""

from __future__ import annotations

import base64
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any

from flask import Flask

import tenantry.databases.app_files  # noqa: F401 - confines engines that apps make
from tenantry.databases.placements import tenant_database
from tenantry.errors import SharedAppError, UnknownPlacementError
from tenantry.flask.binding import EXTENSION, init_tenant
from tenantry.flask.pins import ROOT, SILENT, Pins, Sender, fixed_values, pinned_kind
from tenantry.flask.placeholder import Placeholder, watched_kind
from tenantry.flask.sessions import check_cookie_settings
from tenantry.mail.outbox import sender_address
from tenantry.security.keys import keys_of
from tenantry.values.placement import NOWHERE, POSTGRESQL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _typeshed.wsgi import WSGIApplication

    from tenantry.flask.placeholder import Watch
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Build:
    """One run of a factory for one tenant."""

    tenant: Tenant
    settings: Settings
    creates_database: bool = False
    """Whether the tenant is being provisioned: an extension may create its empty database."""
    migrations: list[Path] = field(default_factory=list)
    """The Alembic folders that the factory wanted to upgrade from."""

    @property
    def watch(self) -> Watch | None:
        """What is noted of the factory, if it builds a prototype."""
        return self.tenant.watch if isinstance(self.tenant, Placeholder) else None

    def bind(self, app: Flask) -> None:
        """Make a new app the tenant's."""
        own_folder, root = app.instance_path, app.config.root_path
        pins = self.pins()
        folder = pins.folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pins.make_folders()
        is_relative = root == own_folder != app.root_path
        watch = self.watch
        kind = pinned_kind(type(app.config))
        if watch is not None:
            kind = watched_kind(kind)
        config: Any = kind(str(folder) if is_relative else root, dict(app.config))
        if watch is not None:
            config.watch = watch
        config.pin(pins, shared_root=own_folder if is_relative else None)
        app.config = config
        init_tenant(app, self.tenant, settings=self.settings)

    def pins(self, *, needs_placement: bool = True) -> Pins:
        """Return the values that the tenant's app is given.

        :param needs_placement: Whether an app can do nothing without its database.
        :raises UnknownPlacementError: It cannot, and the settings do not name the tenant's placement.
        """
        tenant_id = self.tenant.id
        keys = keys_of(self.settings.secret_keys)

        def derive(purpose: str) -> list[str]:
            # As text: apps put it together with other text, or parse it.
            return [as_text(key) for key in keys.derive(tenant_id, purpose)]

        folder = self.settings.tenant_dir(tenant_id)
        names = {"folder": str(folder), "id": tenant_id, "slug": self.tenant.slug}
        chosen = {
            name: value.format_map(names) if isinstance(value, str) else value
            for name, value in self.settings.pin.items()
        }
        # A wrapper that sets SCRIPT_NAME from it would lose the mount.
        if self.settings.routing == "path":
            chosen[ROOT] = f"{self.settings.path_prefix}/{self.tenant.slug}"
        if self.tenant.quiet:
            chosen |= SILENT
        return Pins(
            folder=folder,
            prefix=f"t_{tenant_id}:",
            fixed=fixed_values(derive if self.watch is None else self.watch.derive, chosen),
            database_uri=self._database_uri(needs_placement=needs_placement),
            sender=self._sender(),
        )

    def _sender(self) -> Sender:
        address = sender_address(self.settings, self.tenant)
        name = str(self.tenant.settings.get("mail_name") or self.tenant.name)
        return Sender(" ".join(name.split()), address if self.settings.mail_from else "", address)

    def _database_uri(self, *, needs_placement: bool) -> str:
        try:
            return tenant_database(self.tenant, self.settings).app_url
        except UnknownPlacementError:
            if needs_placement:
                raise
            return f"{POSTGRESQL}{NOWHERE}/"


def as_text(key: bytes) -> str:
    """Return a key as text that is safe in URLs and cookies."""
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode()


_current: ContextVar[Build | None] = ContextVar("tenantry_build", default=None)


def current_build() -> Build | None:
    """Return the run of a factory that the caller is part of."""
    return _current.get()


def current_watch() -> Watch | None:
    """Return what is noted of the factory whose run the caller is part of, if it makes a prototype."""
    build = _current.get()
    return None if build is None else build.watch


@contextmanager
def building(build: Build | None) -> Iterator[None]:
    """Bind each Flask app that the block makes to the build's tenant; ``None``: to no tenant."""
    token = _current.set(build)
    try:
        yield
    finally:
        _current.reset(token)


def check_built(app: WSGIApplication, build: Build, *, factory: str) -> None:
    """Refuse an app that another tenant has too.

    :param factory: How the factory is called in the settings.
    :raises SharedAppError: The app was made for another tenant, or before the factory ran.
    :raises UnsafeCookieError: Its session cookie would reach further than the tenant's site.
    """
    if not isinstance(app, Flask):
        return  # a WSGI app of another kind, or a middleware around one of the apps made here
    slug = build.tenant.slug
    binding = app.extensions.get(EXTENSION)
    if binding is None or binding.tenant is None:
        problem = (
            f"returned an app that was made before it was called for {slug}: all tenants would share "
            f"it. Make the app inside the function: `app = Flask(__name__)`, its routes and "
            f"extensions, `return app`."
        )
        raise SharedAppError(factory, problem)
    if binding.tenant.id != build.tenant.id:
        problem = (
            f"returned {binding.tenant.slug}'s app for {slug}. Make a new app in each call, or use "
            f"tenantry.Flyweight."
        )
        raise SharedAppError(factory, problem)
    check_cookie_settings(app.config)  # it may have been configured after it was bound
    app.instance_path = str(build.settings.tenant_dir(build.tenant.id))


_init = Flask.__init__


@wraps(_init)
def _init_bound(self: Flask, *arguments: Any, **options: Any) -> None:
    _init(self, *arguments, **options)
    build = _current.get()
    if build is not None:
        build.bind(self)


Flask.__init__ = _init_bound  # type: ignore[method-assign]
