"""A history takes as long as it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
SPARE_SECONDS = 300
"""For what comes before and after, on a busy machine."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give the tests in this folder the time that they take."""
    seconds = config.getoption("--history-seconds") + SPARE_SECONDS
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(seconds))
