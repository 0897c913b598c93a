"""The doctor, called to the factories of the folder beside."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenantry.doctor import examine

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.doctor import Finding

FACTORIES = Path(__file__).parent / "factories"


@cache
def _examined(factory: str, seconds: float) -> tuple[Finding, ...]:
    path = factory if ":" in factory else f"{factory}:create_app"
    return tuple(examine(path, os.environ, seconds=seconds))


@pytest.fixture
def diagnose(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Finding]]:
    """Return a function that examines one of the factories, in a process of its own.

    Each is examined once, however many tests look at it.
    """
    monkeypatch.chdir(FACTORIES)

    def examine_one(factory: str, *, seconds: float = 100) -> list[Finding]:
        return list(_examined(factory, seconds))

    return examine_one
