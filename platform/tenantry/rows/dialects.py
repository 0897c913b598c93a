"""The row dialects by kind of database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.rows.postgresql_dialect import PostgresqlDialect
from tenantry.rows.sqlite_dialect import SqliteDialect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.rows.tables import RowDialect

_SIDES: Mapping[str, RowDialect] = {"sqlite": SqliteDialect(), "postgresql": PostgresqlDialect()}


def dialect_of(kind: str) -> RowDialect:
    """Return what is particular about this kind of database."""
    return _SIDES[kind]
