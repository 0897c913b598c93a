"""Backups and bundles that somebody made to harm: every sum in them is right."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.bundles.archive import open_bundle, write_bundle
from tenantry.bundles.manifest import PAGES
from tenantry.bundles.sqlite_pages import describe_pages
from tenantry.catalog import SYSTEM, Catalog
from tenantry.errors import BundleError, ProvisionError, UnknownPlanError
from tenantry.factory import Factory, load_factory
from tenantry.lifecycle import Operations
from tenantry.migrations import load_history, provision_database
from tests.tenantry.lifecycle import ledger
from tests.tenantry.migrations.support import NAME, PEOPLE, ask, write_revisions
from tests.tenantry.support import hello

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n AS id FROM c"


@dataclass
class Site:
    """A tenant with one person, and a backup of it."""

    catalog: Catalog
    settings: Settings
    factory: Factory
    tenant: Tenant
    backup: Path

    @property
    def operations(self) -> Operations:
        """What may be done to the tenant."""
        return Operations(self.catalog, self.factory, settings=self.settings, actor=SYSTEM)

    def people(self) -> list[Any]:
        """Return who is there."""
        return ask(self.tenant, self.settings, "SELECT id FROM people")

    def change(self, script: str, folder: Path) -> Path:
        """Return a backup that is like the site's, after somebody did this to the database in it."""
        parts = folder / "parts"
        (parts / "database").mkdir(parents=True)
        with open_bundle(self.backup) as bundle:
            for member, content in bundle.members():
                (parts / member.name).write_bytes(content.read())
            manifest = bundle.manifest
        with closing(sqlite3.connect(parts / PAGES)) as connection:
            connection.executescript(f"PRAGMA journal_mode = DELETE; {script}")
        described, pages, counts = describe_pages(parts / PAGES, name="acme")
        path = folder / "changed.tenant"
        manifest = replace(manifest, database=described, pages=pages, counts=counts)
        write_bundle(path, manifest, parts)
        return path


@pytest.fixture
def make_site(
    catalog: Catalog, settings: Settings, tmp_path: Path
) -> Callable[[Factory | None], Site]:
    """Return a function that makes the site, of a factory with revisions if none is given."""

    def make(factory: Factory | None) -> Site:
        folder = write_revisions(tmp_path / "alembic", PEOPLE)
        load_history.cache_clear()
        if factory is None:
            factory = Factory(
                build=lambda _: hello("site"),
                provision=lambda tenant: provision_database(tenant, settings, folder),
                find_migrations=lambda: folder,
            )
        operations = Operations(catalog, factory, settings=settings, actor=SYSTEM)
        tenant = operations.create("acme", name="Acme")
        if factory.migrations is not None:
            ask(tenant, settings, "INSERT INTO people VALUES (1)")
        made = operations.backup("acme")
        return Site(catalog, settings, factory, tenant, made.path)

    return make


@pytest.fixture
def site(make_site: Callable[[Factory | None], Site]) -> Site:
    """Return a site of a factory with revisions."""
    return make_site(None)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param(
            f"DROP TABLE people; CREATE VIEW people AS {ENDLESS}", "'people'", id="view for table"
        ),
        pytest.param(f"CREATE VIEW more AS {ENDLESS}", "view 'more'", id="one view more"),
        pytest.param(
            "CREATE TRIGGER t AFTER INSERT ON people BEGIN DELETE FROM people; END",
            "trigger 't'",
            id="trigger",
        ),
        pytest.param(
            "ALTER TABLE people ADD COLUMN g AS (hex(id))", "table 'people'", id="generated column"
        ),
        pytest.param("CREATE TABLE more (id INTEGER)", "table 'more'", id="one table more"),
        pytest.param("DROP TABLE people", "table 'people'", id="one table less"),
        pytest.param("CREATE VIRTUAL TABLE v USING fts5(a)", "'v", id="virtual table"),
        pytest.param("CREATE INDEX i ON people (hex(id))", "index 'i'", id="index"),
        pytest.param(
            f"DROP TABLE alembic_version; CREATE VIEW alembic_version AS {ENDLESS}",
            "alembic_version|no schema revision",
            id="view for the revision",
        ),
        pytest.param(
            "UPDATE alembic_version SET version_num = '0009'",
            "does not know",
            id="no such revision",
        ),
    ],
)
def test_a_backup_with_another_schema_is_refused(
    site: Site, tmp_path: Path, script: str, said: str
) -> None:
    """Verify, restore and import compare it with the revision's, before anything in it is run."""
    changed = site.change(script, tmp_path / "changed")
    operations = site.operations
    with pytest.raises(BundleError, match=said):
        operations.verify(changed)
    with pytest.raises(BundleError, match=said):
        operations.restore("acme", changed, drain=0)
    with pytest.raises(BundleError, match=said):
        operations.import_(changed, slug="two")
    assert site.people() == [(1,)]
    assert site.catalog.tenants.find("two") is None


def test_an_honest_backup_passes(site: Site, tmp_path: Path) -> None:
    """Also one from before a revision, and one of a site that differs from new ones by a word."""
    operations = site.operations
    operations.verify(site.backup)
    write_revisions(tmp_path / "alembic", NAME, first=2)
    load_history.cache_clear()
    operations.verify(site.backup)
    ask(site.tenant, site.settings, "CREATE INDEX grown ON people (id)")
    grown = operations.backup("acme").path
    operations.restore("acme", grown, drain=0)
    assert site.people() == [(1,)]
    operations.restore("acme", site.backup, drain=0)
    assert site.people() == [(1,)]


def test_without_revisions_nothing_that_runs_may_come_along(
    make_site: Callable[[Factory | None], Site], settings: Settings, tmp_path: Path
) -> None:
    """Where nobody knows what a site's tables were, views and triggers are compared."""
    site = make_site(ledger.make_factory(settings))
    operations = site.operations
    for number, script in enumerate(
        (
            f"CREATE VIEW more AS {ENDLESS}",
            "CREATE TRIGGER t AFTER INSERT ON person BEGIN DELETE FROM person; END",
        )
    ):
        changed = site.change(script, tmp_path / f"changed-{number}")
        with pytest.raises(BundleError, match="another schema"):
            operations.restore("acme", changed, drain=0)
    table = site.change("CREATE TABLE more (id INTEGER)", tmp_path / "table")
    operations.restore("acme", table, drain=0)


def test_the_plan_is_the_platforms_to_give(
    catalog: Catalog, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """A bundle does not choose it, has to fit into it, and may be given another one."""
    small = {"media_mb": 0.05}
    plans = {"free": small, "gold": {}}
    settings = make_settings(limit_plans=plans, default_plan="gold")
    factory = ledger.make_factory(settings)
    operations = Operations(catalog, factory, settings=settings, actor=SYSTEM)
    tenant = operations.create("acme", name="Acme", plan="gold")
    ledger.write(tenant, settings)
    path = operations.backup("acme").path
    with pytest.raises(BundleError, match="plan has room for 52429"):
        operations.import_(path, slug="two", plan="free")
    with pytest.raises(UnknownPlanError):
        operations.import_(path, slug="two", plan="platinum")
    assert operations.import_(path, slug="two").plan == "gold"
    settings = make_settings(limit_plans=plans)
    operations = Operations(catalog, factory, settings=settings, actor=SYSTEM)
    with pytest.raises(BundleError, match="plan has room for 52429"):
        operations.import_(path, slug="three")


def test_the_factory_looks_over_what_came_out_of_a_file(site: Site) -> None:
    """Before anybody is let in, be it a new tenant or one that was restored."""
    seen: list[tuple[str, str]] = []

    def receive(tenant: Tenant) -> None:
        seen.append((tenant.slug, site.catalog.tenants.get_by_id(tenant.id).state))

    site.factory = replace(site.factory, receive=receive)
    operations = site.operations
    operations.import_(site.backup, slug="two")
    operations.restore("acme", site.backup, drain=0)
    assert seen == [("two", "provisioning"), ("acme", "maintenance")]
    assert load_factory("tenants:create_app").receive.__module__ == "tenants.receiving"


def test_a_refused_restore_has_a_way_out(site: Site) -> None:
    """The site stays closed with data that the factory refuses, until another backup replaces it."""
    usual = site.factory

    def refuse(_tenant: Tenant) -> None:
        raise RuntimeError("No such thing.")

    def state() -> str:
        return site.catalog.tenants.get("acme").state

    site.factory = replace(usual, receive=refuse)
    for _ in range(2):  # finishing it ends the same way
        with pytest.raises(ProvisionError, match="No such thing"):
            site.operations.restore("acme", drain=0)
        assert state() == "maintenance"
    with pytest.raises(ProvisionError, match="No such thing"):
        site.operations.restore("acme", site.backup, drain=0)  # this one is refused, too
    assert state() == "maintenance"
    site.factory = usual
    site.operations.restore("acme", site.backup, drain=0)
    assert state() == "active"
    assert site.people() == [(1,)]


def test_what_is_refused_is_never_served(site: Site, tmp_path: Path) -> None:
    """Also if the backup that was to replace it is damaged: the site does not open by itself."""
    usual, broken = site.factory, tmp_path / "broken.tenant"
    broken.write_bytes(site.backup.read_bytes()[:-50])

    def refuse(_tenant: Tenant) -> None:
        raise RuntimeError("No such thing.")

    site.factory = replace(usual, receive=refuse)
    with pytest.raises(ProvisionError):
        site.operations.restore("acme", site.backup, drain=0)
    with pytest.raises(BundleError):
        site.operations.restore("acme", broken, drain=0)
    assert site.catalog.tenants.get("acme").state == "maintenance"
