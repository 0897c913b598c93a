"""A PostgreSQL server that can be made again as it was."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import make_url

from tenantry.catalog import open_catalog
from tenantry.databases.servers import SERVERS
from tests.tenantry.kills import books
from tests.tenantry.kills.books import TABLES
from tests.tenantry.kills.copies import Copy, find_revision, put_back, take

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tenantry.settings import Settings

CATALOG, SITES = "kills_catalog", "kills_sites"


class Server:
    """Databases for a catalog and for tenants; roles and schemas of tenants are all that is on it.

    :param url: Of its superuser.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._kept: dict[str, dict[str, Any]] = {}
        self._catalogs: dict[str, Copy] = {}
        self._execute("postgres", f"CREATE DATABASE {CATALOG}")
        self._execute("postgres", f"CREATE DATABASE {SITES} OWNER tenantry")

    @property
    def variables(self) -> dict[str, str]:
        """The settings that lead there."""
        placement = {"url": self._address(SITES, user="tenantry"), "connections": 4}
        return {
            "TENANTRY_CATALOG_URL": self._address(CATALOG),
            "TENANTRY_DATABASES": json.dumps({"local": placement}),
        }

    def close(self) -> None:
        """Leave the server as it was found."""
        SERVERS.clear()
        self.drop(*_tenants(self.names()))
        for name in (SITES, CATALOG):
            self._execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")

    def names(self) -> list[str]:
        """Return the names of all schemas and roles that could be tenants'."""
        with self._connect(SITES) as connection:
            found = connection.execute(
                "SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname LIKE 't\\_%' "
                "UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname LIKE 't\\_%'"
            ).fetchall()
        return sorted(name for (name,) in found)

    def read(self, schema: str) -> dict[str, Any] | None:
        """Return the rows of a tenant, if it has a schema."""
        with self._connect(SITES) as connection:
            found = connection.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", [schema]
            ).fetchall()
            tables = {name for (name,) in found}
            if not tables and f"schema {schema}" not in self.names():
                return None
            rows = {}
            for table in tables.intersection(TABLES):
                query = f"SELECT * FROM {schema}.{table} ORDER BY 1"  # noqa: S608 - our own names
                rows[table] = connection.execute(query.encode()).fetchall()
            return rows

    def keep(self, name: str, tenants: Iterable[str]) -> None:
        """Keep the catalog as it is, and the rows of these tenants."""
        self._kept[name] = {key: self.read(f"t_{key}") for key in tenants}
        with self._connect(CATALOG) as connection:
            self._catalogs[name] = take(connection)

    def bring_back(
        self, name: str, settings: Settings, begin_catalog: Callable[[str], None]
    ) -> None:
        """Make all as it was when it was kept; what is so already is left alone.

        :param begin_catalog: Makes an empty catalog of a revision.
        """
        copy = self._catalogs[name]
        with self._connect(CATALOG) as connection:
            if not copy.revision:
                self.empty_catalog()
            elif find_revision(connection) != copy.revision:
                begin_catalog(copy.revision)
            put_back(connection, copy)
        kept = self._kept[name]
        known = {
            f"{kind} t_{key}" for key, rows in kept.items() if rows for kind in ("schema", "role")
        }
        self.drop(*_tenants(entry for entry in self.names() if entry not in known))
        changed = [key for key, rows in kept.items() if rows and self.read(f"t_{key}") != rows]
        if not changed:
            return
        self.drop(*(f"t_{key}" for key in changed))
        catalog = open_catalog(settings)
        with closing(catalog):
            for key in changed:
                books.provision(catalog.tenants.get_by_id(key))
                self.write(f"t_{key}", kept[key])
        SERVERS.clear()

    def empty_catalog(self) -> None:
        """Take everything out of the catalog's database."""
        self._execute(CATALOG, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    def write(self, schema: str, rows: Mapping[str, Iterable[tuple[Any, ...]]]) -> None:
        """Add rows to tables of a tenant."""
        with self._connect(SITES) as connection:
            for table in ("people", "notes"):
                for row in rows.get(table, ()):
                    marks = ", ".join(["%s"] * len(row))
                    insert = f"INSERT INTO {schema}.{table} VALUES ({marks})"  # noqa: S608 - our own
                    connection.execute(insert.encode(), row)

    def drop(self, *names: str) -> None:
        """Destroy these tenants' schemas and roles."""
        with self._connect(SITES) as connection:
            for name in names:
                connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE".encode())
                connection.execute(f"DROP ROLE IF EXISTS {name}".encode())

    def _execute(self, database: str, statement: str) -> None:
        with self._connect(database) as connection:
            connection.execute(statement.encode())

    def _connect(self, database: str) -> psycopg.Connection[Any]:
        url = self._url.set(drivername="postgresql", database=database)
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)

    def _address(self, database: str, *, user: str | None = None) -> str:
        url = self._url.set(database=database)
        return (url if user is None else url.set(username=user)).render_as_string(
            hide_password=False
        )


def _tenants(entries: Iterable[str]) -> list[str]:
    return sorted({entry.partition(" ")[2] for entry in entries})
