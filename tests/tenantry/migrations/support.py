"""Alembic folders as a factory's author writes them, and databases that go through them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tenantry.databases.sqlite_file import site_database

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

PEOPLE = 'op.create_table("people", sa.Column("id", sa.Integer, primary_key=True))'
NOTES = (
    'op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), '
    'sa.Column("person", sa.Integer, sa.ForeignKey("people.id", ondelete="CASCADE")))'
)
NAME = 'op.add_column("people", sa.Column("name", sa.String(80)))'
FAILS = 'op.execute("SELECT * FROM no_such_table")'


def write_revisions(folder: Path, *bodies: str, first: int = 1, head: str = "") -> Path:
    """Write revisions ``0001``, ``0002`` … whose ``upgrade`` does what each body says.

    :param first: Number of the first one, to go on where an earlier call ended.
    :param head: Lines of the module that come before ``upgrade``.
    """
    (folder / "versions").mkdir(parents=True, exist_ok=True)
    for number, body in enumerate(bodies, first):
        before = f"{number - 1:04}" if number > 1 else None
        (folder / "versions" / f"{number:04}_.py").write_text(
            "import sqlalchemy as sa\n"
            "from alembic import op\n"
            f"revision, down_revision = '{number:04}', {before!r}\n"
            f"branch_labels = depends_on = None\n{head}\n"
            f"def upgrade():\n    {body}\n"
        )
    return folder


def ask(tenant: Tenant, settings: Settings, query: str) -> list[Any]:
    """Ask the tenant's SQLite file itself."""
    with closing(sqlite3.connect(site_database(tenant, settings).path)) as connection:
        rows = connection.execute(query).fetchall()
        connection.commit()
        return rows


def columns(tenant: Tenant, settings: Settings, table: str) -> list[str]:
    """Return the names of a table's columns; none if there is no such table."""
    return [row[1] for row in ask(tenant, settings, f"PRAGMA table_info({table})")]
