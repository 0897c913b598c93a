"""``tenantry flask``: an app's own commands, for one tenant or for all."""

from __future__ import annotations

import sqlite3
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tenantry.settings import get_settings

if TYPE_CHECKING:
    from tests.tenantry.cli.conftest import Desk

FLASKR = """
    import os, sqlite3
    import click
    from flask import Flask, current_app

    def create_app(test_config=None):
        app = Flask(__name__, instance_relative_config=True)
        app.config["DATABASE"] = os.path.join(app.instance_path, "flaskr.sqlite")

        @click.command("init-db")  # without a context of its own, as the tutorial's
        def init_db():
            with sqlite3.connect(current_app.config["DATABASE"]) as database:
                database.execute("CREATE TABLE post (body)")
            click.echo("Initialized the database.")

        app.cli.add_command(init_db)

        @app.cli.command("add")
        @click.argument("body")
        @click.option("--times", default=1)
        def add(body, times):
            with sqlite3.connect(current_app.config["DATABASE"]) as database:
                database.executemany("INSERT INTO post VALUES (?)", [[body]] * times)

        @app.cli.command("count")
        def count():
            with sqlite3.connect(current_app.config["DATABASE"]) as database:
                click.echo(database.execute("SELECT count(*) FROM post").fetchone()[0])

        return app
"""


@pytest.fixture
def flaskr(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a platform of an app that knows of no tenants, and whose tables a command makes."""
    monkeypatch.syspath_prepend(ready.folder)
    (ready.folder / "flaskr_app.py").write_text(dedent(FLASKR))
    monkeypatch.setenv("TENANTRY_FACTORY", "flaskr_app")
    monkeypatch.setenv("TENANTRY_PROVISION", '["init-db"]')
    for slug in ("acme", "globex"):
        ready.done("tenant", "create", slug)
    return ready


def test_new_tenants_run_the_apps_own_commands(flaskr: Desk) -> None:
    """TENANTRY_PROVISION makes the tables of each new tenant, in its own folder."""
    with flaskr.catalog as catalog:
        for slug in ("acme", "globex"):
            folder = get_settings().tenant_dir(catalog.tenants.get(slug).id)
            database = sqlite3.connect(folder / "flaskr.sqlite")
            assert database.execute("SELECT count(*) FROM post").fetchone() == (0,)
            database.close()


def test_a_command_that_fails_creates_no_tenant(
    flaskr: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names the setting, the command and what it said."""
    monkeypatch.setenv("TENANTRY_PROVISION", '["no-such-command"]')
    sentence = flaskr.refused("tenant", "create", "initech")
    assert "TENANTRY_PROVISION='no-such-command' ended with 2: Error: No such command" in sentence
    with flaskr.catalog as catalog:
        assert catalog.tenants.find("initech") is None


def test_a_command_works_on_one_tenant(flaskr: Desk) -> None:
    """Options belong to the app's command; the audit trail has who ran it, without its arguments."""
    flaskr.done("flask", "acme", "add", "hello", "--times", "3")
    assert flaskr.done("flask", "acme", "count") == "3\n"
    assert flaskr.done("flask", "globex", "count") == "0\n"
    assert "init-db" in flaskr.done("flask", "acme", "--help")
    with flaskr.catalog as catalog:
        tenant = catalog.tenants.get("acme")
        newest = catalog.audit.list(tenant_id=tenant.id).items
    assert ("tenant.flask", {"command": "add"}) in [(e.action, dict(e.detail)) for e in newest]


def test_a_failing_command_is_told(flaskr: Desk) -> None:
    """Its exit code is the command's: 2 for wrong usage, 1 for an exception."""
    assert flaskr.run("flask", "acme", "no-such-command").exit_code == 2
    assert flaskr.run("flask", "acme", "init-db").exit_code == 1
    assert "does not exist" in flaskr.refused("flask", "initech", "count")


def test_one_failure_stops_nobody_elses(flaskr: Desk) -> None:
    """With --all every tenant has its turn, and the failed ones are named at the end."""
    flaskr.done("flask", "--all", "add", "hello")
    with flaskr.catalog as catalog:
        folder = get_settings().tenant_dir(catalog.tenants.get("acme").id)
    (folder / "flaskr.sqlite").unlink()

    result = flaskr.run("flask", "--all", "count")
    assert (result.exit_code, result.stdout) == (1, "1\n")
    assert "1 of 2 failed: acme." in result.stderr
