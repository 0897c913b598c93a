"""A tenant's own domain with a real server, a real resolver and a real proxy that gets certificates."""

from __future__ import annotations

import sqlite3
import ssl
import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tenantry.lifecycle import Operations
from tests.live.edge import DOMAIN, Edge, need
from tests.live.odd import OddServer
from tests.live.served import ServedServer
from tests.live.server import free_port, until
from tests.live.wire import ask
from tests.nameserver import NameServer
from tests.tenantry.lifecycle.test_host_checks import set_back

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOP, WWW = "shop.example.org", "www.shop.example.org"
TARGET = "203.0.113.7"


@dataclass(frozen=True, slots=True)
class Place:
    """A server with an internal listener, and the resolver that its settings name."""

    server: OddServer
    internal: int
    resolver: NameServer

    def judge(self, domain: str) -> int:
        """Ask on the internal listener whether a domain may get a certificate."""
        return ask(self.internal, "localhost", f"/-/ask?domain={domain}").status

    @property
    def operations(self) -> Operations:
        """What the command line could do."""
        settings = self.server.settings.model_copy(
            update={"dns_resolvers": (self.resolver.address,), "dns_targets": (TARGET,)}
        )
        return Operations(self.server.catalog, settings=settings, actor=SYSTEM)


def environment(internal: int, resolver: NameServer) -> dict[str, str]:
    """Return the settings of a server for domains."""
    return {
        "TENANTRY_DOMAIN": DOMAIN,
        "TENANTRY_TRUSTED_PROXIES": "1",
        "TENANTRY_INTERNAL_LISTEN": f"127.0.0.1:{internal}",
        "TENANTRY_DNS_RESOLVERS": resolver.text,
        "TENANTRY_DNS_TARGETS": TARGET,
    }


@pytest.fixture(scope="module")
def place(folder: Path) -> Iterator[Place]:
    """Return uWSGI as it is shipped, with the site acme; the tests go on from each other's state."""
    base, internal = Path(tempfile.mkdtemp(prefix="domains-", dir=folder)), free_port()
    with ExitStack() as stack:
        resolver = stack.enter_context(NameServer())
        env = environment(internal, resolver)
        server = OddServer.prepare(base / "odd", ("acme",), env=env)
        yield Place(stack.enter_context(server), internal, resolver)


@pytest.fixture(scope="module")
def edge(place: Place, folder: Path) -> Iterator[Edge]:
    """Return the shipped Caddyfile at work."""
    need("caddy")
    base = Path(tempfile.mkdtemp(prefix="caddy-", dir=folder))
    with Edge("Caddyfile", base, upstream=place.server.port, internal=place.internal) as running:
        yield running


def prove(place: Place, host: str) -> None:
    """Bring a host to the site acme and set its records."""
    found = place.operations.add_host("acme", host)
    assert not found.is_served
    place.resolver.records[f"_tenantry.{host}", "TXT"] = [found.token]
    place.resolver.records[host, "A"] = [TARGET]


def test_a_worker_proves_a_host_by_itself(place: Place) -> None:
    """R30: nobody asks for the check; the worker whose turn it is makes it, and all of them know."""
    assert place.judge(SHOP) == 404
    prove(place, SHOP)
    set_back(place.server.catalog, check_at=timedelta(0))
    until(lambda: place.judge(SHOP) == 200, seconds=60, why="a worker checks the host")
    assert {place.judge(SHOP) for _ in range(20)} == {200}
    assert {place.judge(f"acme.{DOMAIN}"), place.judge(WWW)} == {404}
    assert place.judge(DOMAIN) == 200


def test_only_the_internal_listener_answers(place: Place) -> None:
    """R32: a visitor gets neither answer, and the machine gets no site there."""
    sent = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
    for host in (f"acme.{DOMAIN}", DOMAIN, f"127.0.0.1:{place.internal}"):
        for path in (f"/-/ask?domain={SHOP}", "/-/ready", "/-/metrics"):
            answer = ask(place.server.port, host, path, headers=sent)
            assert (answer.status, answer.body[:3]) != (200, b"yes")
            assert b"ready" not in answer.body
            assert b"tenantry_workers" not in answer.body
    assert ask(place.internal, f"acme.{DOMAIN}", "/").text.startswith("this listener answers")
    assert ask(place.internal, "localhost", "/-/ready").text == "ready\n"
    assert (
        f"tenantry_workers {place.server.processes}.0\n"
        in ask(place.internal, "localhost", "/-/metrics").body.decode()
    )
    assert ask(place.internal, "localhost", "/-/health").text == "ok\n"


def test_answers_do_not_need_the_catalog(place: Place) -> None:
    """Law 8: a certificate can be renewed while the catalog is down."""
    catalog = place.server.data / "catalog.sqlite3"
    with closing(sqlite3.connect(catalog, isolation_level=None)) as connection:
        connection.execute("ALTER TABLE heads RENAME TO gone")
        try:
            until(
                lambda: b"catalog is down" in ask(place.internal, "localhost", "/-/ready").body,
                why="a worker notices",
            )
            assert {place.judge(SHOP) for _ in range(10)} == {200}
            assert place.judge("unknown.test") == 404
        finally:
            connection.execute("ALTER TABLE gone RENAME TO heads")
    until(
        lambda: (
            {ask(place.internal, "localhost", "/-/ready").text for _ in range(8)} == {"ready\n"}
        ),
        why="the catalog is back",
    )


def test_a_proved_domain_opens_over_https(place: Place, edge: Edge) -> None:
    """R32: Caddy gets a certificate for it at its first visit, and none for any other name."""
    until(edge.authority.exists, why="Caddy has its own authority")
    answer = edge.ask(SHOP, "/facts")
    assert (answer.status, answer.get("X-Site")) == (200, "acme")
    assert b'"wsgi.url_scheme": "https"' in answer.body
    for name in ("unknown.example.net", WWW, f"a.b.{DOMAIN}"):
        with pytest.raises((ssl.SSLError, OSError)):
            edge.tls(name).close()
    assert edge.ask(f"acme.{DOMAIN}", "/facts").get("X-Site") == "acme"


def test_http_and_other_hosts_redirect(place: Place, edge: Edge) -> None:
    """The site has one address: over HTTPS, on the host that its owner has chosen."""
    answer = ask(edge.plain_port, SHOP, "/facts?a=1")
    assert (answer.status, answer.get("Location")) == (308, f"https://{SHOP}/facts?a=1")
    assert ask(edge.plain_port, "unknown.example.net", "/").status == 421
    tenant = place.server.catalog.tenants.get("acme")
    place.server.catalog.hosts.set_primary(tenant.id, SHOP, by=SYSTEM)
    answer = edge.ask(f"acme.{DOMAIN}", "/facts?a=1")
    assert (answer.status, answer.get("Location")) == (308, f"https://{SHOP}/facts?a=1")
    assert edge.ask(SHOP, "/facts").status == 200


def test_a_removed_domain_is_closed_at_once(place: Place, edge: Edge) -> None:
    """R29: no certificate from the next question on, and no site behind the one that is there."""
    place.operations.remove_host("acme", SHOP)
    assert {place.judge(SHOP) for _ in range(20)} == {404}
    assert edge.ask(SHOP, "/facts").status == 421


def test_gunicorn_has_an_internal_listener_too(folder: Path) -> None:
    """It is told apart by the connection's address, as under uWSGI; Granian is refused."""
    base, internal = Path(tempfile.mkdtemp(prefix="gunicorn-ask-", dir=folder)), free_port()
    env = {"TENANTRY_INTERNAL_LISTEN": f"127.0.0.1:{internal}"}
    with ServedServer.prepare_kind("gunicorn", base / "odd", ("acme",), env) as server:
        assert ask(internal, "localhost", "/-/ready").text == "ready\n"
        assert ask(internal, "localhost", "/-/ask?domain=localhost").status == 200
        assert ask(internal, "acme.localhost", "/").status == 404
        assert server.site("acme", "/-/ask?domain=localhost").body != b"yes\n"
