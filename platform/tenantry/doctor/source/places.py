"""What a rule yields: a line that shares something between tenants."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenantry.doctor.source.module import Module


@dataclass(frozen=True, slots=True)
class Place:
    """A line that shares something between tenants."""

    module: Module
    line: int
    sentence: str
    remedy: str


def calls(modules: Sequence[Module]) -> Iterator[tuple[Module, ast.Call]]:
    """Yield every call in the modules."""
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call):
                yield module, node
