"""Apps with a folder of Flask-Migrate: found, run by the platform, and never by a build."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import flask_migrate
import pytest
from sqlalchemy import inspect

from tenantry.databases.placements import tenant_database
from tenantry.errors import FactoryError, HistoryError
from tenantry.flask.factories import load_factory
from tenantry.migrations import load_history, upgrade
from tests.tenantry.support import a_tenant, ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.factory import Factory
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

ACME, GLOBEX = a_tenant("acme"), a_tenant("globex")
SHOP = """
    import os, pathlib
    from flask import Flask
    from flask_migrate import Migrate, upgrade
    from flask_sqlalchemy import SQLAlchemy

    db = SQLAlchemy()
    FOLDER = str(pathlib.Path(__file__).parent / "migrations")

    class Item(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(80))

    def create_app(upgrades=True):
        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
        db.init_app(app)
        Migrate(app, db, FOLDER)
        if upgrades:
            with app.app_context():
                upgrade()
                if db.session.scalar(db.select(Item)) is None:
                    db.session.add(Item(name="a first item"))
                    db.session.commit()

        @app.get("/")
        def index():
            return ",".join(item.name for item in db.session.scalars(db.select(Item)))

        return app
"""


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an app whose migrations Flask-Migrate itself has made.

    One for the session: a process imports a module of this name once.
    """
    folder = tmp_path_factory.mktemp("shop")
    (folder / "migrated_shop.py").write_text(dedent(SHOP))
    # In a process of its own: env.py switches off the loggers of the one that it runs in.
    code = (
        "import flask_migrate, migrated_shop\n"
        "with migrated_shop.create_app(upgrades=False).app_context():\n"
        "    flask_migrate.init()\n"
        "    flask_migrate.migrate(message='items')\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def load(shop: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Factory]:
    """Return what loads the app's factory."""
    monkeypatch.syspath_prepend(shop)

    def load(**chosen: Any) -> Factory:
        return load_factory(settings.model_copy(update={"factory": "migrated_shop", **chosen}))

    return load


def build(factory: Factory, tenant: Tenant) -> Any:
    """Build a tenant's app."""
    return factory.build(tenant)


def test_the_folder_is_found_and_new_tenants_are_at_its_newest_revision(
    load: Callable[..., Factory], shop: Path, settings: Settings
) -> None:
    """The factory's own upgrade() does nothing, and what it adds afterwards finds its tables."""
    factory = load()
    assert factory.migrations == shop / "migrations"
    for tenant in (ACME, GLOBEX):
        factory.provision(tenant)
        factory.provision(tenant)
        revision = tenant_database(tenant, settings).revision()
        assert revision == load_history(shop / "migrations").head
    app = build(factory, ACME)
    assert ask(app).text == "a first item"
    factory.dispose(app)
    assert not list(Path().glob("instance/shop.db"))


def test_builds_at_once_do_not_meet_in_alembic(load: Callable[..., Factory]) -> None:
    """Each build has an upgrade() in it, and Alembic has one context for all of them."""
    factory = load()
    tenants = [a_tenant(f"t{number}") for number in range(8)]
    for tenant in tenants:
        factory.provision(tenant)
    with ThreadPoolExecutor(8) as threads:
        for app in threads.map(partial(build, factory), [*tenants, *tenants]):
            assert ask(app).text == "a first item"
            factory.dispose(app)


def test_it_is_told_once(load: Callable[..., Factory], caplog: pytest.LogCaptureFixture) -> None:
    """The log says what happens instead, once for the process."""
    from tenantry.flask import migrating

    migrating._told.clear()
    factory = load()
    factory.provision(ACME)
    for _ in range(2):
        factory.dispose(build(factory, ACME))
    told = [line for line in caplog.messages if "upgrade() in the factory does nothing" in line]
    assert len(told) == 1
    assert "`tenantry migrate` upgrades the others" in told[0]


def test_a_new_revision_is_run_by_the_platform(
    load: Callable[..., Factory], shop: Path, settings: Settings, tmp_path: Path
) -> None:
    """An older tenant's database goes to the newest revision, without the folder's env.py."""
    factory = load()
    factory.provision(ACME)
    folder = tmp_path / "newer"
    for path in (shop / "migrations").rglob("*.*"):
        target = folder / path.relative_to(shop / "migrations")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    head = load_history(shop / "migrations").head
    (folder / "versions" / "newer.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision, down_revision = 'newer', {head!r}\nbranch_labels = depends_on = None\n"
        "def upgrade():\n    with op.batch_alter_table('item') as table:\n"
        "        table.add_column(sa.Column('price', sa.Integer))\n"
    )
    newer = load(migrations=folder)
    assert newer.migrations == folder
    database = tenant_database(ACME, settings)
    assert upgrade(database, load_history(folder)).after == "newer"
    engine = database.open_engine()
    assert "price" in {column["name"] for column in inspect(engine).get_columns("item")}
    engine.dispose()


def test_loggers_of_the_platform_stay_on(load: Callable[..., Factory], settings: Settings) -> None:
    """Flask-Migrate's env.py reads alembic.ini, which would switch off every other logger."""
    ours, root = logging.getLogger("tenantry.pool"), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    factory = load()
    factory.provision(ACME)
    app = build(factory, ACME)
    with app.app_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        flask_migrate.upgrade()  # as `tenantry flask acme db upgrade` does
    factory.dispose(app)
    assert not ours.disabled
    assert (root.handlers, root.level) == (handlers, level)
    assert tenant_database(ACME, settings).revision()


def test_a_folder_that_needs_its_env_is_refused(tmp_path: Path) -> None:
    """Its revisions would be recorded in another table, and run again and again."""
    for line, problem in (
        ("context.configure(version_table='x')", "a version table of its own"),
        ("context.run_migrations(engine_name=name)", "several databases"),
    ):
        folder = tmp_path / problem.replace(" ", "_")
        (folder / "versions").mkdir(parents=True)
        (folder / "versions" / "one.py").write_text(
            "revision, down_revision = 'one', None\ndef upgrade(): ...\n"
        )
        (folder / "env.py").write_text(f"# context.run_migrations()\n{line}\n")
        with pytest.raises(HistoryError, match=problem):
            load_history(folder)


def test_a_missing_folder_is_told(load: Callable[..., Factory]) -> None:
    """The sentence names what was given."""
    with pytest.raises(FactoryError, match="'/no/such/folder'"):
        load(migrations=Path("/no/such/folder"))
