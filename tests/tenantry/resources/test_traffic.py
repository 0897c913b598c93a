"""The figures of a node: requests, errors and latency by minute, hour and day."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tenantry.resources.traffic import (
    DAY,
    EVERYONE,
    HOUR,
    MINUTE,
    SPANS,
    Traffic,
    TrafficFile,
    add_up,
    class_of,
)
from tenantry.resources.usage import Ledger
from tenantry.worker.traffic_writer import TrafficWriter

if TYPE_CHECKING:
    from pathlib import Path

ACME, BOLT = "a" * 32, "b" * 32
NOON = 1_790_000_000 - 1_790_000_000 % 86400 + 43200


@pytest.fixture
def file(tmp_path: Path) -> TrafficFile:
    """Return a node's file, which is not there yet."""
    return TrafficFile(tmp_path / "figures.sqlite3")


def count(ledger: Ledger, tenant_id: str, *seconds: float, failed: bool = False) -> None:
    """Count requests that took so long."""
    for wall in seconds:
        ledger.add(tenant_id, "any", wall=wall, failed=failed)


def test_requests_are_counted_by_minute_hour_and_day(file: TrafficFile) -> None:
    """Of each tenant, and of all together; what had none is there with zeros."""
    ledger = Ledger()
    count(ledger, ACME, 0.005, 0.03, 0.3)
    count(ledger, ACME, 2.0, failed=True)
    count(ledger, BOLT, 0.005)
    file.add(ledger.take(), at=NOON)
    assert ledger.take() == {}
    count(ledger, ACME, 0.005)
    file.add(ledger.take(), at=NOON + 60)

    minutes = file.read(MINUTE, 3, tenant_id=ACME, at=NOON + 119)
    assert [part.requests for part in minutes] == [0, 4, 1]
    assert [part.start for part in minutes] == [NOON - 60, NOON, NOON + 60]
    assert [part.errors for part in minutes] == [0, 1, 0]
    assert minutes[1].mean == pytest.approx(2335 / 4, abs=1)
    assert [part.requests for part in file.read(HOUR, 2, tenant_id=ACME, at=NOON)] == [0, 5]
    assert [part.requests for part in file.read(DAY, 1, at=NOON)] == [6]
    assert [part.requests for part in file.read(DAY, 1, tenant_id=BOLT, at=NOON)] == [1]
    assert file.read(DAY, 1, tenant_id="none", at=NOON)[0].requests == 0


def test_a_latency_is_the_end_of_its_class() -> None:
    """Classes lose little, and need no room for each request."""
    assert [class_of(seconds) for seconds in (0, 0.01, 0.0249, 0.9, 60)] == [0, 1, 1, 6, 8]
    part = Traffic(0, classes=(90, 0, 5, 0, 5, 0, 0, 0, 0))
    assert [part.quantile(share) for share in (0.5, 0.95, 0.99)] == [10, 50, 250]
    assert Traffic(0).quantile(0.95) == 0
    assert add_up([part, part]).requests == 200
    assert add_up([]).requests == 0


def test_old_figures_go(file: TrafficFile, tmp_path: Path) -> None:
    """Each span is kept for its time: a tenant has a bounded number of rows."""
    for span in SPANS:
        for number in (0, 1, span.kept):
            file.add({ACME: [1.0] * 11}, at=NOON + number * span.seconds)
        with closing(sqlite3.connect(tmp_path / "figures.sqlite3")) as database:
            query = (
                "SELECT min(start) FROM traffic JOIN tenants ON number = tenant "
                "WHERE id = ? AND span = ?"
            )
            found = database.execute(query, (ACME, span.seconds)).fetchone()[0]
        assert found == NOON + span.seconds - NOON % span.seconds
    assert sum(span.kept for span in SPANS) < 3000


def test_a_tenant_that_is_no_more_is_forgotten(file: TrafficFile) -> None:
    """Its figures go with its data; those of all stay."""
    ledger = Ledger()
    writer = TrafficWriter(ledger, file)
    count(ledger, ACME, 0.1)
    count(ledger, BOLT, 0.1)
    writer.write()
    count(ledger, ACME, 0.1)
    writer.forget([ACME])
    writer.write()
    assert file.read(DAY, 1, tenant_id=ACME)[0].requests == 0
    assert file.read(DAY, 1, tenant_id=BOLT)[0].requests == 1
    assert sum(part.requests for part in file.read(DAY, 2, tenant_id=EVERYONE)) == 2


def test_what_nobody_takes_is_bounded() -> None:
    """A process that writes no figures keeps a limited number of counts (law 6)."""
    ledger = Ledger(most=2)
    for number in range(5):
        count(ledger, str(number), 0.1)
    count(ledger, "0", 0.1)
    assert sorted(ledger.take()) == ["0", "1"]


def test_reading_makes_no_file(file: TrafficFile, tmp_path: Path) -> None:
    """And a file that is none is an error, not a page of zeros."""
    assert file.read(HOUR, 2)[0].requests == 0
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "figures.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        file.read(HOUR, 2)
