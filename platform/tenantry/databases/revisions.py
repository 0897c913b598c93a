"""The schema revision that a tenant's database says it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOCK_SECONDS = 10.0
"""How long to wait for others who use the database."""
VERSION = "SELECT version_num FROM alembic_version"
# A table: a view by that name could take for ever to answer.
HAS_VERSION = {
    "sqlite": "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'",
    # In the tenant's schema, where operators of its own may be: these are the server's.
    "postgresql": "SELECT pg_catalog.count(*) FROM pg_catalog.pg_class "
    "WHERE relkind OPERATOR(pg_catalog.=) 'r' "
    "AND oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('alembic_version')",
}


def find_revision(connection: Connection) -> str:
    """Return the revision that the database says it has; empty if it says none."""
    # Alembic's own way looks at much more, which for many databases is most of the time.
    if not connection.exec_driver_sql(HAS_VERSION[connection.dialect.name]).scalar():
        return ""
    return str(connection.exec_driver_sql(VERSION).scalar() or "")
