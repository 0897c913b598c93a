"""What the doctor says about the servers that hold tenants' data."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog import SYSTEM, Catalog
from tenantry.doctor import Severity, examine_moves, examine_placements
from tenantry.files.locks import tenant_lock
from tests.conftest import eventually, names

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from tenantry.settings import Settings

NOWHERE = "postgresql+psycopg://tenantry:geheim@127.0.0.1:1/sites"


def test_files_need_no_server(settings: Settings) -> None:
    """The other parts of the doctor look at those."""
    assert list(examine_placements(settings)) == []


@pytest.mark.postgresql
def test_each_server_is_asked(
    make_settings: Callable[..., Settings], server_url: str, superuser: psycopg.Connection[Any]
) -> None:
    """A good one is fine, one that is down is a warning, and one that mixes tenants is unsafe."""
    settings = make_settings(databases={"eu": server_url, "us": NOWHERE, "local": "sqlite"})
    good, down = examine_placements(settings)
    superuser.execute("ALTER ROLE tenantry INHERIT")
    try:
        bad, _ = examine_placements(settings)
    finally:
        superuser.execute("ALTER ROLE tenantry NOINHERIT")

    assert (good.severity, good.name) == (Severity.OK, "eu")
    assert (down.severity, down.name) == (Severity.WARNING, "us")
    assert "refused" in down.sentence
    assert "geheim" not in down.sentence
    assert (bad.severity, bad.remedy) == (Severity.UNSAFE, 'Run `ALTER ROLE "tenantry" NOINHERIT`.')


@pytest.mark.postgresql
def test_a_server_that_lets_no_tenant_in_is_told(
    make_settings: Callable[..., Settings], server_url: str, superuser: psycopg.Connection[Any]
) -> None:
    """Tenants that sign in by themselves need a line of the server's own; nothing of the try stays."""
    settings = make_settings(databases={"eu": server_url})
    (rules,) = superuser.execute("SHOW hba_file").fetchone() or ("",)
    before = Path(rules).read_text()
    Path(rules).write_text(f"local all /^t_ reject\n{before}")
    superuser.execute("SELECT pg_reload_conf()")
    try:
        # What it lets in is looked at by a process of its own, in its own time.
        eventually(lambda: next(examine_placements(settings)).severity is Severity.UNSAFE)
        (found,) = examine_placements(settings)
    finally:
        Path(rules).write_text(before)
        superuser.execute("SELECT pg_reload_conf()")
    assert "does not let tenants sign in" in found.sentence
    assert "pg_hba.conf" in found.remedy
    assert names(superuser, "SELECT rolname FROM pg_roles") == []
    eventually(lambda: next(examine_placements(settings)).severity is Severity.OK)


@pytest.mark.postgresql
def test_a_login_for_all_is_told(
    make_settings: Callable[..., Settings], server_url: str, superuser: psycopg.Connection[Any]
) -> None:
    """Until a superuser has closed what leads a SELECT out of its role."""
    settings = make_settings(databases={"eu": {"url": server_url, "login": "shared"}})
    function = "FUNCTION pg_catalog.set_config(text, text, boolean)"
    (open_,) = examine_placements(settings)
    superuser.execute(f"REVOKE EXECUTE ON {function} FROM PUBLIC".encode())
    superuser.execute(f"GRANT EXECUTE ON {function} TO tenantry".encode())
    try:
        (closed,) = examine_placements(settings)
    finally:
        superuser.execute(f"REVOKE EXECUTE ON {function} FROM tenantry".encode())
        superuser.execute(f"GRANT EXECUTE ON {function} TO PUBLIC".encode())
    assert (open_.severity, closed.severity) == (Severity.WARNING, Severity.OK)


def test_an_interrupted_move_is_told(catalog: Catalog, settings: Settings) -> None:
    """One that is under way is none of the doctor's business."""
    acme, bolt = (catalog.tenants.add(slug, name=slug, by=SYSTEM) for slug in ("acme", "bolt"))
    for tenant in (acme, bolt):
        catalog.relocations.begin(tenant.id, "main", by=SYSTEM)
    told: list[Any] = []

    def look() -> None:
        told.extend(examine_moves(settings, catalog.relocations.list()))

    with tenant_lock(acme, "moved", data_dir=settings.data_dir):
        doctor = threading.Thread(target=look)
        doctor.start()
        doctor.join()
    (found,) = told
    assert (found.severity, found.name) == (Severity.WARNING, "bolt")
    assert "tenant move bolt" in found.remedy
