"""Sites whose PostgreSQL server is in trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tenantry.databases.placements import tenant_database
from tenants import create_app
from tests.tenants.helpers import make_settings, make_site, make_tenant

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg
    from werkzeug.test import TestResponse

    from tests.tenants.helpers import Site

pytestmark = pytest.mark.postgresql
KINDS = ("postgresql",)


def is_resting(answer: TestResponse) -> bool:
    """Say whether it is the page of a site whose database is not there."""
    assert "Traceback" not in answer.text
    assert "psycopg" not in answer.text
    return (
        answer.status_code == 503
        and answer.headers["Retry-After"] == "30"
        and "This site is not available right now" in answer.text
    )


def test_a_server_that_does_not_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The page says that it will be back; the log says which server, and no password."""
    nowhere = "postgresql+psycopg://tenantry:geheim@127.0.0.1:1/sites"
    settings = make_settings(tmp_path, databases={"eu": nowhere})
    tenant = make_tenant(placement="eu")
    app = create_app(tenant, settings)
    for _ in range(3):
        assert is_resting(app.test_client().get("/"))
    [*_, record] = [it for it in caplog.records if it.levelname == "ERROR"]
    for fact in (tenant.id, "tenantry:***@127.0.0.1", "refused"):
        assert fact in record.getMessage()
    assert "geheim" not in caplog.text


def test_a_placement_that_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A tenant of a placement that nobody names any more rests, and the log names the remedy."""
    app = create_app(make_tenant(placement="eu"), make_settings(tmp_path))
    assert is_resting(app.test_client().get("/"))
    assert "TENANTRY_DATABASES names local" in caplog.text


def test_a_server_that_became_unsafe(
    tmp_path: Path, server_url: str, superuser: psycopg.Connection[Any]
) -> None:
    """What was unreachable at the start is looked at when it is back."""
    superuser.execute("ALTER ROLE tenantry SUPERUSER")
    try:
        local = {"url": server_url, "login": "shared"}
        app = create_app(make_tenant(), make_settings(tmp_path, databases={"local": local}))
        assert is_resting(app.test_client().get("/"))
    finally:
        superuser.execute("ALTER ROLE tenantry NOSUPERUSER")


def test_a_schema_that_is_gone(site: Site, other_site: Site) -> None:
    """Lost data is a page that says so, and no neighbour notices."""
    assert site.visitor().get("/").status_code == 200
    tenant_database(site.tenant, site.settings).drop()
    for _ in range(3):
        assert is_resting(site.visitor().get("/"))
        assert other_site.visitor().get("/").status_code == 200


def test_a_server_that_restarts(site: Site, superuser: psycopg.Connection[Any]) -> None:
    """Every idle connection is cut, and no visitor sees it."""
    site.add_member()
    slug = site.add_post()
    for _ in range(3):
        superuser.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'tenantry'"
        )
        assert site.visitor().get(f"/posts/{slug}").status_code == 200


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        pytest.param("disk_full", 507, id="full-disk"),
        pytest.param("read_only_sql_transaction", 503, id="read-only"),
    ],
)
def test_writes_that_are_refused(
    site: Site, superuser: psycopg.Connection[Any], condition: str, status: int
) -> None:
    """Who may not write reads on, and is told that nothing was saved."""
    member = site.member()
    slug = site.add_post()
    name = f"t_{site.tenant.id}"
    superuser.execute(
        f"CREATE FUNCTION {name}.refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"'BEGIN RAISE {condition}; END';"
        f"CREATE TRIGGER refuse BEFORE INSERT ON {name}.comment EXECUTE FUNCTION {name}.refuse();"
        f"GRANT EXECUTE ON FUNCTION {name}.refuse() TO {name}".encode()
    )
    refused = member.post(f"/posts/{slug}/comments", {"text": "no"})
    assert refused.status_code == status
    assert "Nothing can be saved" in refused.text
    assert member.get(f"/posts/{slug}").status_code == 200


def test_connections_that_are_all_taken(tmp_path: Path, server_url: str) -> None:
    """A request that waits in vain for a connection is answered, too."""
    place = {"url": server_url, "connections": 1, "login": "shared"}
    site = make_site(tmp_path, databases={"local": place})
    with tenant_database(site.tenant, site.settings).open_engine().begin():
        assert is_resting(site.visitor().get("/"))
    assert site.visitor().get("/").status_code == 200
