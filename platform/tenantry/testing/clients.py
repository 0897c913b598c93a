"""Clients that ask a tenant's app by its own address, as its visitors do."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import Client

from tenantry.environ import REQUEST_ID, TENANT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed.wsgi import WSGIApplication

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


class SiteClient(Client):
    """Werkzeug's test client, for one origin.

    :param app: A tenant's app, or the whole front door.
    :param origin: Scheme, host and path of what it asks, as ``http://acme.localhost:8000``.
    :param environ: What the platform would add to each request.
    """

    def __init__(
        self, app: WSGIApplication, origin: str, environ: Mapping[str, Any], *, cookies: bool = True
    ) -> None:
        super().__init__(app, use_cookies=cookies)
        self.origin = origin
        self.environ = environ

    def open(self, *arguments: Any, **options: Any) -> Any:
        """Send a request; the options are those of Werkzeug's client."""
        options.setdefault("base_url", self.origin)
        added = {**self.environ, **(options.pop("environ_overrides", None) or {})}
        return super().open(*arguments, environ_overrides=added, **options)


class FlaskSiteClient(FlaskClient):
    """The same for a Flask app, with Flask's ``session_transaction``."""

    def __init__(
        self, app: Flask, origin: str, environ: Mapping[str, Any], *, cookies: bool = True
    ) -> None:
        super().__init__(app, app.response_class, use_cookies=cookies)
        self.origin = origin
        self.environ_base = {**self.environ_base, **environ}

    def open(self, *arguments: Any, **options: Any) -> Any:
        """Send a request; the options are those of Flask's client."""
        options.setdefault("base_url", self.origin)
        return super().open(*arguments, **options)

    def session_transaction(self, *arguments: Any, **options: Any) -> Any:
        """Open the session that the client's next request has."""
        options.setdefault("base_url", self.origin)
        return super().session_transaction(*arguments, **options)


def client_of(
    app: WSGIApplication, tenant: Tenant, settings: Settings
) -> SiteClient | FlaskSiteClient:
    """Return a client of a tenant's own app, without the front door around it."""
    kind: Any = FlaskSiteClient if isinstance(app, Flask) else SiteClient
    environ = {TENANT: tenant, REQUEST_ID: secrets.token_hex(16)}
    client: SiteClient | FlaskSiteClient = kind(app, settings.site_url(tenant), environ)
    return client


def stranger_of(client: SiteClient | FlaskSiteClient) -> SiteClient | FlaskSiteClient:
    """Return a client of the same site that keeps no cookies, and sends those that it is told to."""
    environ = client.environ if isinstance(client, SiteClient) else client.environ_base
    kind: Any = type(client)
    stranger: SiteClient | FlaskSiteClient = kind(
        client.application, client.origin, environ, cookies=False
    )
    return stranger
