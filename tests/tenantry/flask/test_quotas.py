"""How much room a tenant takes of its plan's, looked at now and then."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from sqlalchemy import text

from tenantry import Quota, find_exceeded, init_tenant
from tenantry.databases.placements import tenant_database
from tenantry.errors import NoTenantError, PlacementError
from tenantry.flask.quotas import MAX_SAMPLES, MIB, SAMPLE_SECONDS, Meter, size_of_files
from tenantry.values.tenant import Tenant
from tests.tenantry.support import FakeClock, a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.settings import Settings

INSERT = "INSERT INTO notes VALUES (:words)"


@pytest.fixture
def tenant() -> Tenant:
    """Return a tenant that nobody has looked at."""
    return Tenant(uuid.uuid4().hex, "acme", "Acme")


@pytest.fixture
def limited(
    make_settings: Callable[..., Settings], any_placement: dict[str, Any]
) -> Callable[..., Settings]:
    """Return a function that makes settings with limits for the plan ``free``."""
    return lambda **limits: make_settings(databases=any_placement, limit_plans={"free": limits})


def run(tenant: Tenant, settings: Settings, statement: str, *words: str) -> None:
    """Do something in the tenant's database, for each of the words if there are any."""
    engine = tenant_database(tenant, settings).open_engine()
    with engine.begin() as connection:
        connection.execute(text(statement), [{"words": each} for each in words] or None)
    engine.dispose()


def test_without_a_limit_nobody_looks(limited: Callable[..., Settings], tenant: Tenant) -> None:
    """A plan without quotas costs nothing, not even a database that is there."""
    assert Meter().read(tenant, limited(requests=5)) == ()


def test_a_database_that_grows_exceeds_its_quota(
    limited: Callable[..., Settings], tenant: Tenant
) -> None:
    """Looked at every few seconds at most, and anew when the tenant has changed."""
    clock = FakeClock()
    meter, settings = Meter(clock), limited(database_mb=1)
    tenant_database(tenant, settings).create()
    (before,) = meter.read(tenant, settings)
    assert (before.what, before.allowed, before.exceeded) == ("database", MIB, False)
    run(tenant, settings, "CREATE TABLE notes (words TEXT)")
    run(tenant, settings, INSERT, *(uuid.uuid4().hex * 1000 for _ in range(120)))
    assert meter.read(tenant, settings) == (before,)
    clock.advance(SAMPLE_SECONDS)
    (after,) = meter.read(tenant, settings)
    assert after.used > before.used


def test_what_is_deleted_leaves_room_in_a_file(
    make_settings: Callable[..., Settings], tenant: Tenant
) -> None:
    """SQLite's file stays as long as it was; its free pages are not counted."""
    clock = FakeClock()
    meter = Meter(clock)
    settings = make_settings(limit_plans={"free": {"database_mb": 1}})
    tenant_database(tenant, settings).create()
    run(tenant, settings, "CREATE TABLE notes (words TEXT)")
    run(tenant, settings, INSERT, *(["x" * 32_000] * 50))
    (full,) = meter.read(tenant, settings)
    assert full.exceeded
    assert "takes 1." in str(full)
    run(tenant, settings, "DELETE FROM notes")
    clock.advance(SAMPLE_SECONDS)
    (freed,) = meter.read(tenant, settings)
    assert not freed.exceeded


def test_files_are_counted_without_the_database(
    make_settings: Callable[..., Settings], tenant: Tenant
) -> None:
    """Both limits may be set; each has its own figure."""
    settings = make_settings(limit_plans={"free": {"database_mb": 5, "media_mb": 0.5}})
    tenant_database(tenant, settings).create()
    media = settings.tenant_dir(tenant.id) / "media"
    media.mkdir()
    (media / "cat.png").write_bytes(b"x" * (MIB // 2))
    database, files = Meter().read(tenant, settings)

    assert (files.what, files.used, files.exceeded) == ("files", MIB // 2, True)
    assert str(files) == "Its files take 0.5 of 0.5 MiB"
    assert not database.exceeded


def test_what_is_deleted_meanwhile_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others delete files and their folders while they are counted."""
    for name in ("one", "two"):
        (tmp_path / "media" / name).mkdir(parents=True)
        (tmp_path / "media" / name / "cat.png").write_bytes(b"x" * 10)
    look = os.scandir

    def look_late(place: Any) -> Any:
        if not isinstance(place, int) and Path(place).name == "one":
            (Path(place) / "cat.png").unlink()
            Path(place).rmdir()
        return look(place)

    monkeypatch.setattr(os, "scandir", look_late)
    assert size_of_files(tmp_path) == 10


def test_an_app_asks_for_its_own_tenant(
    make_settings: Callable[..., Settings], tenant: Tenant
) -> None:
    """Law 1: without a tenant there is an error, and no default."""
    settings = make_settings(limit_plans={"free": {"database_mb": 0.001}})
    tenant_database(tenant, settings).create()
    app = Flask("site")
    init_tenant(app, tenant, settings=settings)
    with app.app_context():
        exceeded = find_exceeded()
    assert isinstance(exceeded, Quota)
    assert exceeded.what == "database"
    with pytest.raises(NoTenantError):
        find_exceeded()


def test_a_database_that_is_not_there_is_an_error(
    make_settings: Callable[..., Settings], tenant: Tenant
) -> None:
    """Nothing is made by looking."""
    settings = make_settings(limit_plans={"free": {"database_mb": 1}})
    with pytest.raises(PlacementError):
        Meter().read(tenant, settings)
    assert not settings.tenant_dir(tenant.id).exists()


def test_what_is_remembered_is_bounded(make_settings: Callable[..., Settings]) -> None:
    """Law 6: of more tenants than fit, the one looked at first is forgotten."""
    meter = Meter()
    settings = make_settings(limit_plans={"free": {"media_mb": 1}})
    for number in range(MAX_SAMPLES + 5):
        meter.read(a_tenant(f"t{number}"), settings)
    assert len(meter._seen) == MAX_SAMPLES
