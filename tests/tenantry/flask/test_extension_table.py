"""Each extension of docs/extensions.md with two tenants, as full instances and as flyweights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask_socketio import SocketIO

from tenantry.errors import SharedAppError, UnfitError
from tenantry.flask import extensions
from tenantry.flask.extensions import socket_server
from tests.tenantry.flask.extension_rows import ACME, GLOBEX, KINDS, ROWS, Row

if TYPE_CHECKING:
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

# A prototype is searched for in the whole heap, which is small in the suite's first part.
pytestmark = pytest.mark.heap


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_extension(row: Row, kind: str, settings: Settings) -> None:
    """It works as its manual says, and nothing of one tenant is seen at the other; or it is refused."""
    if row.refused and kind == "flyweight":
        with pytest.raises(UnfitError, match=row.refused):
            KINDS[kind](row.make(), settings)
        return
    apps = KINDS[kind](row.make(), settings)
    try:
        row.check(*apps)
    finally:
        for app in apps:
            extensions.close(app)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["Flask-SQLAlchemy", "Flask-SQLAlchemy-Lite"])
def test_databases_on_either_kind_of_server(name: str, kind: str, any_settings: Settings) -> None:
    """Law 9: the engine is the tenant's confined one, in a file or on PostgreSQL."""
    row = next(row for row in ROWS if row.name == name)
    apps = KINDS[kind](row.make(), any_settings)
    try:
        row.check(*apps)
    finally:
        for app in apps:
            extensions.close(app)


sockets: Any = None


def chat(tenant: Tenant, **options: str) -> Flask:
    """Make an app as most manuals do: the extension is a variable of the module."""
    global sockets  # noqa: PLW0603 - what is refused
    app = Flask("chat")
    sockets = SocketIO()
    sockets.init_app(app, **options)
    return app


def test_clients_that_all_tenants_share_are_refused(settings: Settings) -> None:
    """A broadcast of a module's Flask-SocketIO reached the other tenant; the remedy is told."""
    with pytest.raises(
        SharedAppError, match=r"SocketIO as tests\.\S+\.sockets.*inside the function"
    ):
        KINDS["full"](chat, settings)
    with pytest.raises(SharedAppError, match=r"client_manager.*message_queue instead"):
        KINDS["full"](lambda tenant: chat(tenant, client_manager="ours"), settings)


def test_clients_that_a_class_shares_are_refused(settings: Settings) -> None:
    """Wherever the factory keeps it: the second tenant's server would take the first one's place."""

    class Chat:
        sockets = SocketIO()

    def create_app() -> Flask:
        app = Flask("chat")
        Chat.sockets.init_app(app)
        return app

    with pytest.raises(SharedAppError, match=r"one Flask-SocketIO for all.*inside the function"):
        KINDS["full"](create_app, settings)


def test_a_queue_of_an_extension_that_comes_late_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A factory that imports the extension by itself makes the first server before it is seen."""

    def create_app() -> Flask:
        monkeypatch.setattr(SocketIO, "init_app", socket_server._init_app)  # as it is imported
        app = Flask("chat")
        SocketIO(app, message_queue="memory://")
        return app

    with pytest.raises(SharedAppError, match=r"'flask-socketio'.*Import it where the module"):
        KINDS["full"](create_app, settings)


def test_clients_do_not_meet_in_a_message_queue(settings: Settings) -> None:
    """Each tenant's servers talk on a channel of their own."""

    def create_app() -> Flask:
        app = Flask("chat")
        SocketIO(app, message_queue="memory://", channel="chat")
        return app

    apps = KINDS["full"](create_app, settings)
    channels = [app.extensions["socketio"].server.manager.channel for app in apps]
    assert channels == [f"t_{tenant.id}:chat" for tenant in (ACME, GLOBEX)]
