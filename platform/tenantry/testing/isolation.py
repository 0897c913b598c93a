"""Checks that one tenant's client reaches nothing of another tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask

from tenantry.doctor.replay import cookie_header, difference
from tenantry.doctor.routes import Routes
from tenantry.doctor.visits import cookies_of
from tenantry.flask.binding import EXTENSION
from tenantry.flask.pins import KEYS
from tenantry.testing.clients import stranger_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.test import TestResponse

    from tenantry.testing.clients import FlaskSiteClient, SiteClient

    AnyClient = SiteClient | FlaskSiteClient

FOUND = range(200, 400)


def assert_isolated(client: AnyClient, other: AnyClient, *texts: str, path: str = "/") -> None:
    """Fail if one tenant's keys, cookies or texts are worth anything at the other tenant's site.

    :param client: Has visited its tenant's site: signed in, written something.
    :param other: A client of another tenant.
    :param texts: What the first tenant's visitors have written: no page of the other may show it.
    :param path: A page that tells visitors who are signed in from others.
    :raises AssertionError: Something of one is at the other; the message says what.
    """
    _check_apps(client.application, other.application)
    _check_cookies(client, other, path)
    for page, response in _pages(other):
        for text in texts:
            if text in response.text:
                raise AssertionError(f"{page} of the other tenant shows {text!r}.")


def _check_apps(app: Any, other: Any) -> None:
    if not (isinstance(app, Flask) and isinstance(other, Flask)):
        return  # the front door, or an app of another framework: it is judged by its pages
    if app is other:
        raise AssertionError("Both tenants have the same app.")
    bindings = [each.extensions.get(EXTENSION) for each in (app, other)]
    owners = [each.tenant.id if each and each.tenant else None for each in bindings]
    if owners[0] == owners[1]:
        raise AssertionError(f"Both apps belong to tenant {owners[0]}.")
    if app.instance_path == other.instance_path:
        raise AssertionError(f"Both tenants have the folder {app.instance_path}.")
    for name in KEYS:
        if app.config.get(name) and app.config.get(name) == other.config.get(name):
            raise AssertionError(f"Both tenants have the same {name}.")


def _check_cookies(client: AnyClient, other: AnyClient, path: str) -> None:
    """Send one tenant's cookies to the other: the page is that of a visitor without any."""
    cookies = cookies_of(client)
    stranger = stranger_of(other)
    shown = difference(
        stranger.get(path),
        stranger.get(path),
        stranger.get(path, headers={"Cookie": cookie_header(cookies)}),
    )
    if shown is not None:
        raise AssertionError(
            f"With the first tenant's cookies ({', '.join(cookies)}), {path} of the other tenant "
            f"answers otherwise than without them: {shown[:200]}"
        )


def _pages(client: AnyClient) -> Iterator[tuple[str, TestResponse]]:
    """Yield the pages that the app's own routes lead to; of the front door, its front page."""
    app = client.application
    addresses = Routes(app, "localhost").addresses().values() if isinstance(app, Flask) else ()
    for path in dict.fromkeys(("/", *addresses)):
        response = client.get(path)
        if response.status_code in FOUND:
            yield path, response
