"""Checks that a PostgreSQL server isolates its tenants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row

from tenantry.errors import UnsafePlacementError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from tenantry.values.placement import Placement

OLDEST = 160000
"""PostgreSQL 16: before, who may make roles may join any of them, also those that run programs."""

# It is asked before anything is known of the search_path: a tenant's operator, which might
# fit better than the server's own, must not be found.
_QUESTION = """
SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS version,
    rolname AS role, rolsuper AS is_superuser, rolinherit AS inherits,
    rolcreaterole AS makes_roles, rolbypassrls AS bypasses,
    pg_catalog.current_database() AS database,
    pg_catalog.current_setting('search_path') AS search_path,
    pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS makes_schemas,
    EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname OPERATOR(pg_catalog.=) 'public'
        AND pg_catalog.has_schema_privilege('public', n.oid, 'CREATE')) AS public_is_open,
    pg_catalog.has_function_privilege('public', 'pg_catalog.set_config(text, text, boolean)',
        'EXECUTE') AS settings_are_open
FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) current_user
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a server says of itself and of the role that the platform signs in with."""

    version: int
    role: str
    is_superuser: bool
    inherits: bool
    makes_roles: bool
    bypasses: bool
    database: str
    search_path: str
    makes_schemas: bool
    public_is_open: bool
    settings_are_open: bool
    """Whether a SELECT can change settings, the role among them."""


def verify(connection: psycopg.Connection[Any], placement: Placement) -> Setup:
    """Look at the server behind *connection*, which is in no transaction; return what was found.

    :raises UnsafePlacementError: Tenants could reach each other, or none could be made.
    """
    with connection.cursor(row_factory=class_row(Setup)) as cursor:
        setup = cursor.execute(_QUESTION).fetchone()
    if setup is None:  # pragma: no cover - who is connected has a role
        raise UnsafePlacementError(placement.name, "its login role does not exist", "Make it.")
    for problem, remedy in find_problems(setup):
        raise UnsafePlacementError(placement.name, problem, remedy)
    return setup


def find_problems(setup: Setup) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, each with its remedy, the worst first."""
    role = _quoted(setup.role)
    if setup.version < OLDEST:
        yield (
            f"the server is PostgreSQL {setup.version // 10000}",
            "Use PostgreSQL 16 or newer: on older ones the login role could run programs.",
        )
    if setup.is_superuser or setup.bypasses:
        yield (
            f"the login role {setup.role!r} is a superuser, and a tenant's SQL could take this role",
            "Create one for it: `CREATE ROLE tenantry LOGIN CREATEROLE NOINHERIT PASSWORD '...'`.",
        )
    if setup.inherits:
        yield (
            f"the login role {setup.role!r} inherits the rights of all tenants' roles",
            f"Run `ALTER ROLE {role} NOINHERIT`.",
        )
    if setup.search_path.strip('" '):
        yield (
            f"with the search_path {setup.search_path!r} the login role {setup.role!r} finds tables",
            f"Run `ALTER ROLE {role} SET search_path = ''`.",
        )
    if setup.public_is_open:
        yield (
            "every role may create tables and functions in the schema public",
            "Run `REVOKE CREATE ON SCHEMA public FROM PUBLIC`.",
        )
    if not setup.makes_roles:
        yield (
            f"the login role {setup.role!r} cannot create roles",
            f"Run `ALTER ROLE {role} CREATEROLE`.",
        )
    if not setup.makes_schemas:
        yield (
            f"the login role {setup.role!r} cannot create schemas in {setup.database!r}",
            f"Run `GRANT CREATE ON DATABASE {_quoted(setup.database)} TO {role}`.",
        )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
