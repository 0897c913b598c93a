"""Creates a tenant's database at the newest schema revision from a template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.databases.placements import tenant_database
from tenantry.migrations.history import load_history
from tenantry.migrations.sqlite_template import sqlite_template
from tenantry.migrations.upgrade import upgrade

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.databases.servers import Server
    from tenantry.migrations.history import History
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


def provision_database(tenant: Tenant, settings: Settings, migrations: Path) -> None:
    """Make the tenant's database, if it is not there; one that has a schema is left as it is.

    :param migrations: The factory's Alembic folder.
    """
    database = tenant_database(tenant, settings)
    history = load_history(migrations)
    if database.create_from(NewestSchema(history, settings.templates_dir)):
        return
    if not database.revision():
        database.create()
        upgrade(database, history)


class NewestSchema:
    """The schema that a history leads to, as each kind of database takes it.

    :param folder: Where templates are kept, for all processes of the machine.
    """

    def __init__(self, history: History, folder: Path) -> None:
        self._history = history
        self._folder = folder

    def file(self) -> Path:
        """Return a SQLite file that went through all revisions: a copy is faster than statements."""
        return sqlite_template(self._history, self._folder)

    def statements(self, server: Server) -> list[str] | None:
        """Return the statements of a schema that went through all revisions."""
        # The driver is loaded here, and not before.
        from tenantry.migrations.postgresql_template import postgresql_template  # noqa: PLC0415

        return postgresql_template(server, self._history, self._folder)
