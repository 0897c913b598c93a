"""Flask-SocketIO: the clients and rooms of one tenant's app are heard by no other's."""

from __future__ import annotations

import sys
from functools import wraps
from typing import TYPE_CHECKING, Any

from flask_socketio import SocketIO

from tenantry.errors import SharedAppError, UnfitError
from tenantry.flask.binding import EXTENSION
from tenantry.flask.building import current_build

if TYPE_CHECKING:
    from flask import Flask

NAME = "socketio"

CHANNEL = "flask-socketio"
"""The extension's own name of a queue's channel."""

_TENANT = "tenantry_tenant"
"""The attribute with the id of the tenant whose server it is."""

_SHARED = (
    "all tenants: a message to all clients would reach other tenants' clients. Write `socketio = "
    "SocketIO(app)` inside the function, and register the handlers there."
)

_init_app = SocketIO.init_app


@wraps(_init_app)
def _init_for_tenant(self: SocketIO, app: Flask | None, **options: Any) -> None:
    """Make the server of a tenant's app, with a channel of its own if there is a message queue.

    :raises SharedAppError: It, or its manager of clients, may be other tenants' as well.
    """
    build = current_build()
    if build is None:
        _init_app(self, app, **options)
        return
    if vars(self).setdefault(_TENANT, build.tenant.id) != build.tenant.id:
        raise SharedAppError(build.settings.factory, f"uses one Flask-SocketIO for {_SHARED}")
    options = {**self.server_options, **options}
    if "client_manager" in options:
        problem = (
            "gives SocketIO a client_manager, which other tenants' apps may share. Give it the "
            "manager's URL as message_queue instead."
        )
        raise SharedAppError(build.settings.factory, problem)
    channel = options.get("channel", CHANNEL)
    _init_app(self, app, **{**options, "channel": f"t_{build.tenant.id}:{channel}"})


def install() -> None:
    """Have the servers of tenants' apps made here."""
    SocketIO.init_app = _init_for_tenant


def adapt(app: Flask) -> None:
    """Refuse a server that other tenants' apps find, too.

    :raises SharedAppError: A variable of a module holds it, or other tenants' servers hear it.
    """
    sockets = app.extensions.get(NAME)
    if sockets is None:
        return
    binding, problem = app.extensions[EXTENSION], ""
    channel = getattr(sockets.server.manager, "channel", None)
    if (name := _find_variable(sockets)) is not None:
        problem = f"uses Flask-SocketIO as {name}, which is there for {_SHARED}"
    elif channel is not None and not channel.startswith(f"t_{binding.tenant.id}:"):
        # The extension was imported by this build, so what is above had no part in it.
        problem = (
            f"imports flask_socketio while it builds an app, whose queue then has the channel "
            f"{channel!r} of other tenants' apps. Import it where the module begins."
        )
    if problem:
        raise SharedAppError(binding.settings.factory, problem)


def _find_variable(value: Any) -> str | None:
    """Return the name of the module's variable that holds a value."""
    for name, module in list(sys.modules.items()):
        for variable, held in list(getattr(module, "__dict__", {}).items()):
            if held is value:
                return f"{name}.{variable}"
    return None


def share(prototype: Flask) -> None:
    """Refuse a prototype: its server would have the clients of all tenants.

    :raises UnfitError: The app uses the extension.
    """
    if NAME in prototype.extensions:
        raise UnfitError("Flask-SocketIO keeps the clients of one app", "Remove the extension")


def close(app: Flask) -> None:
    """End the thread that watches the clients."""
    if NAME in app.extensions:
        app.extensions[NAME].server.shutdown()
