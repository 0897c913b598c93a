"""``tenantry migrations revision``: the revision between the newest one and the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.migrations import load_history
from tenantry.settings import get_settings
from tests.tenantry.migrations.support import PEOPLE, ask, write_revisions

if TYPE_CHECKING:
    from tests.tenantry.cli.conftest import Desk

SHOP = """
from pathlib import Path
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Column, ForeignKey, Integer, String, Table
from tenantry import provision_database
MIGRATIONS = Path(__file__).with_name("alembic")
db = SQLAlchemy()
people = Table("people", db.metadata, Column("id", Integer, primary_key=True){more})
def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.sqlite"
    db.init_app(app)
    return app
def provision(tenant): provision_database(tenant, MIGRATIONS)
"""
COLUMN = ', Column("email", String(80), nullable=True)'


@pytest.fixture
def shop(desk: Desk) -> Desk:
    """Return a working folder whose app's models have a column more than the newest revision."""
    (desk.folder / "shop.py").write_text(SHOP.format(more=COLUMN))
    write_revisions(desk.folder / "alembic", PEOPLE)
    desk.prepare()
    load_history.cache_clear()
    return desk


def test_what_the_models_have_more_becomes_a_revision(shop: Desk) -> None:
    """It runs for a tenant, and then there is no difference any more."""
    shop.done("tenant", "create", "acme")
    told = shop.done("migrations", "revision", "-m", "Keep addresses")
    (written,) = (shop.folder / "alembic" / "versions").glob("0002_*.py")
    assert str(written) in told
    assert "email" in written.read_text()
    assert "down_revision" in written.read_text()
    load_history.cache_clear()
    assert "1 of 1 tenants migrated to 0002" in shop.done("migrate")
    told = shop.done("migrations", "revision", "-m", "Again")
    assert "Nothing was written" in told
    assert len(list((shop.folder / "alembic" / "versions").glob("*.py"))) == 2


def test_the_first_revision_is_made_from_nothing(shop: Desk) -> None:
    """With an empty folder, all that the models have becomes revision 0001, for a new tenant too."""
    for file in (shop.folder / "alembic" / "versions").glob("*.py"):
        file.unlink()
    (shop.folder / "alembic" / "versions").rmdir()
    load_history.cache_clear()
    told = shop.done("migrations", "revision", "-m", "Begin")
    (written,) = (shop.folder / "alembic" / "versions").glob("*.py")
    assert written.name == "0001_begin.py"
    assert str(written) in told
    load_history.cache_clear()
    assert load_history(shop.folder / "alembic").head == "0001"
    shop.done("tenant", "create", "acme")
    with shop.catalog as catalog:
        acme = catalog.tenants.get("acme")
    columns = ask(acme, get_settings(), "SELECT name FROM pragma_table_info('people')")
    assert columns == [("id",), ("email",)]
    assert "Nothing was written" in shop.done("migrations", "revision", "-m", "Again")


def test_without_models_there_is_nothing_to_compare(shop: Desk) -> None:
    """It is said what to do instead, and no file is left."""
    source = (shop.folder / "shop.py").read_text().replace("db.init_app(app)", "pass")
    (shop.folder / "shop.py").write_text(source)
    assert "no Flask-SQLAlchemy" in shop.refused("migrations", "revision", "-m", "x")
    assert len(list((shop.folder / "alembic" / "versions").glob("*.py"))) == 1


def test_without_a_folder_it_says_which_setting_names_one(shop: Desk) -> None:
    source = (shop.folder / "shop.py").read_text().replace("MIGRATIONS", "OTHER")
    (shop.folder / "shop.py").write_text(source)
    assert "TENANTRY_MIGRATIONS" in shop.refused("migrations", "revision", "-m", "x")
