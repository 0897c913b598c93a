"""``tenantry status`` and ``tenantry metrics`` beside the real server: they ask its workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenantry.catalog import SYSTEM
from tests.live.server import ROOT, SITES, until

if TYPE_CHECKING:
    from tests.live.conftest import NewOddServer, NewServer
    from tests.live.server import Server

PROGRAM = Path(sys.executable).with_name("tenantry")


def tell(server: Server, *words: str) -> str:
    """Run a command beside the server and return what it prints."""
    return subprocess.run(
        [PROGRAM, *words],
        cwd=ROOT,
        env=server.environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def workers(server: Server) -> list[dict[str, Any]]:
    """Return the reports of the running workers."""
    facts = json.loads(tell(server, "status", "--json"))
    assert facts["server"]["answers"]
    assert facts["silent_workers"] == []
    reports: list[dict[str, Any]] = facts["workers"]
    return reports


def test_status_counts_what_visitors_did(new_server: NewServer) -> None:
    """Both workers answer; their builds and hits are the visits, their instances the sites."""
    with new_server(env={"TENANTRY_POOL_WARM": "0"}) as server:
        visits = 40
        for n in range(visits):
            assert server.site(SITES[n % len(SITES)]).status == 200
        found = workers(server)
        assert {report["pid"] for report in found} == server.workers()
        assert [report["worker"] for report in found] == [1, 2]
        for report in found:
            pool = report["pool"]
            assert pool["instances"] == pool["builds"] == report["budget"]["instances"][0]
            assert pool["instances"] <= len(SITES)
            assert pool["leases"] == 0
            assert report["budget"]["memory_mb"][0] > 10
            assert report["budget"]["descriptors"][0] > 5
            assert report["threads"] >= 2
        assert sum(r["pool"]["builds"] + r["pool"]["hits"] for r in found) == visits
        assert sum(r["pool"]["instances"] for r in found) >= len(SITES)
        by_wall = {cost["slug"] for report in found for cost in report["expensive"]["wall"]}
        assert by_wall >= set(SITES)
        steps = [build["steps"] for report in found for build in report["slowest_builds"]]
        assert steps
        assert all(steps)


def test_killed_worker_is_gone_and_its_successor_is_there(new_server: NewServer) -> None:
    """SIGKILL leaves a socket, which nobody mistakes for a worker."""
    with new_server() as server:
        before = {report["pid"] for report in workers(server)}
        victim = min(before)
        os.kill(victim, signal.SIGKILL)

        def complete() -> bool:
            pids = {report["pid"] for report in workers(server)}
            return len(pids) == 2 and victim not in pids and pids == server.workers()

        until(complete, why="the successor answers")
        left = {path.name for path in (server.data / "run" / "workers").iterdir()}
        assert left == {f"{pid}.sock" for pid in server.workers()}


def test_stopped_server_leaves_no_socket(new_server: NewServer) -> None:
    """A stop in good order tidies up."""
    with new_server() as server:
        assert len(workers(server)) == 2
        assert server.stop() == 0
        assert list((server.data / "run" / "workers").iterdir()) == []
        assert "No worker answers" in tell(server, "status")


def test_status_answers_while_every_thread_is_busy(new_odd_server: NewOddServer) -> None:
    """The workers' sockets need none of the visitors' threads: this is when people look."""
    # A site may have all threads here, so that they are all taken.
    with (
        new_odd_server("acme", "globex", TENANTRY_LIMIT_IN_FLIGHT="4") as server,
        ThreadPoolExecutor(8) as visitors,
    ):
        try:
            sites = ["acme", "globex"] * 4
            visits = [visitors.submit(server.site, slug, "/wait?gate=go") for slug in sites]
            until(lambda: len(server.noted("handled")) == 8, why="every thread has a visitor")
            facts = json.loads(tell(server, "status", "--json"))
        finally:
            server.open("go")
        assert not facts["server"]["answers"]
        assert [report["pool"]["leases"] for report in facts["workers"]] == [4, 4]
        assert {visit.result().status for visit in visits} == {200}


def test_failed_change_is_told_with_what_goes_on_serving(new_server: NewServer) -> None:
    """The new revision fails, the old one serves; status and figures say so."""
    environment = {"TENANTRY_FACTORY": "picky:create_app", "TENANTRY_PROCESSES": "1"}
    with new_server(env=environment) as server:
        assert server.site("acme").status == 200
        tenant = server.catalog.tenants.get("acme")
        server.catalog.tenants.configure(
            tenant.id, name="Acme", settings={"tagline": "broken"}, by=SYSTEM
        )

        def failures() -> list[dict[str, Any]]:
            assert server.site("acme").status == 200
            (report,) = workers(server)
            found: list[dict[str, Any]] = report["failures"]
            return found

        until(failures)
        (failure,) = failures()
        assert failure["slug"] == "acme"
        assert failure["revision"] == tenant.revision + 1
        assert failure["serving"] == tenant.revision
        assert "does not like" in failure["problem"]
        assert failure["error_id"] in server.log()
        assert failure["error_id"] in tell(server, "status")
        assert "tenantry_pool_failures_total{" in tell(server, "metrics")
