"""What a hostile tenant plants in its schema never runs in a session of the platform's own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from tenantry.catalog import SYSTEM, Catalog
from tenantry.databases.placements import tenant_database
from tenantry.doctor.placement_checks import examine_placements
from tenantry.factory import Factory
from tenantry.lifecycle import Operations
from tenantry.migrations import (
    History,
    Options,
    load_history,
    migrate,
    provision_database,
)
from tests.tenantry.lifecycle.hostile import Observer
from tests.tenantry.migrations.support import NAME, PEOPLE, write_revisions
from tests.tenantry.support import hello, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import psycopg

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

pytestmark = pytest.mark.postgresql


@pytest.fixture
def settings(
    make_settings: Callable[..., Settings], server_url: str, second_database: str
) -> Settings:
    """Return settings with two databases where tenants sign in by themselves, and files."""
    return make_settings(
        databases={
            "main": {"url": server_url, "connections": 4, "login": "own"},
            "other": {"url": second_database, "connections": 4, "login": "own"},
            "files": "sqlite",
        }
    )


@pytest.fixture
def observer(superuser: psycopg.Connection[Any], second_database: str) -> Iterator[Observer]:
    """Return what notes in whose session something planted ran."""
    del second_database  # it is made of a template, which must be without an observer
    made = Observer(superuser)
    yield made
    made.close()


class Site:
    """A tenant on the server, whose schema may hold anything."""

    def __init__(
        self, catalog: Catalog, settings: Settings, folder: Path, observer: Observer
    ) -> None:
        self.catalog, self.settings, self.folder = catalog, settings, folder
        self.observer = observer
        self.slug = "acme"
        self.backup = folder
        write_revisions(folder, PEOPLE)
        self.operations.create("acme", name="Acme", placement="main")
        self.put(1)
        self.plant()

    @property
    def operations(self) -> Operations:
        """What may be done to the tenant, with the revisions that there are."""
        return Operations(self.catalog, self.factory, settings=self.settings, actor=SYSTEM)

    @property
    def tenant(self) -> Tenant:
        """The tenant as it is now."""
        return self.catalog.tenants.get_row(self.slug).tenant

    @property
    def factory(self) -> Factory:
        """The factory with the revisions that there are."""
        load_history.cache_clear()

        def provision(tenant: Tenant) -> None:
            provision_database(tenant, self.settings, self.folder)

        return Factory(
            build=lambda _: hello("site"),
            provision=provision,
            find_migrations=lambda: self.folder,
        )

    def put(self, number: int) -> None:
        """Add a row, as the site does."""
        with (
            opened(tenant_database(self.tenant, self.settings)) as engine,
            engine.begin() as connection,
        ):
            connection.execute(text("INSERT INTO people (id) VALUES (:id)"), {"id": number})

    def plant(self) -> None:
        """Plant everything where the tenant is now."""
        self.observer.plant(f"t_{self.tenant.id}")

    def look(self) -> None:
        """Ask all that is asked of a tenant and its server by itself."""
        database = tenant_database(self.tenant, self.settings)
        assert database.check() is None
        assert database.size() == database.used() > 0
        assert database.revision()
        assert self.operations.check(self.tenant) == ()
        assert self.operations.find_residual_data(self.tenant)
        assert {found.severity for found in examine_placements(self.settings)} == {"ok"}

    def back_up(self) -> None:
        """Take a backup."""
        self.backup = self.operations.backup(self.slug).path

    def restore(self) -> None:
        """Bring back what was backed up last."""
        self.operations.restore(self.slug, self.backup, drain=0)

    def move(self, to: str) -> None:
        """Move the tenant, and drop where it was."""
        self.operations.move(self.slug, to)
        self.operations.drop_former(self.slug)

    def rename(self) -> None:
        """Give the tenant another name."""
        self.operations.rename(self.slug, "acme-ltd")
        self.slug = "acme-ltd"

    def purge(self, slug: str) -> None:
        """Delete a tenant, and destroy what it had."""
        self.operations.delete(slug)
        self.operations.purge(slug, early=True)

    def migrate(self) -> None:
        """Bring every tenant to the newest revision."""
        options = Options(jobs=1)
        run = migrate(
            self.catalog, History(self.folder), options=options, settings=self.settings, by=SYSTEM
        )
        assert run is not None
        assert run.state == "done", run


@pytest.fixture
def site(catalog: Catalog, settings: Settings, tmp_path: Path, observer: Observer) -> Site:
    """Return the hostile tenant."""
    return Site(catalog, settings, tmp_path / "alembic", observer)


def test_nothing_planted_runs_in_the_platforms_session(
    site: Site, tmp_path: Path, superuser: psycopg.Connection[Any]
) -> None:
    """Whatever is done to a tenant that signs in by itself, its SQL never runs as the platform."""
    for name, operation in life_of(site, tmp_path):
        operation()
        assert not site.observer.ran("platform"), (name, site.observer.seen())

    assert site.observer.ran("tenant"), "nothing planted ran at all: this test looks at nothing"
    name = f"t_{site.tenant.id}"
    left = superuser.execute("SELECT to_regrole(%s), to_regnamespace(%s)", [name, name])
    assert left.fetchone() == (None, None)


def life_of(site: Site, folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield every operation on a tenant with its name; each goes on where the last one ended."""
    operations, bundle = site.operations, folder / "acme.tenant"
    yield "look", site.look
    yield "suspend", lambda: operations.suspend("acme")
    yield "resume", lambda: operations.resume("acme")
    yield "export", lambda: operations.export("acme", bundle)
    yield "verify", lambda: operations.verify(bundle)
    yield "import", lambda: operations.import_(bundle, slug="two")
    yield "clone", lambda: operations.clone("acme", "three")
    yield "purge a clone", lambda: site.purge("three")
    yield "back up", site.back_up
    yield "restore", site.restore
    write_revisions(site.folder, NAME, first=2)
    yield "migrate", site.migrate
    yield "restore what is older", site.restore
    for to in ("other", "main", "files", "main"):
        yield f"move to {to}", partial(site.move, to)
        if to == "main":
            site.plant()
    yield "back up what has moved", site.back_up
    yield "restore what has moved", site.restore
    yield "rename", site.rename
    yield "archive", lambda: operations.archive(site.slug)
    yield "delete", lambda: operations.delete(site.slug)
    yield (
        "look at what is deleted",
        lambda: operations.find_residual_data(site.tenant),
    )
    yield "undelete", lambda: operations.undelete(site.slug)
    yield "purge", lambda: site.purge(site.slug)
