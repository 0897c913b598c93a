"""A prepared query that the driver runs itself, past SQLAlchemy's execution: a fifth of its time.

Random hosts come in floods, and each that is new costs one such query.
"""

from __future__ import annotations

from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tenantry.catalog.engine import unavailable

if TYPE_CHECKING:
    from sqlalchemy import Engine, Select


class Lookup:
    """Runs a query with the one parameter ``key``; its rows have the names and types of its columns."""

    def __init__(self, query: Select[Any], engine: Engine) -> None:
        compiled, dialect = query.compile(engine), engine.dialect
        self._engine = engine
        self._sql = compiled.string
        self._positions = len(compiled.positiontup or ())  # none where parameters go by name
        self._columns = [
            (
                column.name,
                column.type.dialect_impl(dialect).result_processor(dialect, None) or _as_it_is,
            )
            for column in query.selected_columns
        ]

    def __call__(self, key: str) -> list[Any]:
        """Return the rows.

        :raises CatalogUnavailableError: The driver had an error.
        """
        parameters = (key,) * self._positions or {"key": key}
        try:
            with (
                closing(self._engine.raw_connection()) as connection,
                closing(connection.cursor()) as cursor,
            ):
                cursor.execute(self._sql, parameters)
                found = cursor.fetchall()
        except self._engine.dialect.loaded_dbapi.Error as error:
            raise unavailable(error) from error
        return [
            SimpleNamespace(
                **{
                    name: read(value)
                    for (name, read), value in zip(self._columns, values, strict=True)
                }
            )
            for values in found
        ]


def _as_it_is(value: Any) -> Any:
    return value
