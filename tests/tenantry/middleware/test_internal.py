"""The internal listener: what it answers, and that nothing else gets those answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tenantry.catalog.directory import Directory
from tenantry.catalog.served_hosts import ServedHosts
from tenantry.middleware.internal import ELSE, PROMETHEUS, InternalEndpoints
from tenantry.values.tenant import TenantState
from tenantry.worker.exposition import CONTENT_TYPE
from tests.tenantry.catalog.test_custom_hosts import add
from tests.tenantry.support import Answer, ask, hello

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIEnvironment

    from tenantry.catalog import Catalog

SHOP = "shop.example.org"
ADDRESS = ("127.0.0.1", 8001)


class Listener:
    """The endpoints around an app, and a choice of where a request comes in."""

    def __init__(self, catalog: Catalog, *, unknown_per_second: int = 1000) -> None:
        self.catalog = catalog
        self.directory = Directory(catalog, domain="example.test")
        self.served = ServedHosts(catalog, self.directory)
        self.arrives: tuple[str, int] | None = ADDRESS
        self.app = InternalEndpoints(
            hello("app"),
            address=ADDRESS,
            find_address=self.find_address,
            own_hosts={"example.test", "www.example.test"},
            served=self.served,
            directory=self.directory,
            metrics=lambda: b"tenantry_workers 2.0\n",
            unknown_per_second=unknown_per_second,
        )

    def find_address(self, _: WSGIEnvironment) -> tuple[str, int] | None:
        """Return where the request came in."""
        return self.arrives

    def get(self, path: str, *, port: str = "8001") -> Answer:
        """Send a request whose server says that it came in at *port*."""
        return ask(self.app, path, environ={"SERVER_PORT": port})

    def judge(self, domain: str) -> int:
        """Ask about a domain and return the status."""
        return self.get(f"/-/ask?domain={domain}").status


@pytest.fixture
def listener(catalog: Catalog) -> Listener:
    """Return a listener of a worker that has just started; acme has a host."""
    acme = add(catalog)
    catalog.hosts.add(acme.id, SHOP, proof="operator", by=SYSTEM)
    made = Listener(catalog)
    made.served.refresh()
    return made


@pytest.mark.parametrize(
    ("domain", "status"),
    [
        pytest.param(SHOP, 200, id="served"),
        pytest.param("SHOP.Example.org.", 200, id="in another spelling"),
        pytest.param("example.test", 200, id="our own"),
        pytest.param("acme.example.test", 404, id="a tenant's subdomain"),
        pytest.param("www.shop.example.org", 404, id="below a served one"),
        pytest.param("example.org", 404, id="above a served one"),
        pytest.param("127.0.0.1", 404, id="an address"),
        pytest.param("%00", 404, id="no host"),
        pytest.param("", 400, id="nothing"),
        pytest.param(f"{SHOP}%26domain=a.test", 404, id="an ampersand"),
        pytest.param(f"{SHOP}&domain=a.test", 400, id="two"),
        pytest.param("a" * 2000, 400, id="long"),
    ],
)
def test_only_served_hosts_get_a_certificate(listener: Listener, domain: str, status: int) -> None:
    """R32: an exact match of a host that was proved; what a visitor makes up costs a look-up."""
    assert listener.judge(domain) == status


def test_answers_follow_the_catalog(listener: Listener) -> None:
    """R29, law 7: the next question after a change gets the new answer."""
    catalog, tenant = listener.catalog, listener.catalog.tenants.get("acme")
    assert listener.judge("late.example.org") == 404
    catalog.hosts.add(tenant.id, "late.example.org", by=SYSTEM)
    assert listener.judge("late.example.org") == 404
    listener.served.refresh()
    catalog.hosts.add(tenant.id, "late.example.org", proof="operator", by=SYSTEM)
    assert listener.judge("late.example.org") == 200
    catalog.hosts.remove(tenant.id, SHOP, by=SYSTEM)
    assert (listener.judge(SHOP), len(listener.served)) == (404, 1)
    catalog.tenants.transition(tenant.id, TenantState.SUSPENDED, by=SYSTEM)
    assert listener.judge("late.example.org") == 200  # its page says so, over HTTPS
    for state in (TenantState.ARCHIVED, TenantState.DELETED):
        catalog.tenants.transition(tenant.id, state, by=SYSTEM)
    assert listener.judge("late.example.org") == 404
    catalog.tenants.transition(tenant.id, TenantState.ARCHIVED, by=SYSTEM)
    assert listener.judge("late.example.org") == 200


def test_pruned_changes_lead_to_a_new_look(listener: Listener) -> None:
    """A worker that missed changes reads all hosts again, and answers from the old ones meanwhile."""
    catalog = listener.catalog
    assert listener.judge(SHOP) == 200
    with catalog.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE heads SET epoch = epoch + 5000")
        connection.exec_driver_sql("DELETE FROM hosts")
    listener.directory.poll()
    assert listener.judge(SHOP) == 200
    listener.served.refresh()
    assert (listener.judge(SHOP), len(listener.served)) == (404, 0)


def test_it_answers_while_the_catalog_is_down(
    catalog: Catalog, open_catalog_at: Callable[[str], Catalog]
) -> None:
    """Law 8: what was known is known; a worker that knew nothing says that it is not ready."""
    acme = add(catalog)
    catalog.hosts.add(acme.id, SHOP, proof="operator", by=SYSTEM)
    listener = Listener(catalog)
    assert (listener.judge(SHOP), listener.get("/-/ready").status) == (404, 503)
    listener.served.refresh()
    assert (listener.judge(SHOP), listener.get("/-/ready").text) == (200, "ready\n")
    with catalog.store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE heads RENAME TO gone")
    catalog.store.signal.announce(10**6)
    assert (listener.judge(SHOP), listener.judge("a.test")) == (200, 404)
    ready = listener.get("/-/ready")
    assert (ready.status, "the catalog is down" in ready.text) == (200, True)


def test_a_flood_of_unknown_names_is_refused(listener: Listener) -> None:
    """R32: and those who own a domain get their answer all the same."""
    small = Listener(listener.catalog, unknown_per_second=2)
    small.served.refresh()
    assert {small.judge(f"{number}.test") for number in range(200)} == {404, 429}
    assert small.judge(SHOP) == 200


@pytest.mark.parametrize("path", ["/", "/-/metrics/", "/-/askew", "/-/ask/", "/backend/"])
def test_it_answers_nothing_else(listener: Listener, path: str) -> None:
    """No site and no console is reached by a listener that trusts its clients."""
    answer = listener.get(path)
    assert (answer.status, answer.text) == (404, f"{ELSE}\n")


@pytest.mark.parametrize("path", [f"/-/ask?domain={SHOP}", "/-/ready", "/-/metrics"])
def test_visitors_get_no_such_answer(listener: Listener, path: str) -> None:
    """R32: neither at another port, nor with a proxy that names ours, nor over a Unix socket."""
    assert listener.get(path, port="8000").text.startswith("app")
    for arrives in (("127.0.0.1", 8000), ("192.0.2.1", 8001), None):
        listener.arrives = arrives
        assert listener.get(path).text.startswith("app")


def test_prometheus_reads_the_figures(listener: Listener) -> None:
    """They are told as what they are, and as they are."""
    answer = listener.get("/-/metrics")
    assert (answer.status, answer.text) == (200, "tenantry_workers 2.0\n")
    assert answer.headers["content-type"] == PROMETHEUS == CONTENT_TYPE


def test_head_has_no_body(listener: Listener) -> None:
    """As HTTP wants it."""
    answer = ask(listener.app, "/-/ready", method="HEAD", environ={"SERVER_PORT": "8001"})
    assert (answer.status, answer.body) == (200, b"")
