"""The keys of the WSGI environment."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tenantry import environ

ROOT = Path(__file__).parents[2]
KEYS = {value for name, value in vars(environ).items() if name.isupper()}
SOURCES = [
    path
    for folder in ("platform", "tenants", "frontend_app", "backend_app")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.name != "environ.py"
]


def test_each_key_stands_for_one_thing() -> None:
    """Two names for one key would let one part of the platform overwrite another's value."""
    names = [name for name in vars(environ) if name.isupper()]
    assert len(KEYS) == len(names) > 0


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_keys_are_declared_in_one_module(path: Path) -> None:
    """No other module spells a key: a misspelt one would read as "no tenant" or "no host"."""
    spelt = [
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in KEYS
    ]
    assert spelt == []
