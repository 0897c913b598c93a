"""Signals, a thread, weak tables and a registry, all of them used as they should be."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from flask import Flask, current_app, request_started

from tenantry import current_tenant

if TYPE_CHECKING:
    from tenantry import Tenant

APPS: dict[str, Flask] = {}
known: WeakSet[Flask] = WeakSet()
notes: WeakKeyDictionary[Flask, list[str]] = WeakKeyDictionary()


def home() -> str:
    """Take a note for this tenant."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    notes.setdefault(app, []).append(f"{current_tenant.name} was here")
    return str(len(notes[app]))


def note(sender: Flask, **_facts: Any) -> None:
    """Take a note for whoever was asked."""
    notes.setdefault(sender, []).append("a request")


request_started.connect(note)


class Poller(threading.Thread):
    """Works for an app until it is told to end."""

    def __init__(self, app: Flask) -> None:
        super().__init__(daemon=True)
        self.app: Flask | None = app
        self.ending = threading.Event()

    def run(self) -> None:
        """Wait for the end."""
        self.ending.wait()
        self.app = None


def create_app(tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = APPS[tenant.id] = Flask(__name__)
    known.add(app)
    app.add_url_rule("/", view_func=home)

    def mine(_sender: Flask, **_facts: Any) -> None:
        app.extensions["seen"] = True

    request_started.connect(mine, sender=app, weak=False)
    app.extensions["receiver"] = mine
    app.extensions["poller"] = Poller(app)
    app.extensions["poller"].start()
    return app


def dispose(app: Flask) -> None:
    """Let everything go."""
    request_started.disconnect(app.extensions["receiver"])  # with a sender, it stays for ever
    app.extensions["poller"].ending.set()
    for tenant_id in [tenant_id for tenant_id, other in APPS.items() if other is app]:
        del APPS[tenant_id]
