"""The pytest plugin. Whatever a fixture needs beside pytest is imported when the fixture is used."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from _typeshed.wsgi import WSGIApplication

    from tenantry.settings import Settings
    from tenantry.testing.clients import FlaskSiteClient, SiteClient
    from tenantry.testing.platform import Platform
    from tenantry.testing.prepared import Copy, Prepared
    from tenantry.values.tenant import Tenant

FACTORY = "tenantry_factory"
POSTGRESQL = "tenantry_postgresql"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; docs/testing.md explains them."""
    group = parser.getgroup("tenantry")
    group.addoption(
        "--tenantry-postgresql",
        metavar="URL",
        default=None,
        help="keep the tenants of tests on this PostgreSQL server; `own` starts one",
    )
    parser.addini(POSTGRESQL, "the same, for every run", default="")
    parser.addini(FACTORY, "what TENANTRY_FACTORY is in tests; by default, as in .env", default="")


@dataclass(slots=True)
class Session:
    """What the tests of a session share: platforms by their variables, and a server at most."""

    folder: Path
    stack: ExitStack
    prepared: dict[tuple[tuple[str, str], ...], Prepared] = field(default_factory=dict)
    server: str = ""

    def get_server(self, asked: str) -> str:
        """Return the URL of the PostgreSQL server, which is started once."""
        from tenantry.testing.postgresql import server_for_tests

        if not self.server:
            self.server = self.stack.enter_context(server_for_tests(asked))
        return self.server

    def get_prepared(self, changes: Mapping[str, str], *, factory: str, placement: str) -> Prepared:
        """Return the platform with these settings, which is prepared once.

        :param changes: Variables besides those that every test has.
        """
        from tenantry.testing.prepared import prepare, variables_for

        key = tuple(sorted({**changes, FACTORY: factory, POSTGRESQL: placement}.items()))
        if key not in self.prepared:
            variables = {**variables_for(factory=factory, placement=placement), **changes}
            with pytest.MonkeyPatch.context() as monkeypatch:
                self.prepared[key] = prepare(self.make_folder(), variables, monkeypatch)
        return self.prepared[key]

    def make_folder(self) -> Path:
        """Return a new folder."""
        return Path(tempfile.mkdtemp(dir=self.folder))


@pytest.fixture(scope="session")
def _tenantry_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with ExitStack() as stack:
        yield Session(tmp_path_factory.mktemp("tenantry"), stack)


@pytest.fixture
def tenantry_variables() -> Mapping[str, str]:
    """Return further settings, as ``{"TENANTRY_ROUTING": "path"}``; override it to choose some."""
    return {}


@pytest.fixture
def tenantry_placement(request: pytest.FixtureRequest, _tenantry_session: Session) -> str:
    """Return where tenants' data is: ``"sqlite"``, or the URL of a PostgreSQL server."""
    asked = request.config.getoption("--tenantry-postgresql")
    asked = str(request.config.getini(POSTGRESQL) if asked is None else asked)
    return _tenantry_session.get_server(asked) if asked else "sqlite"


@pytest.fixture
def _tenantry(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    _tenantry_session: Session,
    tenantry_variables: Mapping[str, str],
    tenantry_placement: str,
) -> Iterator[Copy]:
    """Return two new tenants; the settings of the process are theirs while the test runs."""
    root = str(request.config.rootpath)
    if root not in sys.path:
        sys.path.append(root)  # where the factory is: `tenantry` has its working folder there, too
    prepared = _tenantry_session.get_prepared(
        tenantry_variables,
        factory=str(request.config.getini(FACTORY)),
        placement=tenantry_placement,
    )
    with prepared.copied(_tenantry_session.make_folder(), monkeypatch) as copy:
        yield copy


@pytest.fixture
def tenantry_settings(_tenantry: Copy) -> Settings:
    """Return the settings of the process during the test."""
    return _tenantry.settings


@pytest.fixture
def tenant(_tenantry: Copy) -> Tenant:
    """Return a tenant that was just created: its database is as the factory provisions it."""
    return _tenantry.get_new(0)


@pytest.fixture
def other_tenant(_tenantry: Copy) -> Tenant:
    """Return another tenant of the same platform."""
    return _tenantry.get_new(1)


@pytest.fixture
def make_tenant_app(_tenantry: Copy) -> Iterator[Callable[[Tenant], WSGIApplication]]:
    """Return a function that builds a tenant's app; each is disposed of after the test."""
    built: list[Any] = []

    def make(tenant: Tenant) -> WSGIApplication:
        app = _tenantry.factory.build(tenant)
        built.append(app)
        return app

    yield make
    for app in built:
        _tenantry.factory.dispose(app)


@pytest.fixture
def tenant_app(make_tenant_app: Callable[[Tenant], Any], tenant: Tenant) -> Any:
    """Return the tenant's app, as the factory builds it for the platform."""
    return make_tenant_app(tenant)


@pytest.fixture
def other_app(make_tenant_app: Callable[[Tenant], Any], other_tenant: Tenant) -> Any:
    """Return the other tenant's app."""
    return make_tenant_app(other_tenant)


@pytest.fixture
def tenant_client(
    tenant_app: Any, tenant: Tenant, tenantry_settings: Settings
) -> SiteClient | FlaskSiteClient:
    """Return a visitor's browser at the tenant's site."""
    from tenantry.testing.clients import client_of

    return client_of(tenant_app, tenant, tenantry_settings)


@pytest.fixture
def other_client(
    other_app: Any, other_tenant: Tenant, tenantry_settings: Settings
) -> SiteClient | FlaskSiteClient:
    """Return a visitor's browser at the other tenant's site."""
    from tenantry.testing.clients import client_of

    return client_of(other_app, other_tenant, tenantry_settings)


@pytest.fixture
def platform(_tenantry: Copy, tenant: Tenant, other_tenant: Tenant) -> Iterator[Platform]:
    """Return the whole platform with both tenants: catalog, pool, front door and backend."""
    from tenantry.testing.platform import open_platform

    with open_platform(_tenantry.settings) as opened:
        yield opened


@pytest.fixture(name="assert_isolated")
def _assert_isolated() -> Callable[..., None]:
    """Return :func:`tenantry.testing.assert_isolated`."""
    from tenantry.testing.isolation import assert_isolated

    return assert_isolated
