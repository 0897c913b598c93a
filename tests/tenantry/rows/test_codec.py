"""Values go through a bundle and come out as the same values."""

from __future__ import annotations

import math
import sqlite3
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.rows import codec as values
from tenantry.rows.codec import Sort, dump_row, load_row

SORTS: tuple[Sort, ...] = (
    "boolean",
    "datetime",
    "date",
    "time",
    "json",
    "numeric",
    "plain",
    "other",
)

SQLITE = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.datetimes().map(lambda at: at.isoformat(sep=" ")),
    st.dates().map(str),
    st.times().map(str),
)
POSTGRESQL = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.binary(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.dates(),
    st.times(),
    st.uuids(),
)


def through(value: Any) -> Any:
    """Return a JSON value after its way through a line of a file."""
    line = dump_row([value])
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return load_row(line)[0]


def same(one: Any, other: Any) -> bool:
    """Say whether two values are the same to the bit."""
    if isinstance(one, float) and isinstance(other, float):
        both_nan = math.isnan(one) and math.isnan(other)
        return both_nan or (one == other and math.copysign(1, one) == math.copysign(1, other))
    return type(one) is type(other) and bool(one == other)


@given(SQLITE, st.sampled_from(SORTS))
def test_sqlite_to_sqlite(value: Any, sort: Sort) -> None:
    """Whatever SQLite keeps in whatever column comes back to the bit."""
    back = values.to_sqlite(through(values.from_sqlite(value, sort)), sort)
    assert same(back, value)


@given(POSTGRESQL)
def test_postgresql_to_postgresql(value: Any) -> None:
    """What PostgreSQL's driver gives is what it gets."""
    back = values.to_postgresql(through(values.from_postgresql(value, "plain")), "plain")
    assert same(back, value)


@given(st.datetimes(), st.dates(), st.times(), st.booleans(), st.binary())
def test_postgresql_to_sqlite_and_back(at: Any, day: Any, hour: Any, flag: Any, blob: Any) -> None:
    """There and back over the other kind of database, moments and truth values stay what they are."""
    sorts: tuple[Sort, ...] = ("datetime", "date", "time", "boolean", "plain")
    for value, sort in zip((at, day, hour, flag, blob), sorts, strict=True):
        there = values.to_sqlite(through(values.from_postgresql(value, sort)), sort)
        sqlite3.connect(":memory:").execute("SELECT ?", (there,)).connection.close()
        back = values.to_postgresql(through(values.from_sqlite(there, sort)), sort)
        assert same(back, value)


def test_a_moment_with_a_zone_is_kept_in_utc() -> None:
    """SQLite keeps no zone; SQLAlchemy's own form of a moment is what the app reads there."""
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    written = values.to_sqlite(values.from_postgresql(at, "datetime"), "datetime")
    assert written == "2026-03-01 12:00:00.000000"


def test_a_number_is_kept_exactly_or_refused() -> None:
    """A price does not change because it moves to another kind of database."""
    assert values.to_sqlite({"decimal": "1234.50"}, "numeric") == 1234.5
    assert values.to_sqlite({"decimal": "12.00"}, "numeric") == 12
    assert values.to_postgresql(0.1, "numeric") == Decimal("0.1")
    with pytest.raises(ValueError, match="as exact"):
        values.to_sqlite({"decimal": "0.12345678901234567890"}, "numeric")
    with pytest.raises(ValueError, match="NaN"):
        values.to_sqlite({"float": "nan"}, "plain")
    with pytest.raises(ValueError, match="NUL"):
        values.to_postgresql("a\0b", "plain")
    uid = UUID(int=5)
    assert values.to_sqlite(values.from_postgresql(uid, "plain"), "plain") == uid.hex


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"[",
        b"[NaN]",
        b'[{"bytes": "*"}]',
        b'[{"bytes": 1}]',
        b'[{"nothing": "x"}]',
        b'[{"date": "2026-02-30"}]',
        b'[{"datetime": "soon"}]',
        b'[{"decimal": "much"}]',
        b'[{"uuid": "x"}]',
        b'[{"date": "2026-02-28", "time": "10:00"}]',
        b"[[1]]",
        b"[" * 100_000,
    ],
)
def test_nonsense_is_refused(line: bytes) -> None:
    """A line that a stranger wrote is a value or an error."""
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever kind
        read_all(line)


def read_all(line: bytes) -> list[Any]:
    """Return what a line would put into SQLite."""
    return [values.to_sqlite(value, "plain") for value in load_row(line)]
