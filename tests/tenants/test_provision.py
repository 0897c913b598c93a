"""Making a tenant's data, and filling it for a demonstration."""

from __future__ import annotations

import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, inspect

from tenantry.migrations import load_history
from tenantry.ui.colours import read_accent
from tenants import DEMONSTRATIONS, create_app, demonstrate, dispose, provision
from tenants.database import MIGRATIONS, Base
from tenants.search_index import INDEX
from tests.tenants.helpers import Site, make_settings, make_tenant

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("sqlite",)  # what is seen here is files


def ask(path: Path, query: str) -> list[Any]:
    """Ask the file itself."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_building_makes_nothing(tmp_path: Path) -> None:
    """create_app opens no file: a missing database is an error to be seen, not an empty site."""
    tenant, settings = make_tenant(), make_settings(tmp_path)
    app = create_app(tenant, settings)
    assert app.test_client().get("/").status_code == 503
    assert list(tmp_path.rglob("*")) == []
    dispose(app)


def test_provisioning_makes_the_schema_and_its_stamp(site: Site) -> None:
    """The tables are the models' and the search index, and a migration knows where to start."""
    head = load_history(MIGRATIONS).head
    assert ask(site.path, "SELECT version_num FROM alembic_version") == [(head,)]
    engine = create_engine(f"sqlite:///{site.path}")
    tables = set(inspect(engine).get_table_names())
    engine.dispose()
    parts = ("", "_config", "_data", "_docsize", "_idx")
    index = {f"{INDEX.name}{part}" for part in parts}
    assert tables == {*Base.metadata.tables, "alembic_version", *index}


def test_provisioning_again_changes_nothing(site: Site) -> None:
    """What is there stays, also at a revision that this release does not know."""
    site.add_member()
    slug = site.add_post()
    with closing(sqlite3.connect(site.path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'later'")
        connection.commit()
    provision(site.tenant, site.settings)
    assert ask(site.path, "SELECT version_num FROM alembic_version") == [("later",)]
    assert site.visitor().get(f"/posts/{slug}").status_code == 200


def test_provisioning_at_the_same_time(tmp_path: Path) -> None:
    """Two processes that provision one tenant do not fail and make one schema."""
    tenant, settings = make_tenant(), make_settings(tmp_path)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: provision(tenant, settings), range(4)))
    site = Site(tenant, settings, create_app(tenant, settings))
    assert site.visitor().get("/").status_code == 200
    assert ask(site.path, "SELECT count(*) FROM alembic_version") == [(1,)]
    site.close()


def test_the_data_is_nobody_elses(site: Site) -> None:
    """Folder and file are for the platform's own user (R39)."""
    assert site.path.parent.stat().st_mode & 0o777 == 0o700
    assert site.path.stat().st_mode & 0o077 == 0
    assert site.path.parent.name == f"t_{site.tenant.id}"


def test_every_foreign_key_has_an_index(site: Site) -> None:
    """Deleting and joining never read a whole table."""
    engine = create_engine(f"sqlite:///{site.path}")
    inspector = inspect(engine)
    for table in ("post", "comment"):
        leading = {index["column_names"][0] for index in inspector.get_indexes(table)}
        for key in inspector.get_foreign_keys(table):
            assert key["constrained_columns"][0] in leading, (table, key)
    engine.dispose()


@pytest.mark.parametrize("slug", [*DEMONSTRATIONS, "somebody"])
def test_a_demonstration_is_worth_looking_at(tmp_path: Path, slug: str) -> None:
    """Every example post renders, and doing it twice doubles nothing."""
    tenant, settings = make_tenant(slug), make_settings(tmp_path)
    for _ in range(2):
        demonstrate(tenant, settings)
    site = Site(tenant, settings, create_app(tenant, settings))
    slugs = [row[0] for row in ask(site.path, "SELECT slug FROM post")]
    assert len(slugs) >= (4 if slug in DEMONSTRATIONS else 1)
    for name in slugs:
        page = site.visitor().get(f"/posts/{name}")
        assert page.status_code == 200
        assert re.search(r'class="prose"[^>]*>\s*<', page.text)
    if slug in DEMONSTRATIONS:
        everything = "".join(row[0] for row in ask(site.path, "SELECT body_html FROM post"))
        for tag in ("<h2>", "<li>", "<blockquote>", "<table>"):
            assert tag in everything
        assert ask(site.path, "SELECT count(*) FROM comment")[0][0] > 2
    for table, column in (("post", "published_at"), ("comment", "created_at")):
        assert ask(site.path, f"SELECT 1 FROM {table} WHERE {column} > datetime('now')") == []  # noqa: S608
    site.close()


def test_a_demonstration_leaves_no_way_in(tmp_path: Path) -> None:
    """Example authors have no password and no real address."""
    tenant, settings = make_tenant(), make_settings(tmp_path)
    demonstrate(tenant, settings)
    path = settings.tenant_dir(tenant.id) / "site.sqlite3"
    members = ask(path, "SELECT email, password_hash, role FROM member")
    assert len(members) > 3
    for email, password_hash, role in members:
        assert email.endswith(".example")
        assert password_hash is None
        assert role in {"author", "member"}


def test_a_demonstration_leaves_a_site_in_use_alone(site: Site) -> None:
    """A site that somebody has written on gets nothing added."""
    site.add_member()
    site.add_post()
    demonstrate(site.tenant, site.settings)
    assert ask(site.path, "SELECT count(*) FROM post") == [(1,)]


def test_demonstrations_are_well_described() -> None:
    """Each example has a name, a tagline and a colour of its own."""
    accents = set()
    for slug, values in DEMONSTRATIONS.items():
        assert slug.title() in values["name"]
        assert values["settings"]["tagline"]
        assert values["settings"]["listed"] is True
        accent = values["settings"]["accent"]
        assert read_accent(accent) == accent
        accents.add(accent)
    assert len(accents) == len(DEMONSTRATIONS)
