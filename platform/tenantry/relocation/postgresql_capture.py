"""Change capture on a PostgreSQL schema.

Many write at once, and what was noted first may be committed last: a note carries its transaction, and
the server tells which of them a snapshot has seen.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import OperationalError

from tenantry.errors import SiteMovingError
from tenantry.relocation.capture import FENCE, upsert
from tenantry.rows.postgresql_dialect import PostgresqlDialect
from tenantry.rows.tables import BATCH, OURS, insert, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection, Engine

    from tenantry.rows.codec import Sort
    from tenantry.rows.tables import RowDialect, Table

LOCK_SECONDS = (*repeat(0.2, 15), *repeat(1.5, 8))
"""How long to wait for locks, try by try. Writers queue behind who waits, so first only a little. The
server ends a vacuum that is in the way only for a lock request that has waited for a second."""

_LATER = (
    "(c.x >= pg_catalog.pg_snapshot_xmin(%s::pg_catalog.pg_snapshot) "
    "AND NOT pg_catalog.pg_visible_in_snapshot(c.x, %s::pg_catalog.pg_snapshot))"
)
_TABLES = (
    "SELECT relname FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p') AND relnamespace = "
    "pg_catalog.to_regnamespace(pg_catalog.quote_ident(current_schema())) ORDER BY relname"
)
_FUNCTIONS = (
    "SELECT oid::pg_catalog.regprocedure::text FROM pg_catalog.pg_proc WHERE pronamespace = "  # noqa: S608
    "pg_catalog.to_regnamespace(pg_catalog.quote_ident(current_schema())) "
    f"AND pg_catalog.starts_with(proname, '{OURS}')"
)


class PostgresqlCapture:
    """A schema: triggers run in the role that writes, which owns all of it."""

    def __init__(self) -> None:
        self.side: RowDialect = PostgresqlDialect()
        # So that no move takes another one's notes for its own.
        self._name = f"{OURS}{secrets.token_hex(4)}"

    def _log(self, number: int) -> str:
        """Return the name of the table that notes the changes of the table with this number."""
        return f"{self._name}_{number}"

    @contextmanager
    def locking(self, engine: Engine, tables: Sequence[Table]) -> Iterator[Connection]:
        with engine.connect() as connection:
            self._lock(connection, [table.name for table in tables])
            yield connection
            connection.commit()

    def _lock(self, connection: Connection, tables: Sequence[str], mode: str = "EXCLUSIVE") -> None:
        """Begin a transaction that has the locks; readers do not notice an exclusive one."""
        names = ", ".join(quoted(connection, name) for name in tables)
        for seconds in chain(LOCK_SECONDS, (None,)):
            try:
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int((seconds or 3) * 1000)}")
                if names:
                    connection.exec_driver_sql(f"LOCK TABLE {names} IN {mode} MODE")
            except OperationalError as error:
                if seconds is None or getattr(error.orig, "sqlstate", "") != "55P03":
                    raise
                connection.rollback()
            else:
                return

    def watch(self, connection: Connection, tables: Sequence[Table]) -> None:
        schema = connection.exec_driver_sql("SELECT current_schema()").scalar_one()
        for number, table in enumerate(tables):
            log = f"{quoted(connection, schema)}.{self._log(number)}"
            name = quoted(connection, table.name)
            keys = [quoted(connection, column) for column in table.key]
            wanted = ", ".join(f"{key} AS k{place}" for place, key in enumerate(keys))
            connection.exec_driver_sql(
                f"CREATE TABLE {log} AS SELECT {wanted} FROM {name} WITH NO DATA"  # noqa: S608
            )
            connection.exec_driver_sql(
                f"ALTER TABLE {log} ADD x xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(), "
                "ADD whole boolean NOT NULL DEFAULT false"
            )
            connection.exec_driver_sql(f"CREATE INDEX ON {log} (x)")
            connection.exec_driver_sql(_function(log, keys))
            if keys:
                connection.exec_driver_sql(
                    f"CREATE TRIGGER {self._log(number)}_rows AFTER INSERT OR UPDATE OR DELETE "
                    f"ON {name} FOR EACH ROW EXECUTE FUNCTION {log}()"
                )
            others = "TRUNCATE" if keys else "INSERT OR UPDATE OR DELETE OR TRUNCATE"
            connection.exec_driver_sql(
                f"CREATE TRIGGER {self._log(number)}_all AFTER {others} "
                f"ON {name} FOR EACH STATEMENT EXECUTE FUNCTION {log}()"
            )

    def mark(self, connection: Connection, tables: Sequence[Table]) -> object:  # noqa: ARG002
        query = "SELECT pg_catalog.pg_current_snapshot()::text"
        return connection.exec_driver_sql(query).scalar_one()

    def count_changes(
        self,
        connection: Connection,
        number: int,
        table: Table,  # noqa: ARG002
        since: object,
    ) -> tuple[int, bool]:
        query = (
            "SELECT count(*), coalesce(bool_or(whole), false) "  # noqa: S608
            f"FROM {self._log(number)} c WHERE {_LATER}"
        )
        found, whole = connection.exec_driver_sql(query, (since, since)).one()
        return int(found), bool(whole)

    def gone(
        self, connection: Connection, number: int, table: Table, since: object
    ) -> Iterator[list[Any]]:
        sorts = [table.columns[name] for name in table.key]
        keys = ", ".join(_shown(f"c.k{place}", sort) for place, sort in enumerate(sorts))
        query = (
            f"SELECT DISTINCT {keys} FROM {self._log(number)} c WHERE {_LATER} AND NOT EXISTS "  # noqa: S608
            f"(SELECT 1 FROM {quoted(connection, table.name)} t WHERE {_same(connection, table)})"
        )
        for row in connection.exec_driver_sql(query, (since, since)).yield_per(BATCH):
            yield self.side.read_row(row, sorts)

    def changed(
        self, connection: Connection, number: int, table: Table, since: object
    ) -> Iterator[list[Any]]:
        keys = ", ".join(f"c.k{place}" for place in range(len(table.key)))
        sorts = list(table.columns.values())
        wanted = ", ".join(
            _shown(f"t.{quoted(connection, name)}", sort) for name, sort in table.columns.items()
        )
        query = (
            f"SELECT {wanted} FROM "  # noqa: S608
            f"(SELECT DISTINCT {keys} FROM {self._log(number)} c WHERE {_LATER}) c "
            f"JOIN {quoted(connection, table.name)} t ON {_same(connection, table)}"
        )
        for row in connection.exec_driver_sql(query, (since, since)).yield_per(BATCH):
            yield self.side.read_row(row, sorts)

    def refuse_writes(self, connection: Connection) -> None:
        schema = connection.exec_driver_sql("SELECT current_schema()").scalar_one()
        connection.exec_driver_sql(
            f"CREATE FUNCTION {FENCE}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION "
            f"USING ERRCODE = '{SiteMovingError.sqlstate}', "
            f"MESSAGE = '{SiteMovingError.message}'; END$$"
        )
        for name in connection.exec_driver_sql(_TABLES).scalars().all():
            if not name.startswith(OURS):
                connection.exec_driver_sql(
                    f"CREATE TRIGGER {FENCE} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE "
                    f"ON {quoted(connection, name)} FOR EACH STATEMENT "
                    f"EXECUTE FUNCTION {quoted(connection, schema)}.{FENCE}()"
                )

    def forget(self, engine: Engine) -> None:
        with engine.connect() as connection:
            functions = connection.exec_driver_sql(_FUNCTIONS).scalars().all()
            tables = connection.exec_driver_sql(_TABLES).scalars().all()
            connection.rollback()
            ours = [name for name in tables if name.startswith(OURS)]
            if not functions and not ours:
                return
            others = [name for name in tables if name not in ours]
            self._lock(connection, others, "ACCESS EXCLUSIVE")
            for function in functions:
                connection.exec_driver_sql(f"DROP FUNCTION {function} CASCADE")
            for name in ours:
                connection.exec_driver_sql(f"DROP TABLE {quoted(connection, name)}")
            connection.commit()

    def replaying(self, engine: Engine) -> AbstractContextManager[Connection]:
        return self.side.filling(engine)

    def delete(self, connection: Connection, table: Table, keys: Sequence[list[Any]]) -> None:
        sorts = [table.columns[name] for name in table.key]
        query = f"DELETE FROM {quoted(connection, table.name)} WHERE {_is(connection, table)}"  # noqa: S608
        connection.exec_driver_sql(query, [self.side.write_row(key, sorts) for key in keys])

    def find(self, connection: Connection, table: Table, keys: Sequence[Any]) -> list[Any] | None:
        names = ", ".join(
            _shown(quoted(connection, name), sort) for name, sort in table.columns.items()
        )
        query = (
            f"SELECT {names} FROM {quoted(connection, table.name)} WHERE {_is(connection, table)}"  # noqa: S608
        )
        given = self.side.write_row(keys, [table.columns[name] for name in table.key])
        row = connection.exec_driver_sql(query, given).first()
        return self.side.read_row(row, table.columns.values()) if row is not None else None

    def put(self, connection: Connection, table: Table, rows: Sequence[list[Any]]) -> None:
        sorts = list(table.columns.values())
        query = upsert(connection, table, insert(connection, table, "%s"))
        connection.exec_driver_sql(query, [self.side.write_row(row, sorts) for row in rows])


def _function(log: str, keys: Sequence[str]) -> str:
    """Return what notes a row's keys; without keys, or when all rows go at once, that it did."""
    whole = f"INSERT INTO {log} (whole) VALUES (true);"  # noqa: S608
    if not keys:
        body = whole
    else:
        columns = ", ".join(f"k{place}" for place in range(len(keys)))
        old, new = (", ".join(f"{row}.{key}" for key in keys) for row in ("OLD", "NEW"))
        body = (
            f"IF TG_OP = 'TRUNCATE' THEN {whole} RETURN NULL; END IF; "  # noqa: S608
            "IF TG_OP = 'UPDATE' THEN "
            f"IF ROW({old}) IS NOT DISTINCT FROM ROW({new}) THEN "
            f"INSERT INTO {log} ({columns}) VALUES ({new}); RETURN NULL; END IF; END IF; "
            f"IF TG_OP <> 'INSERT' THEN INSERT INTO {log} ({columns}) VALUES ({old}); END IF; "
            f"IF TG_OP <> 'DELETE' THEN INSERT INTO {log} ({columns}) VALUES ({new}); END IF;"
        )
    start = f"CREATE FUNCTION {log}() RETURNS trigger LANGUAGE plpgsql AS"
    return f"{start} $$BEGIN {body} RETURN NULL; END$$"


def _shown(column: str, sort: Sort) -> str:
    """Return a column as rows are read: what the driver might change is read as text."""
    return f"CAST({column} AS TEXT)" if sort in {"other", "json"} else column


def _same(connection: Connection, table: Table) -> str:
    return " AND ".join(
        f"t.{quoted(connection, name)} = c.k{place}" for place, name in enumerate(table.key)
    )


def _is(connection: Connection, table: Table) -> str:
    return " AND ".join(f"{quoted(connection, name)} = %s" for name in table.key)
