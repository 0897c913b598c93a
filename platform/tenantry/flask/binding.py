"""Binding a Flask app to its tenant: its keys, its cookies, its folder, its identity."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import current_app, request
from werkzeug.local import LocalProxy

from tenantry.environ import TENANT
from tenantry.errors import NoTenantError
from tenantry.flask.bodies import limit_bodies
from tenantry.flask.pins import PinnedMixin
from tenantry.flask.sessions import ScopedSessionInterface, check_cookie_settings
from tenantry.flask.unavailable import answer_unavailable
from tenantry.security.keys import PLATFORM, keys_of
from tenantry.settings import Settings, get_settings
from tenantry.values.tenant import Tenant  # noqa: TC001 - the annotation of current_tenant is read

if TYPE_CHECKING:
    from flask import Flask

EXTENSION = "tenantry"


@dataclass(frozen=True, slots=True)
class TenantBinding:
    """What an app knows of its place; it stands in ``app.extensions["tenantry"]``."""

    settings: Settings
    tenant: Tenant | None
    """``None`` in the platform's own apps."""


def init_tenant(app: Flask, tenant: Tenant, *, settings: Settings | None = None) -> None:
    """Make *app* this tenant's own: secret keys, session cookie, instance folder, limits.

    The platform does it for a factory's Flask app that has not done it. Configuration that the
    factory has set itself stays, but for the secret key: it keeps one tenant's members out of the next
    one's site. So does the session cookie, whose settings are honoured or refused.

    :param settings: The deployment's; by default those of the process.
    :raises UnsafeCookieError: Its ``SESSION_COOKIE_*`` reach further than the tenant's site.
    """
    check_cookie_settings(app.config)
    settings = settings or get_settings()
    app.extensions[EXTENSION] = TenantBinding(settings, tenant)
    app.instance_path = str(settings.tenant_dir(tenant.id))
    app.session_interface = ScopedSessionInterface(scope=tenant.id, name=None, https=settings.https)
    _set_keys(app, tenant.id, "session", settings)
    if isinstance(app.error_handler_spec, defaultdict):  # a flyweight's prototype has done it
        answer_unavailable(app)


def init_platform(app: Flask, name: str, *, settings: Settings | None = None) -> None:
    """Do the same for one of the platform's own apps.

    :param name: Apps of one name share their sessions; each name has keys and a cookie (R16).
    """
    settings = settings or get_settings()
    app.extensions[EXTENSION] = TenantBinding(settings, None)
    app.session_interface = ScopedSessionInterface(
        scope=PLATFORM, name=name, https=settings.https, whole_host=True
    )
    _set_keys(app, PLATFORM, f"session:{name}", settings)


def _set_keys(app: Flask, scope: str, purpose: str, settings: Settings) -> None:
    if not isinstance(app.config, PinnedMixin):  # pins have the same keys, as text
        newest, *older = keys_of(settings.secret_keys).derive(scope, purpose)
        app.secret_key = newest
        app.config["SECRET_KEY_FALLBACKS"] = list(older)
    limit_bodies(app, settings)


def current_binding() -> tuple[Settings, Tenant]:
    """Return the settings and the tenant of the app that is at work.

    A retired instance keeps serving while its successor is built. The request's tenant is newer than
    the instance's then: it may have another placement.

    :raises NoTenantError: No tenant's app is at work.
    """
    binding = current_app.extensions.get(EXTENSION) if current_app else None
    if binding is None or binding.tenant is None:
        raise NoTenantError
    tenant = binding.tenant
    asked = request.environ.get(TENANT) if request else None
    return binding.settings, asked if asked is not None and asked.id == tenant.id else tenant


def _current_tenant() -> Tenant:
    return current_binding()[1]


current_tenant: Tenant = LocalProxy(_current_tenant)  # type: ignore[assignment]
"""The tenant whose app is at work. There is no default: elsewhere it raises ``NoTenantError``."""


def find_settings() -> Settings:
    """Return the settings of the app that is at work; outside an app, those of the process."""
    binding = current_app.extensions.get(EXTENSION) if current_app else None
    return get_settings() if binding is None else binding.settings


current_settings: Settings = LocalProxy(find_settings)  # type: ignore[assignment]
"""The deployment's settings, in a tenant's app, in a hook or in a script."""


def site_url(tenant: Tenant | None = None) -> str:
    """Return the URL of a site's front page, with a slash at its end.

    It comes from the settings and the catalog, never from a request's ``Host`` header.

    :param tenant: Whose site; by default the current tenant's.
    :raises NoTenantError: None is named, and no tenant's app is at work.
    """
    return find_settings().site_url(current_binding()[1] if tenant is None else tenant)
