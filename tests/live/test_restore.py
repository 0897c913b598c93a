"""A restore beside a running server: its workers serve what was restored, and the neighbours on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import tenants
from tenantry.catalog import SYSTEM
from tenantry.factory import Factory
from tenantry.lifecycle import Operations
from tenantry.settings import load_settings
from tests.live.load import Load, together, wake_all

if TYPE_CHECKING:
    from tests.live.conftest import NewServer
    from tests.live.server import Server

AT_ONCE = 4


def retitle(server: Server, title: str) -> None:
    """Change what the front page shows, behind the site's back."""
    with closing(sqlite3.connect(server.site_file("acme"))) as database:
        database.execute("UPDATE post SET title = ?", (title,))
        database.commit()


def test_workers_serve_what_was_restored(new_server: NewServer) -> None:
    """Visitors get 503 for a moment and then the restored page; the neighbours notice nothing."""
    with new_server() as server:
        settings = load_settings(data_dir=server.data)
        # Hooks take the settings of their process, and this one is not the server's.
        factory = Factory(build=tenants.create_app, find_migrations=lambda: tenants.MIGRATIONS)
        operations = Operations(server.catalog, factory, settings=settings, actor=SYSTEM)
        retitle(server, "As it was")
        made = operations.backup("acme")
        retitle(server, "Spoilt")
        wake_all(lambda: server.site("acme"))
        with (
            Load(lambda: server.site("acme"), threads=1) as visitors,
            Load(lambda: server.site("globex"), threads=1) as neighbours,
        ):
            operations.restore("acme", made.path)
            workers: set[str] = set()
            while len(workers) < 2:
                for answer in together(lambda _: server.site("acme"), AT_ONCE):
                    assert answer.status == 200
                    assert "As it was" in answer.text
                    assert "Spoilt" not in answer.text
                    workers.add(answer.worker)
        assert visitors.statuses == {200, 503}
        assert neighbours.statuses == {200}
        assert not visitors.failures
        assert not neighbours.failures
