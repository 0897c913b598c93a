"""What a transaction on a PostgreSQL server begins with: clean, in one tenant's role, in its schema.

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

from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy import event

from tenantry.errors import ConfinementError
from tenantry.usage import SPENT

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

OPTION = "tenantry_binding"
MODES = "tenantry_modes"
"""Execution options: whose transaction it is, and what else ``BEGIN`` says."""

NAME = re.compile(r"t_[0-9a-f]{32}\Z")

# Each may stand in a transaction, which DISCARD ALL may not. What one tenant has left in a session
# (settings, cursors, prepared statements, listening, locks, temporary tables) is gone for the next.
CLEAN = (
    "RESET ALL;CLOSE ALL;DEALLOCATE ALL;UNLISTEN *;DISCARD TEMP;DISCARD SEQUENCES;"
    "SELECT pg_catalog.pg_advisory_unlock_all();"
)
LEVELS = frozenset({"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"})
_USUAL = ("READ COMMITTED", False, False)


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
        raise ConfinementError("a transaction that belongs to no tenant")
    opening = binding.opening(options.get(MODES, _USUAL))
    driver: Any = connection.connection.driver_connection
    if driver.pgconn.transaction_status == TransactionStatus.IDLE:
        # The driver's cursors cost more than the server takes for all this.
        started = perf_counter()
        result = driver.pgconn.exec_(opening.encode())
        SPENT.database += perf_counter() - started
        if result.status == ExecStatus.TUPLES_OK and binding.is_proof(result.get_value(0, 0)):
            return
    _explain(connection, binding, opening)


def _explain(connection: Connection, binding: Binding, opening: str) -> None:
    """Raise what went wrong: the server's own error if it has one."""
    driver: Any = connection.connection.driver_connection
    if not driver.closed:
        driver.rollback()
    connection.exec_driver_sql(opening)  # again, in the way that makes SQLAlchemy's errors
    connection.invalidate()
    problem = f"the server did not lead to {binding.name or 'the platform'}'s own schema"
    raise ConfinementError(f"{problem}; see `tenantry doctor`")


def _refuse_two_phases(_connection: Connection, _xid: Any) -> None:
    raise ConfinementError("two-phase transactions, which outlive their tenant's binding")


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
            f"isolation level {level}; a statement outside a transaction would be nobody's"
        )
    read_only = bool(chosen.get("postgresql_readonly"))
    options[MODES] = (level, read_only, bool(chosen.get("postgresql_deferrable")))
