"""A backup from before a migration is brought to the schema that the site has now."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from tenantry.catalog import SYSTEM, Catalog
from tenantry.databases.placements import tenant_database
from tenantry.databases.servers import SERVERS
from tenantry.errors import BundleError
from tenantry.factory import Factory
from tenantry.lifecycle import Operations
from tenantry.migrations import load_history, provision_database, upgrade
from tests.conftest import names
from tests.tenantry.migrations.support import FAILS, NAME, PEOPLE, write_revisions
from tests.tenantry.support import hello, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import psycopg

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

FILL = "op.execute(\"UPDATE people SET name = 'number ' || id\")"
EARLIER, LATER = [(1,), (7,)], [(9,)]

pytestmark = pytest.mark.postgresql


@pytest.fixture
def settings(make_settings: Callable[..., Settings], server_url: str) -> Settings:
    """Return settings with a placement of each kind."""
    main = {"url": server_url, "connections": 4}
    return make_settings(databases={"main": main, "files": "sqlite"})


class Site:
    """A tenant with a backup at its first revision, and two revisions since."""

    def __init__(self, catalog: Catalog, settings: Settings, folder: Path, kind: str) -> None:
        self.catalog = catalog
        self.settings = settings
        self.folder = write_revisions(folder, PEOPLE)
        self.factory = self.release()
        slug, placement = "acme", "main"
        operations = Operations(catalog, self.factory, settings=settings, actor=SYSTEM)
        self.tenant = operations.create(slug, name=slug, placement=placement)
        self.put(EARLIER)
        self.backup = operations.backup(slug).path
        write_revisions(folder, NAME, FILL, first=2)
        self.factory = self.release()
        upgrade(tenant_database(self.tenant, settings), load_history(folder))
        catalog.schemas.record(self.tenant.id, "0003", by=SYSTEM)
        if kind == "sqlite":
            operations.move(slug, "files")
            self.tenant = catalog.tenants.get(slug)
        self.put(LATER)

    def release(self) -> Factory:
        """Return the factory of a new release."""
        load_history.cache_clear()

        def provision(tenant: Tenant) -> None:
            provision_database(tenant, self.settings, self.folder)

        return Factory(
            build=lambda _: hello("site"),
            provision=provision,
            find_migrations=lambda: self.folder,
        )

    def put(self, rows: list[tuple[int]]) -> None:
        """Add rows to the site."""
        with (
            opened(tenant_database(self.tenant, self.settings)) as engine,
            engine.begin() as connection,
        ):
            for (number,) in rows:
                connection.execute(text("INSERT INTO people (id) VALUES (:id)"), {"id": number})

    def rows(self, columns: str = "id") -> list[Any]:
        """Return the site's rows."""
        with (
            opened(tenant_database(self.tenant, self.settings)) as engine,
            engine.connect() as connection,
        ):
            query = f"SELECT {columns} FROM people ORDER BY id"  # noqa: S608 - the test's own
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    def restore(self, **options: Any) -> None:
        """Bring the backup back."""
        Operations(self.catalog, self.factory, settings=self.settings, actor=SYSTEM).restore(
            "acme", self.backup, drain=0, **options
        )


@pytest.fixture(params=["postgresql", "sqlite"])
def site(
    catalog: Catalog, settings: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> Site:
    """Return it on each kind of placement in turn; rows in the backup, not pages."""
    return Site(catalog, settings, tmp_path / "alembic", request.param)


@pytest.fixture
def on_server(catalog: Catalog, settings: Settings, tmp_path: Path) -> Site:
    """Return it on the server."""
    return Site(catalog, settings, tmp_path / "alembic", "postgresql")


def test_rows_go_through_the_revisions(site: Site, superuser: psycopg.Connection[Any]) -> None:
    """What was there then is there again, as if it had been migrated; what came later is gone."""
    site.restore()
    assert site.rows("id, name") == [(1, "number 1"), (7, "number 7")]
    assert tenant_database(site.tenant, site.settings).revision() == "0003"
    assert site.catalog.schemas.count() == {"0003": 1}
    assert site.catalog.tenants.get("acme").state == "active"
    schemas = names(superuser, "SELECT nspname FROM pg_namespace")
    assert set(schemas) == {f"t_{site.tenant.id}"}
    (home,) = (site.settings.data_dir / "restores").iterdir()
    assert {path.name for path in home.iterdir()} <= {"old"}


def test_a_revision_that_refuses_changes_nothing(
    site: Site, superuser: psycopg.Connection[Any]
) -> None:
    """The site serves as it was, and no scratch database stays."""
    write_revisions(site.folder, NAME, FAILS, first=2)
    site.factory = site.release()
    before = site.rows("id, name")
    with pytest.raises(Exception, match="no_such_table"):
        site.restore()
    assert site.rows("id, name") == before
    assert site.catalog.tenants.get("acme").state == "active"
    assert len(names(superuser, "SELECT nspname FROM pg_namespace")) == 1


def test_what_is_of_another_line_is_refused(site: Site) -> None:
    """A release that does not know the backup's revision, or no factory: as ever, in a sentence."""
    other = site.folder.with_name("other")
    site.folder = write_revisions(other, PEOPLE.replace("people", "folk"))
    (other / "versions" / "0001_.py").write_text(
        (other / "versions" / "0001_.py").read_text().replace("'0001'", "'zzz'")
    )
    site.factory = site.release()
    before = site.rows()
    with pytest.raises(BundleError, match="its data is at revision 0001"):
        site.restore()
    site.factory = Factory(build=lambda _: hello("site"))
    with pytest.raises(BundleError, match="its data is at revision 0001"):
        site.restore()
    assert site.rows() == before


def kill_in_the_middle(site: Site) -> None:
    """Have a restore die while its rows are in a scratch schema."""
    SERVERS.clear()
    child = os.fork()
    if not child:
        with suppress(BaseException):
            load_history.cache_clear()
            # Where the second revision is run, the process ends.
            write_revisions(
                site.folder, f"import os; os.kill(os.getpid(), {signal.SIGKILL.value})", first=2
            )
            site.restore()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    write_revisions(site.folder, NAME, first=2)


def test_killed_in_the_middle(on_server: Site, superuser: psycopg.Connection[Any]) -> None:
    """The next restore drops the scratch schema that was left, and does the work."""
    kill_in_the_middle(on_server)
    assert len(names(superuser, "SELECT nspname FROM pg_namespace")) == 2
    on_server.restore()
    assert on_server.rows() == EARLIER
    assert len(names(superuser, "SELECT nspname FROM pg_namespace")) == 1


def test_purged_after_that(on_server: Site, superuser: psycopg.Connection[Any]) -> None:
    """Nobody restores it any more: purging takes the scratch schema too."""
    kill_in_the_middle(on_server)
    operations = Operations(on_server.catalog, settings=on_server.settings, actor=SYSTEM)
    operations.archive("acme")
    operations.delete("acme")
    operations.purge("acme", early=True)
    assert not names(superuser, "SELECT nspname FROM pg_namespace")
    assert not names(superuser, "SELECT rolname FROM pg_roles")
