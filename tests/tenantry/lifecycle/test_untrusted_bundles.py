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
from tenantry.errors import BundleError, UnknownPlanError
from tenantry.factory import Factory, load_factory
from tenantry.lifecycle import create_tenant, import_tenant
from tenantry.lifecycle.backup import backup_tenant
from tenantry.lifecycle.restore import restore_tenant
from tenantry.lifecycle.verify import verify_backup
from tenantry.migrations import load_history, provision_database
from tests.tenantry.lifecycle import ledger
from tests.tenantry.migrations.support import NAME, PEOPLE, ask, write_revisions

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
    def options(self) -> dict[str, Any]:
        """What each operation is given."""
        return {"settings": self.settings, "by": SYSTEM}

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
                build=lambda _: None,  # type: ignore[arg-type, return-value]
                provision=lambda tenant: provision_database(tenant, settings, folder),
                migrations=folder,
            )
        options: dict[str, Any] = {"settings": settings, "by": SYSTEM}
        tenant = create_tenant(catalog, factory, "acme", name="Acme", **options)
        if factory.migrations is not None:
            ask(tenant, settings, "INSERT INTO people VALUES (1)")
        made = backup_tenant(catalog, "acme", **options)
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
            "does not have",
            id="no such revision",
        ),
    ],
)
def test_a_backup_with_another_schema_is_refused(
    site: Site, tmp_path: Path, script: str, said: str
) -> None:
    """Verify, restore and import compare it with the revision's, before anything in it is run."""
    changed = site.change(script, tmp_path / "changed")
    with pytest.raises(BundleError, match=said):
        verify_backup(changed, factory=site.factory, settings=site.settings)
    with pytest.raises(BundleError, match=said):
        restore_tenant(site.catalog, "acme", changed, factory=site.factory, drain=0, **site.options)
    with pytest.raises(BundleError, match=said):
        import_tenant(site.catalog, site.factory, changed, slug="two", **site.options)
    assert site.people() == [(1,)]
    assert site.catalog.tenants.find("two") is None


def test_an_honest_backup_passes(site: Site, tmp_path: Path) -> None:
    """Also one from before a revision, and one of a site that differs from new ones by a word."""
    verify_backup(site.backup, factory=site.factory, settings=site.settings)
    write_revisions(tmp_path / "alembic", NAME, first=2)
    load_history.cache_clear()
    verify_backup(site.backup, factory=site.factory, settings=site.settings)
    ask(site.tenant, site.settings, "CREATE INDEX grown ON people (id)")
    grown = backup_tenant(site.catalog, "acme", **site.options).path
    restore_tenant(site.catalog, "acme", grown, factory=site.factory, drain=0, **site.options)
    assert site.people() == [(1,)]
    restore_tenant(site.catalog, "acme", site.backup, factory=site.factory, drain=0, **site.options)
    assert site.people() == [(1,)]


def test_without_revisions_nothing_that_runs_may_come_along(
    make_site: Callable[[Factory | None], Site], settings: Settings, tmp_path: Path
) -> None:
    """Where nobody knows what a site's tables were, views and triggers are compared."""
    site = make_site(ledger.make_factory(settings))
    for number, script in enumerate(
        (
            f"CREATE VIEW more AS {ENDLESS}",
            "CREATE TRIGGER t AFTER INSERT ON person BEGIN DELETE FROM person; END",
        )
    ):
        changed = site.change(script, tmp_path / f"changed-{number}")
        with pytest.raises(BundleError, match="another schema"):
            restore_tenant(
                site.catalog, "acme", changed, factory=site.factory, drain=0, **site.options
            )
    table = site.change("CREATE TABLE more (id INTEGER)", tmp_path / "table")
    restore_tenant(site.catalog, "acme", table, factory=site.factory, drain=0, **site.options)


def test_the_plan_is_the_platforms_to_give(
    catalog: Catalog, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """A bundle does not choose it, has to fit into it, and may be given another one."""
    small = {"media_mb": 0.05}
    plans = {"free": small, "gold": {}}
    settings = make_settings(limit_plans=plans, default_plan="gold")
    options: dict[str, Any] = {"settings": settings, "by": SYSTEM}
    factory = ledger.make_factory(settings)
    tenant = create_tenant(catalog, factory, "acme", name="Acme", plan="gold", **options)
    ledger.write(tenant, settings)
    path = backup_tenant(catalog, "acme", **options).path
    with pytest.raises(BundleError, match="plan has room for 52429"):
        import_tenant(catalog, factory, path, slug="two", plan="free", **options)
    with pytest.raises(UnknownPlanError):
        import_tenant(catalog, factory, path, slug="two", plan="platinum", **options)
    assert import_tenant(catalog, factory, path, slug="two", **options).plan == "gold"
    settings = make_settings(limit_plans=plans)
    with pytest.raises(BundleError, match="plan has room for 52429"):
        import_tenant(catalog, factory, path, slug="three", settings=settings, by=SYSTEM)


def test_the_factory_looks_over_what_came_out_of_a_file(site: Site) -> None:
    """Before anybody is let in, be it a new tenant or one that was restored."""
    seen: list[tuple[str, str]] = []

    def receive(tenant: Tenant) -> None:
        seen.append((tenant.slug, site.catalog.tenants.get_by_id(tenant.id).state))

    factory = replace(site.factory, receive=receive)
    import_tenant(site.catalog, factory, site.backup, slug="two", **site.options)
    restore_tenant(site.catalog, "acme", site.backup, factory=factory, drain=0, **site.options)
    assert seen == [("two", "provisioning"), ("acme", "maintenance")]
    assert load_factory("tenants:create_app").receive.__module__ == "tenants.receiving"
