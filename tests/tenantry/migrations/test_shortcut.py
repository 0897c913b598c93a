"""What revisions do is repeated without them only where that is sure to be the same."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.databases.placements import tenant_database
from tenantry.databases.sqlite_file import site_database
from tenantry.errors import UpgradeError
from tenantry.migrations import History, Upgrade, provision_database, read_revision
from tenantry.migrations.shortcut import Shortcuts
from tests.tenantry.migrations.support import NAME, NOTES, PEOPLE, ask, write_revisions
from tests.tenantry.support import a_tenant

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

QUESTIONS = (
    "SELECT * FROM people",
    "SELECT 1 FROM sqlite_master, people",
    "SELECT (SELECT max(id) FROM people) FROM sqlite_master",
    "PRAGMA user_version = 3",
)
TENANTS = [a_tenant(slug) for slug in ("one", "two", "three", "four")]
SHAPE = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
COPY = (
    'with op.batch_alter_table("notes") as batch:\n'
    '        batch.alter_column("person", existing_type=sa.Integer, nullable=False)\n'
    '    op.create_index("by_person", "notes", ["person"])'
)


class Counted(History):
    """A history that counts how often its revisions were run."""

    ran = 0

    def run(self, connection: Connection, *, to: str | None = None) -> None:
        self.ran += 1
        super().run(connection, to=to)


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    """Return a folder with one revision, at which all tenants' databases are, with rows."""
    made = write_revisions(tmp_path / "alembic", f"{PEOPLE}; {NOTES}")
    for tenant in TENANTS:
        provision_database(tenant, settings, made)
        ask(tenant, settings, "INSERT INTO people VALUES (7)")
        ask(tenant, settings, "INSERT INTO notes VALUES (1, 7)")
    return made


def upgrade_all(history: History, settings: Settings) -> list[Upgrade]:
    """Upgrade one after the other, as a worker does."""
    shortcuts = Shortcuts(history)
    return [shortcuts.upgrade(tenant_database(tenant, settings)) for tenant in TENANTS]


def shape(tenant: Tenant, settings: Settings) -> list[Any]:
    """Return everything of the database's schema, to the letter."""
    return ask(tenant, settings, SHAPE)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("pass", id="nothing"),
        pytest.param(NAME, id="column"),
        pytest.param(f"{NOTES.replace('notes', 'more')}", id="table"),
        pytest.param(COPY, id="copy of a table"),
        pytest.param('op.execute("ALTER TABLE people RENAME TO folk")', id="plain SQL"),
    ],
)
def test_the_third_needs_no_revision(folder: Path, settings: Settings, body: str) -> None:
    """Two are run, the others come out exactly the same, with all their rows."""
    write_revisions(folder, body, first=2)
    history = Counted(folder)
    assert upgrade_all(history, settings) == [Upgrade("0001", "0002")] * 4
    assert history.ran == 2
    first, _, third, fourth = TENANTS
    assert shape(first, settings) == shape(third, settings) == shape(fourth, settings)
    for tenant in TENANTS:
        assert read_revision(tenant_database(tenant, settings)) == "0002"
        assert ask(tenant, settings, "SELECT id, person FROM notes") == [(1, 7)]
        assert ask(tenant, settings, "PRAGMA journal_mode") == [("wal",)]


@pytest.mark.parametrize(
    ("body", "head"),
    [
        pytest.param('op.execute("UPDATE people SET id = id + 1 WHERE id > 9")', "", id="rows"),
        *[pytest.param(f'op.execute("{text}"); {NAME}', "", id=text) for text in QUESTIONS],
        pytest.param("op.get_bind(); " + NAME, "", id="connection"),
        pytest.param(NAME, "import os", id="another module"),
        pytest.param(NAME, "from alembic import context", id="another part of Alembic"),
    ],
)
def test_what_may_differ_is_run_each_time(
    folder: Path, settings: Settings, body: str, head: str
) -> None:
    """Whatever asks rows, or something outside, or changes rows: no two databases are alike to it."""
    write_revisions(folder, body, first=2, head=head)
    history = Counted(folder)
    assert upgrade_all(history, settings) == [Upgrade("0001", "0002")] * 4
    assert history.ran == 4


def test_what_differs_from_run_to_run_is_run_each_time(folder: Path, settings: Settings) -> None:
    """A name that is another one each time would be one and the same for all others."""
    write_revisions(
        folder,
        'op.create_table(f"t{id(object())}{len(N)}", sa.Column("id", sa.Integer)); N.append(1)',
        first=2,
        head="N = []",
    )
    history = Counted(folder)
    upgrade_all(history, settings)
    assert history.ran == 4


def test_a_schema_of_its_own_is_run(folder: Path, settings: Settings) -> None:
    """Somebody has changed one tenant by hand: the revisions themselves look at it."""
    write_revisions(folder, NAME, first=2)
    ask(TENANTS[2], settings, "CREATE TABLE mine (x)")
    history = Counted(folder)
    upgrade_all(history, settings)
    assert history.ran == 3
    assert read_revision(tenant_database(TENANTS[2], settings)) == "0002"


def test_whoever_is_there_already_stays(folder: Path, settings: Settings) -> None:
    """As with the revisions; another revision than the one that was learned is run."""
    write_revisions(folder, NAME, "pass", first=2)
    history = Counted(folder)
    shortcuts = Shortcuts(history)
    for tenant in TENANTS[:2]:
        shortcuts.upgrade(tenant_database(tenant, settings))
    done = shortcuts.upgrade(tenant_database(TENANTS[0], settings))
    assert done == Upgrade("0003", "0003")
    ask(TENANTS[2], settings, "UPDATE alembic_version SET version_num = '0002'")
    ask(TENANTS[2], settings, "ALTER TABLE people ADD COLUMN name VARCHAR(80)")
    assert shortcuts.upgrade(tenant_database(TENANTS[2], settings)) == Upgrade("0002", "0003")
    assert history.ran == 3


def test_a_refusal_leaves_the_database_as_it_was(folder: Path, settings: Settings) -> None:
    """References that lead nowhere, somebody who writes, no file: a sentence, as with the revisions."""
    write_revisions(folder, NAME, first=2)
    shortcuts = Shortcuts(History(folder))
    for tenant in TENANTS[:2]:
        shortcuts.upgrade(tenant_database(tenant, settings))
    third = tenant_database(TENANTS[2], settings)
    before = shape(TENANTS[2], settings)
    with closing(sqlite3.connect(site_database(TENANTS[2], settings).path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UpgradeError, match="locked"):
            shortcuts.upgrade(third, lock_timeout=0.01)
        other.execute("ROLLBACK")
    ask(TENANTS[2], settings, "UPDATE notes SET person = 99")
    with pytest.raises(UpgradeError, match="a row of 'notes' refers to one of 'people'"):
        shortcuts.upgrade(third)
    assert shape(TENANTS[2], settings) == before
    assert read_revision(third) == "0001"
    third.drop()
    with pytest.raises(UpgradeError, match="unable to open"):
        shortcuts.upgrade(third)
