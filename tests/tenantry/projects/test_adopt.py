"""An app that is there is looked at, and served by what is written into .env."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tenantry.cli import main

if TYPE_CHECKING:
    from pathlib import Path

APP = """
import sqlite3

import click
import flask_nowhere
from flask import Flask, current_app
from flask_caching import Cache

ORDERS = []
cache = Cache()


@click.command("init-db")
def init_db():
    sqlite3.connect(current_app.config["DATABASE"]).close()


def order(name):
    ORDERS.append(name)


def create_app(config_name: str = "production", *, debug=False):
    app = Flask(__name__)
    app.cli.add_command(init_db)
    return app
"""

NAME = "bazaar_adopted"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working folder with an app."""
    (tmp_path / f"{NAME}.py").write_text(APP)
    (tmp_path / "flask_nowhere.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    return tmp_path


def adopt(*words: str) -> tuple[int, str]:
    """Run the command; return its exit code and what it printed."""
    done = CliRunner().invoke(main, ["adopt", *words])
    return done.exit_code, done.output


def test_it_says_what_it_found_and_writes_the_settings(folder: Path) -> None:
    """Factory, database, extensions, commands and traps with their lines."""
    code, output = adopt(NAME)
    assert code == 0, output
    for line in (
        f"Factory:       {NAME}, create_app(config_name='production', *, debug=False)",
        "Database:      sqlite3: files below app.instance_path are the tenant's",
        "Extensions:    flask_caching, flask_nowhere",
        "Commands:      init-db",
        f"{NAME}.py:9: All tenants share {NAME}.ORDERS",
    ):
        assert line in output
    assert (folder / ".env").read_text() == (
        f'TENANTRY_FACTORY={NAME}\nTENANTRY_PROVISION=["init-db"]\n'
    )


def test_other_values_are_not_replaced_without_asking(folder: Path) -> None:
    """Other lines always stay; a command that is run again changes nothing."""
    env = folder / ".env"
    env.write_text("# mine\nTENANTRY_FACTORY=shop\nPORT=1\n")
    code, output = adopt(NAME)
    assert code == 1
    assert "other values for TENANTRY_FACTORY; --force replaces them" in output
    assert env.read_text() == "# mine\nTENANTRY_FACTORY=shop\nPORT=1\n"
    assert adopt(NAME, "--force", "--args", '["testing"]')[0] == 0
    written = env.read_text()
    assert written.startswith(f"# mine\nTENANTRY_FACTORY={NAME}\nPORT=1\n")
    assert 'TENANTRY_FACTORY_ARGS=["testing"]' in written
    assert adopt(NAME, "--args", '["testing"]')[0] == 0
    assert env.read_text() == written


def test_what_cannot_be_served_is_refused(folder: Path) -> None:
    """Nothing is written if there is no factory, or arguments that are no list."""
    assert "no module 'bazaars'" in adopt("bazaars")[1]
    assert adopt(NAME, "--args", "production")[0] == 2
    assert not (folder / ".env").exists()
