"""Figures as people read them."""

from __future__ import annotations

import pytest

from tenantry.worker.formatting import age, duration, next_try


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        pytest.param(-3, "0 s", id="a clock that was set back"),
        pytest.param(59, "59 s", id="seconds"),
        pytest.param(150, "2 min", id="minutes"),
        pytest.param(8000, "2 h", id="hours"),
        pytest.param(900_000, "10 d", id="days"),
    ],
)
def test_ages(seconds: float, shown: str) -> None:
    """One unit is enough."""
    assert age(seconds) == shown


def test_times() -> None:
    """Short ones in milliseconds; a build that may be tried waits for a visit."""
    assert duration(0.0123) == "12.3 ms"
    assert duration(1.25) == "1.2 s"
    assert next_try(1.7) == "in 2 s"
    assert next_try(0) == "next visit"
