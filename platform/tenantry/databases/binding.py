"""Binds each PostgreSQL transaction to its tenant: role, search path and timeouts.

All of it goes to the server in one message together with ``BEGIN``, so that it costs no round trip of
its own and is right behind a pooler in transaction mode too: whatever a session was left with, by
this process or by another one, ends where a transaction begins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from time import perf_counter
from typing import TYPE_CHECKING, Any

from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from sqlalchemy import event

from tenantry.errors import ConfinementError, LostPlaceError
from tenantry.resources.usage import SPENT

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult
    from sqlalchemy import Connection, Engine

OPTION = "tenantry_binding"
MODES = "tenantry_modes"
"""Execution options: whose transaction it is, and what else ``BEGIN`` says."""

NAME = re.compile(r"t_[0-9a-f]{32}\Z")

# Each may stand in a transaction, which DISCARD ALL may not. What one tenant has left in a session
# (settings, cursors, prepared statements, listening, locks, temporary tables) is gone for the next. The
# role first: RESET ALL leaves it, and a tenant's may do less than what follows needs.
CLEAN = (
    "SET LOCAL ROLE NONE;RESET ALL;CLOSE ALL;DEALLOCATE ALL;UNLISTEN *;DISCARD TEMP;DISCARD SEQUENCES;"
    "SELECT pg_catalog.pg_advisory_unlock_all();"
)
LEVELS = frozenset({"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"})
_USUAL = ("READ COMMITTED", False, False)
_NOT_IN_RECOVERY = b"0A000"
"""PostgreSQL's error for a write transaction on a standby."""
# Begun for writing whatever the session was left with; but where server, database or role say that
# nothing is written now, as hosters do when a disk fills up, that holds.
_AS_THE_SERVER_SAYS = (
    "SELECT pg_catalog.set_config('transaction_read_only', 'on', true) "
    "WHERE pg_catalog.current_setting('default_transaction_read_only') = 'on';"
)


@dataclass(frozen=True, slots=True)
class Binding:
    """Whose transaction it is."""

    name: str = ""
    """Of role and schema; empty for the platform's own, which are in no schema."""

    statement_seconds: float = 0.0
    lock_seconds: float = 0.0
    """Timeouts; 0 sets none."""

    def opening(self, modes: tuple[str, bool, bool] = _USUAL) -> str:
        """Return what the server is told, in one message.

        :param modes: Isolation level, read only, deferrable.
        """
        level, read_only, deferrable = modes
        return (
            f"BEGIN ISOLATION LEVEL {level} READ {'ONLY' if read_only else 'WRITE'}"
            f"{' DEFERRABLE' if deferrable else ''};{CLEAN}"
            f"{'' if read_only else _AS_THE_SERVER_SAYS}"
            f"SET LOCAL ROLE {self.name or 'NONE'};"
            f"SET LOCAL search_path = {self.name or repr('')};"
            f"SET LOCAL statement_timeout = {ceil(self.statement_seconds * 1000)};"
            f"SET LOCAL lock_timeout = {ceil(self.lock_seconds * 1000)};"
            "SELECT pg_catalog.concat(current_user, ' ', pg_catalog.current_schema())"
        )

    def is_proof(self, answer: bytes | None) -> bool:
        """Say whether the server's answer to :meth:`opening` shows this tenant's place."""
        return not self.name or answer == f"{self.name} {self.name}".encode()


def bind(engine: Engine) -> None:
    """Begin every transaction of *engine*, and of the views of it, as their binding says."""
    event.listen(engine, "begin", _begin)
    event.listen(engine, "begin_twophase", _refuse_two_phases)
    event.listen(engine, "set_connection_execution_options", _take_modes)
    event.listen(engine, "set_engine_execution_options", _take_modes)


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    binding: Binding | None = options.get(OPTION)
    if binding is None:
        raise ConfinementError("a transaction without a tenant")
    modes = options.get(MODES, _USUAL)
    opening = binding.opening(modes)
    driver: Any = connection.connection.driver_connection
    if driver.pgconn.transaction_status == TransactionStatus.IDLE:
        result = send(driver, opening)
        if result.error_field(DiagnosticField.SQLSTATE) == _NOT_IN_RECOVERY:
            # A standby, which lets nobody write: what only reads goes on.
            level, _, deferrable = modes
            opening = binding.opening((level, True, deferrable))
            send(driver, "ROLLBACK")
            result = send(driver, opening)
        if result.status == ExecStatus.TUPLES_OK and binding.is_proof(result.get_value(0, 0)):
            return
    _explain(connection, binding, opening)


def send(driver: Any, statements: str) -> PGresult:
    """Send *statements* to the server in one message; the driver's cursors would cost more time."""
    started = perf_counter()
    driver.begin_waiting()
    try:
        result: PGresult = driver.pgconn.exec_(statements.encode())
    finally:
        driver.end_waiting()
        SPENT.database += perf_counter() - started
    return result


def _explain(connection: Connection, binding: Binding, opening: str) -> None:
    """Raise what went wrong: the server's own error if it has one."""
    driver: Any = connection.connection.driver_connection
    if not driver.closed:
        driver.rollback()
    connection.exec_driver_sql(opening)  # again, in the way that makes SQLAlchemy's errors
    connection.invalidate()
    raise LostPlaceError(
        f"the server did not lead to {binding.name or 'the platform'}'s own schema"
    )


def _refuse_two_phases(_connection: Connection, _xid: Any) -> None:
    raise ConfinementError("two-phase transactions, which outlive their binding to the tenant")


def _take_modes(_target: Any, options: dict[str, Any]) -> None:
    """Keep for ``BEGIN`` what SQLAlchemy would tell the driver, which begins no transaction here."""
    chosen = {
        name: options.pop(name)
        for name in ("isolation_level", "postgresql_readonly", "postgresql_deferrable")
        if name in options
    }
    if not chosen:
        return
    level = str(chosen.get("isolation_level") or _USUAL[0]).upper().replace("_", " ")
    if level not in LEVELS:
        raise ConfinementError(
            f"isolation level {level}; a statement outside a transaction has no tenant"
        )
    read_only = bool(chosen.get("postgresql_readonly"))
    options[MODES] = (level, read_only, bool(chosen.get("postgresql_deferrable")))
