"""One tenant's schema and role on a PostgreSQL server, both named by its id."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tenantry.databases.app_logins import app_url
from tenantry.databases.binding import NAME, Binding
from tenantry.databases.refusal import first_line
from tenantry.databases.revisions import find_revision
from tenantry.errors import DatabaseUnavailableError, PlacementError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Engine

    from tenantry.databases.servers import Server
    from tenantry.databases.template import Template

TABLES_AT_ONCE = 50
OBJECTS_AT_ONCE = 1000
"""Dropped in one transaction: each takes locks, and the server's table of those is not endless."""

_MADE_MEANWHILE = frozenset({"23505", "42710", "42P06"})
"""What the server says of a role or a schema that another transaction has just made."""

_STATE = text(
    "SELECT pg_catalog.to_regrole(:name) IS NOT NULL, pg_catalog.to_regnamespace(:name) IS NOT NULL"
)
_SIZE = text(
    "SELECT coalesce(sum(pg_catalog.pg_total_relation_size(oid)), 0) FROM pg_catalog.pg_class "
    "WHERE relnamespace = pg_catalog.to_regnamespace(:name) AND relkind IN ('r', 'm')"
)
_TABLES = text(
    "SELECT oid::pg_catalog.regclass::text FROM pg_catalog.pg_class "
    "WHERE relnamespace = pg_catalog.to_regnamespace(:name) AND relkind IN ('r', 'f') LIMIT :most"
)
_LARGE_OBJECTS = text(
    "SELECT pg_catalog.count(pg_catalog.lo_unlink(oid)) FROM (SELECT oid FROM "
    "pg_catalog.pg_largeobject_metadata WHERE lomowner = pg_catalog.to_regrole(:name) LIMIT :most) a"
)
_GUESTS = text(
    "SELECT DISTINCT coalesce(r.rolname, 'PUBLIC') FROM pg_catalog.pg_namespace n, "
    "pg_catalog.aclexplode(n.nspacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee "
    "WHERE n.nspname = :name AND a.grantee <> n.nspowner"
)
_ELSEWHERE = text(
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_shdepend d WHERE d.refclassid = "
    "'pg_catalog.pg_authid'::pg_catalog.regclass AND d.refobjid = pg_catalog.to_regrole(:name) "
    "AND d.dbid NOT IN (0, (SELECT oid FROM pg_catalog.pg_database "
    "WHERE datname = pg_catalog.current_database())))"
)
_LOGIN = text("SELECT pg_catalog.quote_ident(current_user)")
_MEMBER = text("SELECT pg_catalog.pg_has_role(current_user, :name, 'MEMBER')")
_OWNER = text(
    "SELECT r.rolname FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r "
    "ON r.oid = n.nspowner WHERE n.nspname = :name"
)


@dataclass(frozen=True, slots=True)
class SchemaDatabase:
    """One tenant's schema, and the role that may use it.

    :param binding: What its transactions begin with.
    """

    server: Server
    binding: Binding

    def __post_init__(self) -> None:
        if not NAME.match(self.name):
            problem = f"{self.name[:80]!r} cannot name a schema"
            raise PlacementError(self.server.placement.name, problem)

    @property
    def kind(self) -> Literal["postgresql"]:
        """The kind of server."""
        return "postgresql"

    @property
    def file(self) -> None:
        """Nothing: the server keeps it among others."""
        return

    @property
    def app_url(self) -> str:
        """What an app that makes its own engine connects with; it leads nowhere without a login."""
        return app_url(self.server, self.name)

    @property
    def name(self) -> str:
        """Of the schema and of the role."""
        return self.binding.name

    @property
    def shown(self) -> str:
        """Where it is, for people; never with a password."""
        return f"schema {self.name} of {self.server.placement.shown}"

    def exists(self) -> bool:
        """Say whether it can be reached: the schema is there, and the role that may enter."""
        return len(self.remains()) == 2  # noqa: PLR2004 - both

    def remains(self) -> tuple[str, ...]:
        """Return the names of what is there of it, be it the role or the schema alone."""
        with self._as_platform() as connection:
            has_role, has_schema = self._ask_state(connection)
        found = {f"role {self.name}": has_role, f"schema {self.name}": has_schema}
        return tuple(what for what, is_there in found.items() if is_there)

    def create(self) -> None:
        """Make role and schema, if they are not there, in one transaction."""
        self.create_with()

    def create_with(self, statements: Sequence[str] = ()) -> bool:
        """Like :meth:`create`; a new schema gets all this in the same transaction.

        :param statements: What is run in it, as its role.
        :return: Whether the schema is new.
        """
        try:
            return self._create_with(statements)
        except PlacementError as error:
            if (
                getattr(getattr(error.__cause__, "orig", None), "sqlstate", "")
                not in _MADE_MEANWHILE
            ):
                raise
        return self._create_with(statements)  # that of another process is there now

    def _create_with(self, statements: Sequence[str]) -> bool:
        # No advisory lock: those are everybody's, also a neighbour's, who could keep us waiting. The
        # server itself lets only one make a role or a schema by one name.
        with self._as_platform() as connection:
            has_role, has_schema = self._ask_state(connection)
            if not has_role:
                connection.exec_driver_sql(f"CREATE ROLE {self.name} NOLOGIN ROLE CURRENT_USER")
                if self.server.logins is not None:
                    self.server.logins.grant(connection, self.name)
            if not has_schema:
                making = (
                    f"CREATE SCHEMA {self.name} AUTHORIZATION {self.name}",
                    f"SET LOCAL ROLE {self.name}",
                    f"SET LOCAL search_path = {self.name}",
                )
                run_all(connection, [*making, *statements])
        return not has_schema

    def create_from(self, template: Template) -> bool:
        """Make role and schema with the template's statements, in one transaction; once."""
        statements = template.statements(self.server)
        return self.create_with(statements or ()) and statements is not None

    def revision(self) -> str:
        """Return the schema revision that the schema says it has; empty if it says none."""
        with self.open_engine().connect() as connection:
            return find_revision(connection)

    @contextmanager
    def migrating(self, connection: Connection, lock_timeout: float) -> Iterator[None]:
        """Begin, and let nobody else migrate the schema meanwhile."""
        with connection.begin():
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(lock_timeout * 1000)}")
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            # By a lock that only its own role can take. Before the first revision there is nothing to
            # lock: of two that make the table one is refused.
            if find_revision(connection):
                connection.exec_driver_sql("LOCK TABLE alembic_version IN SHARE ROW EXCLUSIVE MODE")
            yield

    def login_to_admit(self) -> str | None:
        """Return the placement's login if the role is there and does not let it in; it is quoted."""
        with self._as_platform() as connection:
            has_role, _ = self._ask_state(connection)
            if not has_role or connection.scalar(_MEMBER, {"name": self.name}):
                return None
            return str(connection.scalar(_LOGIN))

    def admit(self, login: str) -> None:
        """Let another placement's login on this server have the role."""
        with self._as_platform() as connection:
            connection.exec_driver_sql(f"GRANT {self.name} TO {login} WITH ADMIN OPTION")

    def drop(self) -> None:
        """Destroy schema and role, a few tables in each transaction; what is not there is no error."""
        with self._as_platform() as connection:
            has_role, has_schema = self._ask_state(connection)
        if has_role and has_schema:
            while self._drop_some_tables():
                pass
            while self._drop_some_objects():
                pass
        with self._as_platform() as connection:
            has_role, has_schema = self._ask_state(connection)
            if has_role:
                connection.exec_driver_sql(f"SET LOCAL ROLE {self.name}")
                connection.exec_driver_sql(f"DROP OWNED BY {self.name} CASCADE")
                connection.exec_driver_sql("SET LOCAL ROLE NONE")
                # Roles are the server's: another database of it may have the tenant's other copy.
                has_role = not connection.scalar(_ELSEWHERE, {"name": self.name})
            if (
                has_schema
            ):  # owned by another role, or it would be gone: PostgreSQL then reports that
                connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {self.name} CASCADE")
            if has_role:
                connection.exec_driver_sql(f"DROP ROLE {self.name}")
        # Sessions that the role has open are nobody's now, also if one is made again by this name.
        self.server.close_tenant(self.name)

    def open_engine(self) -> Engine:
        """Return an engine confined to the schema; its connections may be its neighbours' as well."""
        return self.server.open_engine(self.binding)

    def serving_engine(self) -> Engine:
        """Return the same: a server's connections are shared in any case."""
        return self.open_engine()

    def content_number(self) -> str | None:
        """Return what every commit on the server changes, a neighbour's too; ``None`` if it is down."""
        return self.server.content_number()

    def close(self) -> None:
        """Close the sessions that this process has open as the tenant's role."""
        self.server.close_tenant(self.name)

    def is_empty(self) -> bool:
        """Say no: a schema that is there was made by a transaction that made all of it."""
        return False

    def size(self) -> int:
        """Return the bytes of all tables, with what they keep beside themselves."""
        with self._as_platform() as connection:
            return int(connection.scalar(_SIZE, {"name": self.name}) or 0)

    def used(self) -> int:
        """Return the same: what was deleted leaves room in its table, which only VACUUM FULL tells."""
        return self.size()

    def check(self) -> str | None:
        """Check that role and schema exist and no other role may enter; return the problem."""
        try:
            with self._as_platform() as connection:
                return self._find_problem(connection)
        except PlacementError as error:
            return str(error)

    def _find_problem(self, connection: Connection) -> str | None:
        has_role, has_schema = self._ask_state(connection)
        if not has_schema:
            return f"there is no schema {self.name}"
        if not has_role:
            return f"there is no role {self.name}"
        if (owner := connection.scalar(_OWNER, {"name": self.name})) != self.name:
            return f"schema {self.name} belongs to {owner}"
        if guests := connection.scalars(_GUESTS, {"name": self.name}).all():
            return f"schema {self.name} is open to {', '.join(sorted(guests))}"
        return None

    def _ask_state(self, connection: Connection) -> tuple[bool, bool]:
        has_role, has_schema = connection.execute(_STATE, {"name": self.name}).one()
        return has_role, has_schema

    def _drop_some_tables(self) -> bool:
        """Drop ordinary tables, among them parts of others; return whether there were any."""
        with self._as_owner() as connection:
            most = {"name": self.name, "most": TABLES_AT_ONCE}
            tables = connection.scalars(_TABLES, most).all()
            if tables:
                names = ", ".join(tables).replace("%", "%%")  # the driver's own mark
                connection.exec_driver_sql(f"DROP TABLE {names} CASCADE")
        return bool(tables)

    def _drop_some_objects(self) -> bool:
        """Drop large objects, which are in no schema; return whether there were any."""
        with self._as_owner() as connection:
            most = {"name": self.name, "most": OBJECTS_AT_ONCE}
            return bool(connection.scalar(_LARGE_OBJECTS, most))

    @contextmanager
    def _as_platform(self) -> Iterator[Connection]:
        binding = Binding(lock_seconds=self.binding.lock_seconds)
        with self._translated(), self.server.view(binding).begin() as connection:
            yield connection

    @contextmanager
    def _as_owner(self) -> Iterator[Connection]:
        """Act in the tenant's role, and never in its schema.

        An operator there that fits better than the server's own would be chosen, and would run in a
        session that can take any tenant's role.
        """
        with self._as_platform() as connection:
            connection.exec_driver_sql(f"SET LOCAL ROLE {self.name}")
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the server's failures into sentences."""
        placement = self.server.placement.name
        try:
            yield
        except (
            OperationalError,
            InterfaceError,
            PoolTimeoutError,
            psycopg.OperationalError,
        ) as error:
            raise DatabaseUnavailableError(placement, first_line(error)) from error
        except (DBAPIError, psycopg.Error) as error:
            raise PlacementError(placement, first_line(error)) from error


def find_schemas(server: Server, names: Sequence[str]) -> frozenset[str]:
    """Return those of the schemas that are there.

    :raises DatabaseUnavailableError: The server does not answer.
    """
    query = text("SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname = ANY(:names)")
    try:
        with server.view(Binding()).connect() as connection:
            return frozenset(connection.scalars(query, {"names": list(names)}))
    except (DBAPIError, PoolTimeoutError) as error:
        raise DatabaseUnavailableError(server.placement.name, first_line(error)) from error


def run_all(connection: Connection, statements: Sequence[str]) -> None:
    """Send all in one message, in the transaction that the connection is in."""
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute(";\n".join(statements).encode())
