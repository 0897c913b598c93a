"""``tenantry metrics``: what Prometheus reads."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tenantry.cli.metrics import MAX_THREADS
from tenantry.settings import get_settings
from tenantry.worker import Reporter, Survey
from tenantry.worker.exposition import MOST_TENANTS, exposition
from tests.tenantry.cli.conftest import until
from tests.tenantry.worker.sample import expensive, failure, report, usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.tenantry.cli.conftest import Desk

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(text: str) -> Series:
    """Return every series of an exposition; none may come twice."""
    found: Series = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


def series_of(*reports: dict[str, Any], troubles: dict[int, str] | None = None) -> Series:
    """Return what these reports are exposed as."""
    return read(exposition(Survey(list(reports), troubles or {})).decode())


@pytest.fixture
def worker(ready: Desk) -> Iterator[dict[str, Any]]:
    """Let this process be the platform's only worker."""
    told = report(pid=os.getpid())
    get_settings.cache_clear()
    reporter = Reporter(get_settings().workers_dir, lambda: told)
    reporter.start()
    yield told
    reporter.stop()


ONE = (("worker", "1"),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("tenantry_worker_start_time_seconds", 1_732_190_000.0, id="start"),
        pytest.param("tenantry_worker_threads", 9, id="threads"),
        pytest.param("tenantry_pool_instances", 3, id="instances"),
        pytest.param("tenantry_pool_leases", 1, id="leases"),
        pytest.param("tenantry_pool_backing_off", 1, id="back-offs"),
        pytest.param("tenantry_pool_hits_total", 10, id="hits"),
        pytest.param("tenantry_pool_builds_total", 4, id="builds"),
        pytest.param("tenantry_pool_failures_total", 1, id="failures"),
        pytest.param("tenantry_pool_disposals_total", 1, id="disposals"),
        pytest.param("tenantry_refused_tenant_total", 2, id="refused by site"),
        pytest.param("tenantry_refused_client_total", 5, id="refused by client"),
        pytest.param("tenantry_budget_memory_mb_used", 81.2, id="memory"),
        pytest.param("tenantry_budget_memory_mb_limit", 768, id="memory's limit"),
        pytest.param("tenantry_budget_descriptors_used", 31, id="descriptors"),
        pytest.param("tenantry_gc_longest_pause_seconds", 0.004, id="pause"),
        pytest.param("tenantry_leaked_instances", 1, id="leaks"),
        pytest.param("tenantry_request_seconds_count", 11, id="requests"),
        pytest.param("tenantry_request_seconds_sum", 5.5, id="their time"),
        pytest.param("tenantry_request_errors_total", 2, id="errors"),
        pytest.param("tenantry_worker_epoch", 41, id="change seen"),
        pytest.param("tenantry_worker_catalog_reachable", 1, id="catalog"),
    ],
)
def test_each_figure_of_a_worker(name: str, value: float) -> None:
    """Figures are those of the report, under the worker's number."""
    assert series_of(report())[name, ONE] == value


def test_latency_is_a_histogram() -> None:
    """Each class has what took no longer, as Prometheus wants it; the last one has everything."""
    found = series_of(report())
    counts = [
        found["tenantry_request_seconds_bucket", (("le", bound), *ONE)]
        for bound in ("0.01", "0.025", "0.05", "0.1", "2.5", "+Inf")
    ]
    assert counts == [4, 7, 9, 10, 10, 11]
    # A worker of the release before tells none of it.
    old = report()
    del old["traffic"], old["epoch"], old["is_reachable"]
    assert ("tenantry_request_seconds_count", ONE) not in series_of(old)


def test_costs_carry_the_slug() -> None:
    """What the most expensive sites cost is told by site and worker, and so never falls."""
    found = series_of(report(), report(worker=2))
    labels = (("tenant", "globex"), ("worker", "2"))
    assert found["tenantry_tenant_cpu_seconds_total", labels] == 0.25


def test_nobody_answers(ready: Desk) -> None:
    """No worker is a figure too: the alert that matters most."""
    assert read(ready.done("metrics")) == {
        ("tenantry_workers", ()): 0,
        ("tenantry_workers_silent", ()): 0,
    }


def test_silent_worker_is_counted() -> None:
    """A stuck worker has no figures, but it is there."""
    assert series_of(troubles={7: "stuck"})["tenantry_workers_silent", ()] == 1


def test_printed_figures_are_the_workers_own(ready: Desk, worker: dict[str, Any]) -> None:
    """The command asks the workers, and needs no catalog for it."""
    (ready.folder / "var" / "catalog.sqlite3").unlink()
    found = read(ready.done("metrics"))
    assert found["tenantry_workers", ()] == 1
    assert found["tenantry_pool_hits_total", ONE] == worker["pool"]["hits"]


def test_two_reports_of_one_worker_are_not_two_series() -> None:
    """While a worker is replaced, the old one and the new one may both answer; the new one counts."""
    old, new = report(pid=1, started_at=1.0), report(pid=2, started_at=2.0, threads=5)
    found = series_of(new, old)
    assert found["tenantry_worker_threads", ONE] == 5
    assert found["tenantry_workers", ()] == 1


def test_series_are_bounded_whatever_the_workers_say() -> None:
    """Ten thousand sites, failures and leaks make no more series than a few (R57)."""
    quiet = len(series_of(report(expensive={})))
    costs = [usage(f"{n:032}", f"site{n}", wall=n) for n in range(10_000)]
    leaks = [{"tenant": f"{n:032}", "slug": f"s{n}", "held_by": f"list {n}"} for n in range(1000)]
    failures = [failure(slug=f"s{n}", problem=f"boom {n}") for n in range(10_000)]
    busy = series_of(report(expensive=expensive(*costs), leaks=leaks, failures=failures))
    assert len(busy) == quiet + 3 * MOST_TENANTS
    assert not [
        labels for _, labels in busy if {name for name, _ in labels} - {"worker", "tenant", "le"}
    ]


def test_slug_that_changed_hands_is_one_series() -> None:
    """A name may go to another tenant while the first one's costs are still known."""
    costs = expensive(usage("a" * 32, "acme", wall=1.0), usage("b" * 32, "acme", wall=2.0))
    labels = (("tenant", "acme"), ("worker", "1"))
    assert series_of(report(expensive=costs))["tenantry_tenant_wall_seconds_total", labels] == 3


# --- over HTTP ----------------------------------------------------------------------------------


@pytest.fixture
def port(ready: Desk, worker: dict[str, Any]) -> int:
    """Return where the program serves the figures; it ends with the test."""
    ready.start("metrics", "--listen", "127.0.0.1:0")
    until(lambda: "until Ctrl-C" in ready.log, why=lambda: ready.log)
    found = re.search(r"http://127\.0\.0\.1:(\d+)/metrics", ready.log)
    assert found is not None
    return int(found[1])


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str, str]:
    """Return status, content type and body."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type") or "", response.read().decode()


def test_served_figures(port: int, worker: dict[str, Any]) -> None:
    """Each request asks the workers anew."""
    status, kind, body = ask(port, "/metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=")
    assert read(body)["tenantry_pool_hits_total", ONE] == 10
    worker["pool"]["hits"] = 11
    assert read(ask(port, "/metrics?x=1")[2])["tenantry_pool_hits_total", ONE] == 11


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/", 404, id="front"),
        pytest.param("GET", "/metrics/../secret_keys", 404, id="way out"),
        pytest.param("POST", "/metrics", 501, id="post"),
        pytest.param("TRACE", "/metrics", 501, id="trace"),
    ],
)
def test_nothing_else_is_served(port: int, method: str, path: str, status: int) -> None:
    """One page, and only to be read."""
    assert ask(port, path, method)[0] == status


def test_those_who_say_nothing_are_not_given_more_threads(ready: Desk, port: int) -> None:
    """Idle connections take the few threads for seconds, wait in the queue, and end."""
    process = ready.started[-1].pid
    with ExitStack() as stack:
        for _ in range(3 * MAX_THREADS):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        tasks = f"/proc/{process}/task"
        until(lambda: len(os.listdir(tasks)) == 1 + MAX_THREADS)  # noqa: PTH208 - no paths needed
    assert ask(port, "/metrics")[0] == 200


def test_ctrl_c_is_the_end_and_no_failure(ready: Desk, port: int) -> None:
    """It serves until stopped."""
    process = ready.started[-1]
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert "Traceback" not in ready.log


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("0.0.0.0:9101", id="everywhere"),
        pytest.param("[::]:9101", id="everywhere, IPv6"),
        pytest.param("192.0.2.7:9101", id="one of the machine's"),
    ],
)
def test_address_that_others_reach_is_refused(ready: Desk, address: str) -> None:
    """The figures name the sites."""
    assert "--allow-remote" in ready.refused("metrics", "--listen", address)


def test_address_that_others_reach_can_be_allowed(ready: Desk) -> None:
    """An operator behind a firewall knows better."""
    ready.start("metrics", "--listen", "0.0.0.0:0", "--allow-remote")
    until(lambda: "until Ctrl-C" in ready.log, why=lambda: ready.log)


def test_ipv6(ready: Desk) -> None:
    """An IPv6 address stands in brackets, going in and coming out."""
    ready.start("metrics", "--listen", "[::1]:0")
    until(lambda: "http://[::1]:" in ready.log, why=lambda: ready.log)


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("9101", id="no address"),
        pytest.param("127.0.0.1", id="no port"),
        pytest.param("127.0.0.1:http", id="a name for a port"),
        pytest.param("127.0.0.1:70000", id="no such port"),
        pytest.param("localhost:9101", id="a name"),
        pytest.param("::1:9101", id="no brackets"),
        pytest.param("[127.0.0.1]:9101", id="brackets for nothing"),
    ],
)
def test_unreadable_address_is_wrong_usage(ready: Desk, address: str) -> None:
    """Wrong usage is exit code 2."""
    assert ready.run("metrics", "--listen", address).exit_code == 2


def test_port_in_use_is_a_sentence(ready: Desk, free_port: int) -> None:
    """Another exporter may be there already."""
    with socket.create_server(("127.0.0.1", free_port)):
        assert "Cannot listen" in ready.refused("metrics", "--listen", f"127.0.0.1:{free_port}")
