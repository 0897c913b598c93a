"""The two kinds of databases, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.bundles.postgresql import PostgresqlSide
from tenantry.bundles.sqlite import SqliteSide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.bundles.sql import Side

_SIDES: Mapping[str, Side] = {"sqlite": SqliteSide(), "postgresql": PostgresqlSide()}


def side_of(kind: str) -> Side:
    """Return what is particular about this kind of database."""
    return _SIDES[kind]
