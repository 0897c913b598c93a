"""The node's figures at ``/-/metrics``, and the shipped files that read them."""

from __future__ import annotations

import json
import os
import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tenantry.catalog import SYSTEM, Catalog
from tenantry.catalog.models import now
from tenantry.catalog.node_lease import Lease
from tenantry.catalog.values import NewJob
from tenantry.worker.node_metrics import NodeMetrics
from tenantry.worker.reporter import Reporter
from tests.live.edge import DEPLOY
from tests.tenantry.worker.sample import report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.settings import Settings

NAME = re.compile(r"tenantry_[a-z_]+")
FILES = ("prometheus-alerts.yml", "grafana-dashboard.json")


@pytest.fixture
def metrics(settings: Settings, catalog: Catalog) -> Iterator[NodeMetrics]:
    """Return the figures of a node with one worker."""
    lease = Lease(settings)
    lease.renew(time.monotonic(), drained=True, owners=0)
    reporter = Reporter(settings.workers_dir, lambda: report(pid=os.getpid()))
    reporter.start()
    yield NodeMetrics(settings, catalog, lease)
    reporter.stop()


def read(metrics: NodeMetrics) -> dict[str, float]:
    """Return the figures that have no label, and one of each other family."""
    families = text_string_to_metric_families(metrics().decode())
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_a_node_tells_of_its_workers_and_of_itself(metrics: NodeMetrics, catalog: Catalog) -> None:
    """Lease, drain, the newest change and the queue stand beside what the workers say."""
    catalog.store.signal.announce(7)
    catalog.jobs.add(NewJob(name="one", arguments={}), by=SYSTEM)
    found = read(metrics)
    assert found["tenantry_workers"] == found["tenantry_jobs_queued"] == 1
    assert (found["tenantry_node_lease_valid"], found["tenantry_node_drained"]) == (1, 1)
    assert (found["tenantry_node_epoch"], found["tenantry_jobs_running"]) == (7, 0)
    assert found["tenantry_jobs_waiting_seconds"] >= 0


def test_jobs_wait_by_the_clock_of_the_catalog(
    metrics: NodeMetrics, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose own clock is an hour ahead tells of no hour."""
    monkeypatch.setattr(catalog.store, "_clock", lambda _: now() - timedelta(hours=1))
    catalog.jobs.add(NewJob(name="one", arguments={}), by=SYSTEM)
    assert read(metrics)["tenantry_jobs_waiting_seconds"] < 60


def test_without_the_catalog_the_rest_is_told(metrics: NodeMetrics, catalog: Catalog) -> None:
    """The queue's figures are missing, which is no reason to tell nothing."""
    with catalog.store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE jobs RENAME TO gone")
    found = read(metrics)
    assert "tenantry_jobs_queued" not in found
    assert found["tenantry_workers"] == found["tenantry_node_lease_valid"] == 1


@pytest.mark.parametrize("name", FILES)
def test_the_shipped_files_read_what_there_is(metrics: NodeMetrics, name: str) -> None:
    """An alert on a figure that nobody tells would never come."""
    asked = set(NAME.findall((DEPLOY / name).read_text()))
    assert len(asked) > 10
    assert asked - set(read(metrics)) <= {"tenantry_node_", "tenantry_jobs_"}  # of a comment


def test_the_dashboard_s_panels_do_not_overlap() -> None:
    """Grafana would move them; each has a title and asks for something."""
    panels = json.loads((DEPLOY / "grafana-dashboard.json").read_text())["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places) > 10
    assert all(panel["title"] and panel["targets"] for panel in panels)
