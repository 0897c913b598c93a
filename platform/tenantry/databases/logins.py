"""Engines for tenants that sign in to PostgreSQL with their own role and password.

On a connection that all share, injected SQL can take a neighbour's role. The role of a tenant is a
member of no other one, so that the server refuses to give a session of its own any other.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import event, text
from sqlalchemy.engine import Engine

from tenantry.databases.binding import bind
from tenantry.databases.engine_cache import (
    IDLE_CONNECTIONS,
    MAX_OVERFLOW,
    ClosingPool,
    Counted,
    EngineCache,
)
from tenantry.databases.server_connection import TimedServerConnection, address_of
from tenantry.resources.budget import Budget

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

POOL_SECONDS = 2.0
"""How long a request waits for a connection before it fails."""

_ROLE = text("SELECT pg_catalog.to_regrole(:name)")


class Logins(EngineCache[str]):
    """The engines of tenants that sign in as their own role, by its name.

    A role that has no password yet, or that of an older secret key, gets today's when it is first
    needed: nothing has to be done when a placement takes to this, or when the keys change.

    :param platform: The server's engine as the platform itself has it.
    :param password_of: Returns the password of a role.
    :param options: How to connect.
    :param connections: Kept open at most, for all tenants together.
    :param check: Called when a connection is taken from its pool.
    :param is_well: Says whether the server was looked at, and has answered since.
    """

    def __init__(
        self,
        platform: Engine,
        password_of: Callable[[str], str],
        *,
        options: dict[str, Any],
        connections: int,
        check: Callable[..., None],
        is_well: Callable[[], bool],
    ) -> None:
        super().__init__(Budget(connections=connections))
        self._platform = platform
        self.password_of = password_of
        self._options = options
        self._check = check
        self._is_well = is_well
        self._renewed: set[str] = set()
        self._renewing = threading.Lock()

    def grant(self, connection: Connection, name: str) -> None:
        """Let the role sign in with its password, which the server is told only as a verifier."""
        password = self.password_of(name).encode()
        driver: Any = connection.connection.driver_connection
        verifier = driver.pgconn.encrypt_password(password, name.encode(), b"scram-sha-256")
        connection.exec_driver_sql(f"ALTER ROLE {name} LOGIN PASSWORD '{verifier.decode()}'")

    def _make(self, name: str) -> Engine:
        url = self._platform.url.set(username=name)
        dialect = self._platform.dialect
        arguments, found = dialect.create_connect_args(url)
        options = {**found, **self._options}
        address = address_of(*arguments, **options)

        def connect() -> Any:
            self.trim(room=1)
            connection = self._sign_in(name, *arguments, **options)
            self._count(connection)
            connection.watch(address)
            if (on_connect := dialect.on_connect()) is not None:
                on_connect(connection)
            return connection

        pool = ClosingPool(
            connect,
            pool_size=IDLE_CONNECTIONS,
            max_overflow=MAX_OVERFLOW,
            timeout=POOL_SECONDS,
            dialect=dialect,
        )
        event.listen(pool, "checkout", self._check)
        compiled: Any = self._platform._compiled_cache  # noqa: SLF001 - one for all, as of one engine
        engine = Engine(
            pool,
            dialect,
            url,
            query_cache_size=0,
            execution_options={"compiled_cache": compiled},
            hide_parameters=True,
        )
        bind(engine)
        return engine

    def _sign_in(self, name: str, *arguments: Any, **options: Any) -> _Connection:
        options["password"] = self.password_of(name)
        if not self._is_well() or self._platform.dialect.server_version_info is None:
            self._ask_server()  # from which the dialect learns what the server can do, too
        try:
            return _Connection.connect(*arguments, **options)
        except psycopg.OperationalError:
            # Whether it was the password, the client library does not tell. If the platform cannot
            # sign in either, that is the error to hear of.
            if not self.renew(name):
                self._ask_server()
                raise
        return _Connection.connect(*arguments, **options)

    def _ask_server(self) -> None:
        """Let the platform find out whether the server answers, as one request at a time may."""
        with self._platform.begin():
            pass

    def renew(self, name: str) -> bool:
        """Set the role's password, once in the life of a process; say whether that was done now."""
        with self._renewing:
            if name in self._renewed:
                return False
            with self._platform.begin() as connection:
                if connection.scalar(_ROLE, {"name": name}) is None:
                    return False
                self.grant(connection, name)
            self._renewed.add(name)
        return True


class _Connection(Counted, TimedServerConnection):
    """A connection that is counted."""
