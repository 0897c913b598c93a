"""Databases that stand by: nobody sees them, each becomes one tenant's, and none is ever lost."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from tenantry.catalog import SYSTEM, Catalog, StandbyState
from tenantry.databases.placements import tenant_database
from tenantry.databases.servers import SERVERS
from tenantry.databases.sqlite_file import SiteDatabase
from tenantry.errors import DatabaseUnavailableError, ProvisionError, TenantExistsError
from tenantry.factory import Factory
from tenantry.keeper import StandbyKeeper
from tenantry.lifecycle import Order, create_tenant, create_tenants
from tenantry.lifecycle.create import CREATING
from tenantry.lifecycle.standby import fill_standbys
from tenantry.migrations import load_history, provision_database, read_revision
from tenantry.values.tenant import Tenant
from tests.conftest import eventually, names
from tests.tenantry.migrations.support import NAME, PEOPLE, write_revisions
from tests.tenantry.support import at_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import psycopg

    from tenantry.settings import Settings

WANTED = 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a factory's revisions."""
    return write_revisions(tmp_path / "alembic", PEOPLE, NAME)


@pytest.fixture
def site(make_settings: Callable[..., Settings], any_placement: dict[str, Any]) -> Settings:
    """Return settings that keep two, on each kind of placement in turn."""
    return make_settings(databases=any_placement, standby=WANTED)


def make_factory(settings: Settings, folder: Path, fail: Callable[[], object] = bool) -> Factory:
    """Return a factory whose tenants have a database of these revisions."""
    load_history.cache_clear()

    def provision(tenant: Tenant) -> None:
        fail()
        provision_database(tenant, settings, folder)

    return Factory(build=lambda _: None, provision=provision, migrations=folder)  # type: ignore[arg-type, return-value]


@pytest.fixture
def factory(site: Settings, folder: Path) -> Factory:
    """Return such a factory that works."""
    return make_factory(site, folder)


def database_of(tenant_id: str, settings: Settings) -> Any:
    """Return the database of this id."""
    return tenant_database(Tenant(tenant_id, "x", "x"), settings)


def ready(catalog: Catalog) -> list[str]:
    """Return the ids of those that are ready; there must be no others."""
    standbys = catalog.list_standbys()
    assert {standby.state for standby in standbys} <= {StandbyState.READY}
    return [standby.id for standby in standbys]


def on_disk(settings: Settings, request: pytest.FixtureRequest) -> set[str]:
    """Return the ids of all databases that are anywhere on the placement."""
    if settings.databases[0].kind == "sqlite":
        found = [path.name for path in (settings.data_dir / "tenants").glob("*")]
    else:
        superuser: psycopg.Connection[Any] = request.getfixturevalue("superuser")
        found = names(superuser, "SELECT nspname FROM pg_namespace")
        assert set(found) == set(names(superuser, "SELECT rolname FROM pg_roles"))
    return {name.removeprefix("t_") for name in found}


def create(catalog: Catalog, factory: Factory, settings: Settings, slug: str = "acme") -> Tenant:
    """Create a tenant."""
    return create_tenant(catalog, factory, slug, name=slug, settings=settings, by=SYSTEM)


def test_a_new_tenant_takes_one_over(catalog: Catalog, factory: Factory, site: Settings) -> None:
    """It has the id that was reserved, the newest schema, and nobody saw it before."""
    assert fill_standbys(catalog, factory, settings=site)
    first, second = ready(catalog)
    assert not catalog.list_tenants().total
    assert catalog.find_tenant_by_id(first) is None
    assert read_revision(database_of(first, site)) == "0002"

    tenant = create(catalog, factory, site)
    assert tenant.id == first
    assert read_revision(tenant_database(tenant, site)) == "0002"
    assert catalog.count_schemas() == {"0002": 1}
    assert ready(catalog) == [second]
    assert catalog.check_audit() is None


def test_what_was_taken_is_made_anew(
    catalog: Catalog, factory: Factory, site: Settings, request: pytest.FixtureRequest
) -> None:
    """Filling keeps the number, never more, and touches no tenant; nothing is lost on the way."""
    fill_standbys(catalog, factory, settings=site)
    created = create_tenants(
        catalog,
        factory,
        [Order(slug, slug) for slug in ("one", "two", "three")],
        settings=site,
        by=SYSTEM,
    )
    assert not ready(catalog)
    for _ in range(2):
        fill_standbys(catalog, factory, settings=site)
        assert len(ready(catalog)) == WANTED
    assert on_disk(site, request) == {*ready(catalog), *(tenant.id for tenant in created)}
    assert all(read_revision(tenant_database(tenant, site)) == "0002" for tenant in created)


def test_each_goes_to_one_tenant(catalog: Catalog, factory: Factory, site: Settings) -> None:
    """However many are created at once; those who come late have theirs made."""
    fill_standbys(catalog, factory, settings=site)
    waiting = set(ready(catalog))
    found = at_once(4, lambda number: create(catalog, factory, site, f"site-{number}").id)
    assert len(set(found)) == 4, found
    assert waiting < set(found)


def test_one_process_fills(catalog: Catalog, factory: Factory, site: Settings) -> None:
    """Another one of the machine does not wait, and makes no more than there shall be."""
    answers = at_once(3, lambda _: fill_standbys(catalog, factory, settings=site))
    assert set(answers) <= {True, False}, answers
    assert len(ready(catalog)) == WANTED


def test_a_newer_schema_replaces_them(
    catalog: Catalog,
    factory: Factory,
    site: Settings,
    folder: Path,
    request: pytest.FixtureRequest,
) -> None:
    """From the moment of the new release on no tenant gets an old one; the old release yields."""
    fill_standbys(catalog, factory, settings=site)
    old = set(ready(catalog))
    old_release = load_history(folder)
    write_revisions(folder, "pass", first=3)
    factory = make_factory(site, folder)
    tenant = create(catalog, factory, site)
    assert tenant.id not in old
    assert read_revision(tenant_database(tenant, site)) == "0003"

    fill_standbys(catalog, factory, settings=site)
    new = set(ready(catalog))
    assert len(new) == WANTED
    assert not new & old
    assert on_disk(site, request) == {*new, tenant.id}

    assert old_release.head == "0002"
    write_revisions(folder, first=3)
    (folder / "versions" / "0003_.py").unlink()
    fill_standbys(catalog, make_factory(site, folder), settings=site)
    assert set(ready(catalog)) == new


def test_fewer_or_none(
    catalog: Catalog,
    factory: Factory,
    site: Settings,
    request: pytest.FixtureRequest,
) -> None:
    """What the settings ask for no more is dropped, and a full placement has none."""
    fill_standbys(catalog, factory, settings=site)
    (oldest, _) = ready(catalog)
    fill_standbys(catalog, factory, settings=site.model_copy(update={"standby": 1}))
    assert ready(catalog) == [oldest]
    tenant = create(catalog, factory, site)
    place = {"local": {"url": site.databases[0].url or "sqlite", "tenants": 1}}
    full = site.model_validate(site.model_dump() | {"databases": place})
    fill_standbys(catalog, factory, settings=full)
    assert not ready(catalog)
    fill_standbys(catalog, factory, settings=site)
    fill_standbys(catalog, factory, settings=site.model_copy(update={"standby": 0}))
    assert not catalog.list_standbys()
    assert on_disk(site, request) == {tenant.id}


def test_a_creation_that_fails_leaves_nothing(
    catalog: Catalog, site: Settings, folder: Path, request: pytest.FixtureRequest
) -> None:
    """The database that it had taken goes with it: what a hook has left in it is nobody's business."""

    def fail() -> None:
        raise RuntimeError("no")

    broken = make_factory(site, folder, fail)
    fill_standbys(catalog, broken, settings=site)
    first, second = ready(catalog)
    with pytest.raises(ProvisionError):
        create(catalog, broken, site)
    assert ready(catalog) == [second]
    assert first not in on_disk(site, request)

    create(catalog, make_factory(site, folder), site, "globex")
    with pytest.raises(TenantExistsError):
        create(catalog, make_factory(site, folder), site, "globex")


def test_a_creation_that_was_killed_is_said_again(
    catalog: Catalog, factory: Factory, site: Settings, request: pytest.FixtureRequest
) -> None:
    """Killed when it had its row and the mark was still there: nothing is left of that."""
    fill_standbys(catalog, factory, settings=site)
    first, second = ready(catalog)
    template = catalog.list_standbys()[0].template
    catalog.add_tenant("acme", name="Acme", reason=CREATING, template=template, by=SYSTEM)
    assert ready(catalog) == [second]
    assert create(catalog, factory, site).id == second
    assert first not in on_disk(site, request)


def test_somebodys_data_is_never_given_away(
    catalog: Catalog, factory: Factory, site: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """A catalog from the past offers what has become a site since: it is neither taken nor dropped."""
    fill_standbys(catalog, factory, settings=site)
    past = catalog.list_standbys()
    lost = create(catalog, factory, site, "lost")
    catalog.open_standby(past[1].id, by=SYSTEM)
    with catalog.engine.begin() as connection:
        connection.execute(text("UPDATE tenants SET id = 'elsewhere'"))
        connection.execute(
            text("UPDATE standbys SET id = :id, created_at = :at"),
            {"id": lost.id, "at": str(past[0].created_at.replace(tzinfo=None))},
        )
    assert ready(catalog) == [lost.id]

    tenant = create(catalog, factory, site)
    assert tenant.id != lost.id
    assert "is not nobody's" in caplog.text
    fill_standbys(catalog, factory, settings=site)
    assert "stands by no more and is left" in caplog.text
    assert lost.id not in ready(catalog)
    assert read_revision(database_of(lost.id, site)) == "0002"


def test_a_database_that_has_vanished_is_made(
    catalog: Catalog, factory: Factory, site: Settings
) -> None:
    """Somebody tidied up by hand: the tenant gets one all the same."""
    fill_standbys(catalog, factory, settings=site)
    first = ready(catalog)[0]
    database_of(first, site).drop()
    tenant = create(catalog, factory, site)
    assert tenant.id == first
    assert read_revision(tenant_database(tenant, site)) == "0002"


def test_killed_before_each_step(
    catalog: Catalog, factory: Factory, site: Settings, request: pytest.FixtureRequest
) -> None:
    """Whoever fills next finds what was left, making or dropping; then nothing is too many."""
    steps = 0
    fewer = site.model_copy(update={"standby": 1})
    for settings in (site, fewer):
        killed = True
        while killed:
            killed = _kill_before(steps, catalog, factory, settings, undo=site)
            steps += 1
            fill_standbys(catalog, factory, settings=settings)
            assert len(ready(catalog)) == settings.standby
            assert on_disk(site, request) == set(ready(catalog))
        steps = 0


def _kill_before(
    limit: int, catalog: Catalog, factory: Factory, settings: Settings, *, undo: Settings
) -> bool:
    """Have a process fill from none, or drop from all, and die before a step; say whether it did."""
    start = undo.model_copy(update={"standby": 0}) if settings is undo else undo
    fill_standbys(catalog, factory, settings=start)
    left = limit

    def step() -> None:
        nonlocal left
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    SERVERS.clear()
    child = os.fork()
    if not child:
        with suppress(BaseException):
            fill_standbys(catalog, factory, settings=settings, step=step)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_a_server_that_is_down(
    catalog: Catalog, folder: Path, make_settings: Callable[..., Settings]
) -> None:
    """It keeps the other placements from nothing, and creating on it says what is the matter."""
    nowhere = "postgresql+psycopg://tenantry@127.0.0.1:1/sites"
    settings = make_settings(databases={"down": nowhere, "local": "sqlite"}, standby=1)
    factory = make_factory(settings, folder)
    fill_standbys(catalog, factory, settings=settings)
    assert [s.placement for s in catalog.list_standbys() if s.state is StandbyState.READY] == [
        "local"
    ]
    (making,) = (s for s in catalog.list_standbys() if s.placement == "down")
    catalog.open_standby(making.id, by=SYSTEM)
    with pytest.raises(DatabaseUnavailableError):
        create(catalog, factory, settings)
    assert catalog.find_tenant("acme") is None
    (going,) = (s for s in catalog.list_standbys() if s.placement == "down")
    assert (going.id, going.state) == (making.id, StandbyState.GOING)
    SERVERS.clear()


def test_without_revisions_nothing_stands_by(catalog: Catalog, site: Settings) -> None:
    """Nobody knows what such a factory's databases are like; creating is as ever."""
    factory = Factory(build=lambda _: None)  # type: ignore[arg-type, return-value]
    assert fill_standbys(catalog, factory, settings=site)
    assert not catalog.list_standbys()
    assert create(catalog, factory, site).state == "active"


def test_a_worker_fills_up(catalog: Catalog, factory: Factory, site: Settings) -> None:
    """What new tenants have taken is there again after a moment, until the worker ends."""
    keeper = StandbyKeeper(catalog=catalog, factory=factory, settings=site, pause_seconds=0.01)
    keeper.start()
    try:
        eventually(lambda: len(catalog.list_standbys()) == WANTED, seconds=60)
        create(catalog, factory, site)
        eventually(lambda: len(ready_or_more(catalog)) == WANTED, seconds=60)
    finally:
        keeper.stop()


def ready_or_more(catalog: Catalog) -> list[str]:
    """Return the ids of those that are ready, whatever is being made."""
    found = catalog.list_standbys()
    return [standby.id for standby in found if standby.state is StandbyState.READY]


def test_a_worker_without_any_has_no_thread(
    catalog: Catalog, factory: Factory, settings: Settings
) -> None:
    """The setting is off by default."""
    keeper = StandbyKeeper(catalog=catalog, factory=factory, settings=settings)
    keeper.start()
    keeper.stop()
    assert not settings.standby
    assert not catalog.list_standbys()


def test_files_are_private(
    catalog: Catalog, folder: Path, make_settings: Callable[..., Settings]
) -> None:
    """Like a tenant's own: they will be."""
    settings = make_settings(standby=1)
    factory = make_factory(settings, folder)
    fill_standbys(catalog, factory, settings=settings)
    database = database_of(ready(catalog)[0], settings)
    assert isinstance(database, SiteDatabase)
    assert database.path.parent.stat().st_mode & 0o777 == 0o700
    tenant = create(catalog, factory, settings)
    assert [path.name for path in settings.tenant_dir(tenant.id).iterdir()] == ["site.sqlite3"]
