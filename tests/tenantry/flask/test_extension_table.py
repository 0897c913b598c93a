"""Each extension of docs/extensions.md with two tenants, as full instances and as flyweights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.flask import extensions
from tests.tenantry.flask.extension_rows import KINDS, ROWS, Row

if TYPE_CHECKING:
    from tenantry.settings import Settings


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_extension(row: Row, kind: str, settings: Settings) -> None:
    """It works as its manual says, and nothing of one tenant is seen at the other."""
    apps = KINDS[kind](row.make(), settings)
    try:
        row.check(*apps)
    finally:
        for app in apps:
            extensions.close(app)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["Flask-SQLAlchemy", "Flask-SQLAlchemy-Lite"])
def test_databases_on_either_kind_of_server(name: str, kind: str, any_settings: Settings) -> None:
    """Law 9: the engine is the tenant's confined one, in a file or on PostgreSQL."""
    row = next(row for row in ROWS if row.name == name)
    apps = KINDS[kind](row.make(), any_settings)
    try:
        row.check(*apps)
    finally:
        for app in apps:
            extensions.close(app)
