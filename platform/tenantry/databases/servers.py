"""PostgreSQL servers: one engine and one small pool per server and process."""

from __future__ import annotations

import os
import select
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import psycopg
from psycopg.pq import ExecStatus
from sqlalchemy import create_engine, event
from sqlalchemy.engine.base import OptionEngine
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tenantry.databases.binding import OPTION, Binding, bind, send
from tenantry.databases.logins import POOL_SECONDS, Logins
from tenantry.databases.platform_classes import create_platform_engine
from tenantry.databases.refusal import first_line, tell_moves
from tenantry.databases.safety import verify
from tenantry.databases.server_connection import TimedServerConnection, address_of
from tenantry.errors import DatabaseUnavailableError
from tenantry.security.keys import keys_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL, Engine
    from sqlalchemy.pool import QueuePool

    from tenantry.databases.safety import Setup
    from tenantry.settings import Settings
    from tenantry.values.placement import Placement

_CONTENT = (
    "SELECT pg_catalog.concat_ws(' ', pg_catalog.pg_current_snapshot(), "
    "system_identifier, timeline_id, checkpoint_lsn) "
    "FROM pg_catalog.pg_control_system(), pg_catalog.pg_control_checkpoint()"
)

STATEMENTS = 2000
"""Compiled statements kept for all tenants together."""
CONNECT_SECONDS = 3
PAUSE_SECONDS = 1.0
"""After a failure nobody tries to connect for so long: a server that is down takes no threads."""
SPARE = 2
"""Connections beyond a worker's threads."""
CONNECT: dict[str, Any] = {
    # Transactions are begun by the binding. What runs outside one is the login role's, which finds no
    # schema and may read none but its own.
    "autocommit": True,
    # A plan that one tenant's tables have shaped fails on its neighbour's.
    "prepare_threshold": None,
    "connect_timeout": CONNECT_SECONDS,
    "fallback_application_name": "tenantry",
    "keepalives_idle": 30,
    "tcp_user_timeout": 10_000,
}
"""How the platform connects, and how tenants do."""


class TenantEngine(OptionEngine):
    """One tenant's view of a server's engine: its transactions are bound, the pool is everybody's."""

    def dispose(self, close: bool = True) -> None:  # noqa: FBT001, FBT002 - SQLAlchemy's signature
        """Do nothing: the connections are the neighbours' as well."""


TenantEngine._option_cls = TenantEngine  # noqa: SLF001 - views of a view are views


class Server:
    """A PostgreSQL server as this process uses it.

    :param connections: How many there may be.
    :param password_of: Returns the password of a tenant's role, where tenants sign in by themselves.
    """

    def __init__(
        self,
        placement: Placement,
        *,
        connections: int,
        password_of: Callable[[str], str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.placement = placement
        self.limit = connections
        self._clock = clock
        self.setup: Setup | None = None
        """What the server was found to be; ``None`` before anybody has looked, and after an outage."""
        # Owns what is below. Nobody connects under it.
        self._lock = threading.Lock()
        self._failure: Exception | None = None
        self._retry_at = 0.0
        # With logins of their own, tenants' listeners have nothing to do here.
        create = create_engine if password_of is None else create_platform_engine
        self._engine = self._make(create)
        self.logins = self._make_logins(password_of) if password_of is not None else None
        """The tenants' own connections; ``None`` where they share the platform's."""

    def __repr__(self) -> str:
        return f"<Server {self.placement.shown}: {self.connections} of {self.limit} connections>"

    @property
    def connections(self) -> int:
        """How many connections are open, idle or in use."""
        pool: QueuePool = self._engine.pool  # type: ignore[assignment]
        own = self.logins.connections if self.logins is not None else 0
        return pool.checkedin() + pool.checkedout() + own

    @property
    def url(self) -> URL:
        """How the platform connects."""
        return self._engine.url

    def view(self, binding: Binding) -> Engine:
        """Return the platform's engine as *binding* sees it."""
        return TenantEngine(self._engine, {OPTION: binding})

    def open_engine(self, binding: Binding) -> Engine:
        """Return the engine for what a tenant itself does: the platform's, or that of its own role."""
        if self.logins is None:
            return self.view(binding)
        return TenantEngine(self.logins.get(binding.name), {OPTION: binding})

    def content_number(self) -> str | None:
        """Return what every commit on this server changes; ``None`` if it cannot be told.

        It is the set of the transactions that a reader sees now. The last checkpoint comes with it,
        because after a crash or a restore a server uses its transactions' numbers again.
        """
        try:
            with closing(self.view(Binding()).raw_connection()) as connection:
                # Outside a transaction: it would take two more round trips. All names are complete, as
                # a tenant's search_path may still hold here.
                result = send(cast("Any", connection.driver_connection), _CONTENT)
                told = result.get_value(0, 0) if result.status == ExecStatus.TUPLES_OK else None
        except (DBAPIError, PoolTimeoutError, psycopg.Error):
            return None
        return None if told is None else told.decode()

    def close_tenant(self, name: str) -> None:
        """Close what is kept open for one tenant alone."""
        if self.logins is not None:
            self.logins.close(name)

    def close(self) -> None:
        """Close the idle connections."""
        self._engine.dispose()
        if self.logins is not None:
            self.logins.clear()

    def forget(self) -> None:
        """Leave the connections to the process that this one was forked from."""
        self._engine.dispose(close=False)
        self.logins = None  # the driver ends a connection only in the process that has opened it

    def _make_logins(self, password_of: Callable[[str], str]) -> Logins:
        return Logins(
            self.view(Binding()),
            password_of,
            options=CONNECT,
            connections=self.limit,
            check=_check_alive,
            is_well=lambda: self.setup is not None,
        )

    def _make(self, create: Callable[..., Engine]) -> Engine:
        engine = create(
            self.placement.url,
            pool_size=self.limit,
            max_overflow=0,
            pool_timeout=POOL_SECONDS,
            pool_use_lifo=True,  # so that idle ones stay idle
            query_cache_size=STATEMENTS,
            use_native_hstore=False,  # it would ask each server for a type
            hide_parameters=True,  # people's data is none of the log's
            connect_args=CONNECT,
        )
        bind(engine)
        tell_moves(engine)
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "checkout", _check_alive)
        return engine

    def _connect(self, _dialect: Any, _record: Any, arguments: Any, options: dict[str, Any]) -> Any:
        self._pause()
        try:
            connection = TimedServerConnection.connect(*arguments, **options)
            try:
                setup = self.setup or verify(connection, self.placement)
            except BaseException:
                connection.close()
                raise
        except psycopg.Error as error:
            self.note_failure(error)
            raise
        self.setup = setup
        self._failure = None
        connection.watch(address_of(*arguments, **options), self._lose)
        return connection

    def _lose(self) -> None:
        """Note that the server was there and does not answer any more."""
        self.note_failure(psycopg.OperationalError("it has stopped answering"))

    def note_failure(self, error: Exception) -> None:
        """Let only one request at a time try to connect, and that not yet."""
        with self._lock:
            self._failure, self._retry_at = error, self._clock() + PAUSE_SECONDS
        self.setup = None  # what comes back may be another one

    def _pause(self) -> None:
        """Fail at once if connecting has just failed, or another thread is trying again."""
        with self._lock:
            if self._failure is None:
                return
            if self._clock() < self._retry_at:
                raise psycopg.OperationalError(f"{self._failure} (not tried again yet)")
            self._retry_at = self._clock() + CONNECT_SECONDS + PAUSE_SECONDS


def _check_alive(driver: Any, _record: Any, _proxy: Any) -> None:
    # An idle server says nothing. If it has, it has closed the connection: asking the system costs
    # microseconds, asking the server a round trip.
    poll = select.poll()
    try:
        poll.register(driver.pgconn.socket, select.POLLIN)
    except psycopg.OperationalError as error:  # closed on this side
        raise DisconnectionError(str(error)) from error
    if poll.poll(0):
        raise DisconnectionError("the server has closed the connection")


def probe(placement: Placement) -> Setup:
    """Connect once, and check that the server isolates tenants; return its setup.

    :raises UnsafePlacementError: It does not.
    :raises DatabaseUnavailableError: It does not answer.
    """
    server = Server(placement, connections=1)
    try:
        with server.view(Binding()).connect():
            assert server.setup is not None  # nobody connects without having looked
            return server.setup
    except DBAPIError as error:
        raise DatabaseUnavailableError(placement.name, first_line(error)) from error
    finally:
        server.close()


class Servers:
    """The servers of a process, by URL and by who signs in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[tuple[str, str], Server] = {}
        os.register_at_fork(after_in_child=self._forget)

    def get(self, placement: Placement, settings: Settings) -> Server:
        """Return the placement's server; it connects at first use."""
        key = (placement.url, placement.login)
        server = self._servers.get(key)
        if server is not None:
            return server

        def password_of(role: str) -> str:
            return keys_of(settings.secret_keys).derive(role, "database")[0].hex()

        made = Server(
            placement,
            connections=placement.connections or settings.threads + SPARE,
            password_of=password_of if placement.login == "own" else None,
        )
        with self._lock:
            return self._servers.setdefault(key, made)

    def renew_login(self, role: str, *, database: str) -> bool:
        """Set the password of a tenant's role anew, once in the life of a process.

        :param database: Where its schema is.
        :return: Whether that was done now.
        """
        return any(
            server.logins is not None and server.logins.renew(role)
            for server in tuple(self._servers.values())
            if server.url.database == database
        )

    @property
    def connections(self) -> int:
        """How many connections to all servers are open."""
        return sum(server.connections for server in tuple(self._servers.values()))

    def clear(self) -> None:
        """Close the idle connections, and forget the servers."""
        with self._lock:
            servers = list(self._servers.values())
            self._servers.clear()
        for server in servers:
            server.close()

    def _forget(self) -> None:
        # Two processes must never share a socket; nor a lock that another thread held at the fork.
        self._lock = threading.Lock()
        servers, self._servers = list(self._servers.values()), {}
        for server in servers:
            server.forget()


SERVERS = Servers()
"""The process's servers, whichever app they serve."""
