"""Preparing and checking the catalog's schema."""

from __future__ import annotations

import gc
import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import make_url, text

from tenantry.catalog import SYSTEM, Catalog, schema
from tenantry.catalog.engine import open_engine
from tenantry.catalog.models import Base
from tenantry.catalog.schema import check, head, upgrade
from tenantry.errors import CatalogNotReadyError, CatalogUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_migrations_make_what_the_models_say(any_catalog: Catalog) -> None:
    """A model without its migration would work on the developer's machine only."""
    with any_catalog.store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_preparing_again_changes_nothing(any_catalog: Catalog) -> None:
    """``tenantry init`` can be run as often as one likes."""
    tenant = any_catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    any_catalog.upgrade()
    any_catalog.upgrade()

    assert any_catalog.tenants.get("acme") == tenant
    assert any_catalog.audit.verify().first_bad is None
    assert any_catalog.check_schema()


def test_the_newest_revision_is_alembics() -> None:
    """What is read off the files without Alembic is what Alembic says."""
    assert (
        head()
        == ScriptDirectory(str(Path(schema.__file__).with_name("alembic"))).get_current_head()
    )


@pytest.mark.parametrize("found", ["0000", "9999"], ids=["older", "newer"])
def test_another_releases_schema_is_refused(any_catalog: Catalog, found: str) -> None:
    """A worker never serves from a catalog that it does not understand."""
    with any_catalog.store.engine.begin() as connection:
        connection.execute(
            text("UPDATE alembic_version SET version_num = :found"), {"found": found}
        )
    try:
        with pytest.raises(CatalogNotReadyError) as caught:
            any_catalog.check_schema()
    finally:
        with any_catalog.store.engine.begin() as connection:
            connection.execute(
                text("UPDATE alembic_version SET version_num = :head"), {"head": head()}
            )

    assert caught.value.found == found
    assert "tenantry init" in str(caught.value)


def test_an_empty_catalog_is_refused(tmp_path: Path) -> None:
    """Without a schema the message says what to do, and hides the password."""
    engine = open_engine(f"sqlite:///{tmp_path}/new/catalog.sqlite3")
    with pytest.raises(CatalogNotReadyError, match="has not been prepared"):
        check(engine)
    engine.dispose()
    unreachable = open_engine("postgresql+psycopg://op:secret@127.0.0.1:1/none")
    with pytest.raises(CatalogUnavailableError) as caught:
        check(unreachable)
    assert "secret" not in str(caught.value)


def test_a_new_sqlite_catalog_is_for_its_owner_only(tmp_path: Path) -> None:
    """R39: the folder that is made for the catalog lets nobody else in."""
    engine = open_engine(f"sqlite:///{tmp_path}/data/catalog.sqlite3")
    upgrade(engine)
    engine.dispose()

    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


@pytest.mark.postgresql
def test_preparing_works_on_a_new_postgresql_database(postgres_url: str) -> None:
    """The same migrations make the catalog on PostgreSQL, and check() knows before and after."""
    server = open_engine(postgres_url)
    with server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE IF EXISTS fresh"))
        connection.execute(text("CREATE DATABASE fresh"))
    server.dispose()
    fresh = make_url(postgres_url).set(database="fresh")
    engine = open_engine(fresh.render_as_string(hide_password=False))
    with pytest.raises(CatalogNotReadyError):
        check(engine)
    upgrade(engine)
    assert check(engine)
    engine.dispose()


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(
    any_url: str, open_catalog_at: Callable[..., Catalog]
) -> None:
    """Law 13: two processes never share a socket or a SQLite handle."""
    import os

    catalog = open_catalog_at(any_url)
    catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    child = os.fork()
    if child == 0:
        try:
            catalog.tenants.add("bolt", name="Bolt", by=SYSTEM)
            os._exit(0)
        finally:
            sys.stderr.flush()
            os._exit(1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert catalog.tenants.get("bolt").name == "Bolt"
    assert catalog.changes.read_epoch() == 2


def test_an_engine_that_is_not_used_any_more_is_freed(any_url: str) -> None:
    """The hook for forked children keeps none: an engine holds hundreds of compiled statements."""
    engine = open_engine(any_url)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
    engine.dispose()
    kept = weakref.ref(engine)
    del engine, connection
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize(
    ("usable", "is_used"),
    [
        pytest.param("{own} 9999", True, id="expanded for this release"),
        pytest.param("9998 9999", False, id="contracted"),
        pytest.param("{own} 9998", False, id="said of another revision"),
        pytest.param("", False, id="nothing said"),
    ],
)
def test_a_node_goes_on_when_another_one_has_expanded_the_catalog(
    any_catalog: Catalog, usable: str, *, is_used: bool
) -> None:
    """Nodes are upgraded one after the other; the older ones work until then, if they can."""
    engine, own = any_catalog.store.engine, head()
    change = text("UPDATE alembic_version SET version_num = :found")
    say = text("UPDATE heads SET usable_from = :usable")
    with engine.begin() as connection:
        connection.execute(change, {"found": "9999"})
        connection.execute(say, {"usable": usable.format(own=own)})
    try:
        if is_used:
            assert any_catalog.check_schema() == "9999"
        else:
            with pytest.raises(CatalogNotReadyError, match="is at revision 9999"):
                any_catalog.check_schema()
    finally:
        with engine.begin() as connection:
            connection.execute(change, {"found": own})


def test_the_catalog_says_who_can_use_it(any_catalog: Catalog) -> None:
    """An upgrade writes it, from what the revisions say of themselves."""
    any_catalog.upgrade()
    with any_catalog.store.engine.connect() as connection:
        said = connection.scalar(text("SELECT usable_from FROM heads"))
    assert said == f"{schema.oldest_user()} {head()}"
    assert schema.oldest_user() < head()
    assert schema.oldest_user(since=head()) == head()
