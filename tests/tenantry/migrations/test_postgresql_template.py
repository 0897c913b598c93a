"""New schemas on PostgreSQL: the template's statements in one message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.databases.placements import tenant_database
from tenantry.databases.postgresql_schema import SchemaDatabase
from tenantry.migrations import History, provision_database, upgrade
from tenantry.migrations.description import describe
from tenantry.migrations.postgresql_template import postgresql_template
from tenants import MIGRATIONS
from tests.conftest import names
from tests.tenantry.migrations.support import NAME, PEOPLE, write_revisions
from tests.tenantry.support import a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    import psycopg

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

pytestmark = pytest.mark.postgresql

ACME, GLOBEX = a_tenant("acme"), a_tenant("globex")
DAY = "from datetime import datetime; DAY = datetime(2026, 1, 2)"
RICH = """op.create_table(
        "we''ird \\"one",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("100% sure", sa.Numeric(9, 2), server_default=sa.text("'1.50'")),
        sa.Column("made", sa.DateTime(timezone=True), server_default=sa.func.now()),
        sa.Column("tags", sa.ARRAY(sa.String(20))),
        sa.Column("named", sa.String(40, collation="C"), nullable=False),
        sa.Column("person", sa.Integer, sa.ForeignKey("people.id", ondelete="CASCADE")),
        sa.CheckConstraint("person > 0", name="positive"),
        sa.UniqueConstraint("named", "person"),
    )
    op.create_index("part", "we''ird \\"one", [sa.text("lower(named)")], unique=True,
                    postgresql_where=sa.text("person > 1"))
    op.execute("ALTER TABLE people ADD two int GENERATED ALWAYS AS (id * 2) STORED")
    op.execute("INSERT INTO people DEFAULT VALUES; INSERT INTO people DEFAULT VALUES")
    op.bulk_insert(sa.table("we''ird \\"one", *map(sa.column, ["named", "person", "made"])),
                   [{"named": "it's 100% \\\\ done", "person": 2, "made": DAY}])
"""


@pytest.fixture
def pg_settings(make_settings: Callable[..., Settings], server_url: str) -> Settings:
    """Return settings whose tenants live on PostgreSQL."""
    return make_settings(databases={"local": server_url})


def database_of(tenant: Tenant, settings: Settings) -> SchemaDatabase:
    """Return the tenant's schema."""
    found = tenant_database(tenant, settings)
    assert isinstance(found, SchemaDatabase)
    return found


def described(tenant: Tenant, settings: Settings) -> list[str] | None:
    """Return the statements that make what the tenant has."""
    with database_of(tenant, settings).open_engine().begin() as connection:
        return describe(connection)


@pytest.mark.parametrize("kind", ["bundled site", "rich"])
def test_statements_make_what_revisions_make(
    pg_settings: Settings, tmp_path: Path, superuser: psycopg.Connection[Any], kind: str
) -> None:
    """Types, defaults, constraints, indexes, sequences and rows; and no scratch schema stays."""
    folder = (
        MIGRATIONS
        if kind == "bundled site"
        else write_revisions(tmp_path / "a", PEOPLE, RICH, head=DAY)
    )
    provision_database(ACME, pg_settings, folder)
    replayed = database_of(GLOBEX, pg_settings)
    replayed.create()
    upgrade(replayed, History(folder))

    assert database_of(ACME, pg_settings).revision() == History(folder).head
    assert described(ACME, pg_settings) == described(GLOBEX, pg_settings) is not None
    assert len(list(pg_settings.templates_dir.glob("*.postgresql-*.json"))) == 1
    schemas = names(superuser, "SELECT nspname FROM pg_namespace")
    roles = names(superuser, "SELECT rolname FROM pg_roles")
    assert set(schemas) == set(roles) == {f"t_{it.id}" for it in (ACME, GLOBEX)}


def test_sequences_go_on(pg_settings: Settings, tmp_path: Path) -> None:
    """What revisions have inserted has numbers that the first visitor's row must not get again."""
    provision_database(ACME, pg_settings, write_revisions(tmp_path / "a", PEOPLE, RICH, head=DAY))
    with database_of(ACME, pg_settings).open_engine().begin() as connection:
        added = connection.exec_driver_sql("INSERT INTO people DEFAULT VALUES RETURNING id")
        assert added.scalar_one() == 3


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("op.execute('CREATE VIEW v AS SELECT id FROM people')", id="view"),
        pytest.param("op.execute(\"CREATE TYPE mood AS ENUM ('good')\")", id="type"),
        pytest.param("op.execute('CREATE FUNCTION f() RETURNS int RETURN 1')", id="function"),
        pytest.param("op.execute(\"COMMENT ON TABLE people IS 'us'\")", id="comment"),
        pytest.param("op.execute('ALTER TABLE people ENABLE ROW LEVEL SECURITY')", id="policy"),
        pytest.param("op.execute('ALTER TABLE people SET (fillfactor = 50)')", id="option"),
        pytest.param(
            "op.execute('ALTER TABLE people ADD n int GENERATED ALWAYS AS IDENTITY')", id="identity"
        ),
    ],
)
def test_what_statements_cannot_tell_is_replayed(
    pg_settings: Settings, tmp_path: Path, body: str
) -> None:
    """Nothing that a revision makes may be missing from new tenants."""
    folder = write_revisions(tmp_path / "a", PEOPLE, body, NAME)
    database = database_of(ACME, pg_settings)
    assert postgresql_template(database.server, History(folder), pg_settings.templates_dir) is None
    provision_database(ACME, pg_settings, folder)
    assert database.revision() == "0003"


def test_a_schema_that_is_there_is_left_alone(pg_settings: Settings, tmp_path: Path) -> None:
    """Provisioning again changes nothing; an empty schema is completed."""
    folder = write_revisions(tmp_path / "a", PEOPLE)
    database = database_of(ACME, pg_settings)
    database.create()
    provision_database(ACME, pg_settings, folder)
    with database.open_engine().begin() as connection:
        connection.exec_driver_sql("INSERT INTO people DEFAULT VALUES")
    write_revisions(folder, NAME, first=2)
    provision_database(ACME, pg_settings, folder)
    assert database.revision() == "0001"
    with database.open_engine().begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM people").scalar() == 1
