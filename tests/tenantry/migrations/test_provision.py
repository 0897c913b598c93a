"""New databases: copies of a template at the newest schema revision."""

from __future__ import annotations

import multiprocessing
import os
import time
from typing import TYPE_CHECKING

import pytest

from tenantry.databases.placements import tenant_database
from tenantry.errors import UpgradeError
from tenantry.migrations import History, provision_database
from tenantry.migrations.sqlite_template import KEPT_SECONDS, sqlite_template
from tests.tenantry.migrations.support import (
    FAILS,
    NAME,
    PEOPLE,
    ask,
    columns,
    write_revisions,
)
from tests.tenantry.support import a_tenant

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.settings import Settings

ACME = a_tenant("acme")
GLOBEX = a_tenant("globex")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two revisions, the second of which leaves a row."""
    insert = "op.execute(\"INSERT INTO people (name) VALUES ('first')\")"
    return write_revisions(tmp_path / "alembic", PEOPLE, f"{NAME}; {insert}")


def test_a_new_database_is_complete(folder: Path, settings: Settings) -> None:
    """It has the newest schema and what revisions put in, is private, and in WAL mode."""
    provision_database(ACME, settings, folder)

    assert tenant_database(ACME, settings).revision() == "0002"
    assert columns(ACME, settings, "people") == ["id", "name"]
    assert ask(ACME, settings, "SELECT name FROM people") == [("first",)]
    assert ask(ACME, settings, "PRAGMA journal_mode") == [("wal",)]
    assert ask(ACME, settings, "PRAGMA foreign_key_check") == []
    home = settings.tenant_dir(ACME.id)
    assert home.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in home.iterdir()} == {"site.sqlite3"}
    assert (home / "site.sqlite3").stat().st_mode & 0o777 == 0o600


def test_history_runs_once_however_many_databases_are_made(
    folder: Path, settings: Settings
) -> None:
    """The second tenant's comes from the file that the first one's came from."""
    provision_database(ACME, settings, folder)
    (template,) = settings.templates_dir.glob("*.sqlite3")
    made = template.stat()
    provision_database(GLOBEX, settings, folder)

    assert list(settings.templates_dir.glob("*.sqlite3")) == [template]
    assert template.stat().st_mtime_ns == made.st_mtime_ns
    assert template.stat().st_ino != (settings.tenant_dir(GLOBEX.id) / "site.sqlite3").stat().st_ino


def test_a_changed_history_has_a_template_of_its_own(folder: Path, settings: Settings) -> None:
    """A newer schema, or a revision that its author rewrote, never gets an old database."""
    templates = settings.templates_dir
    first = sqlite_template(History(folder), templates)
    write_revisions(folder, "pass", first=2)
    second = sqlite_template(History(folder), templates)
    write_revisions(folder, "pass", first=3)
    os.utime(first, (time.time() - KEPT_SECONDS - 60,) * 2)
    third = sqlite_template(History(folder), templates)

    assert len({first, second, third}) == 3
    assert not first.exists(), "templates that nobody made for a month are kept for ever"
    assert second.exists()


def _make(folder: Path, templates: Path) -> None:
    sqlite_template(History(folder), templates)


def test_processes_make_one_template(folder: Path, settings: Settings) -> None:
    """They take turns, and whoever comes later finds it."""
    context = multiprocessing.get_context("spawn")
    arguments = (folder, settings.templates_dir)
    processes = [context.Process(target=_make, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(list(settings.templates_dir.glob("*.sqlite3"))) == 1


def test_a_history_that_fails_leaves_no_template(folder: Path, settings: Settings) -> None:
    """And no database: the next attempt begins anew, and works when the revision is mended."""
    write_revisions(folder, FAILS, first=3)
    with pytest.raises(UpgradeError, match="no_such_table"):
        _make(folder, settings.templates_dir)
    assert {path.name for path in settings.templates_dir.iterdir()} == {"lock"}
    write_revisions(folder, "pass", first=3)
    provision_database(ACME, settings, folder)
    assert tenant_database(ACME, settings).revision() == "0003"


def test_a_database_without_a_schema_gets_one(folder: Path, settings: Settings) -> None:
    """What an interruption left empty is completed; what has a schema is left as it is."""
    tenant_database(ACME, settings).create()
    provision_database(ACME, settings, folder)
    assert tenant_database(ACME, settings).revision() == "0002"
    ask(ACME, settings, "UPDATE alembic_version SET version_num = '0001'")
    provision_database(ACME, settings, folder)
    assert tenant_database(ACME, settings).revision() == "0001"
