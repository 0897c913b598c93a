"""Empties a copy's transient tables: sessions, one-use links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, inspect, table
from sqlalchemy.exc import DBAPIError

from tenantry.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.databases.placements import TenantDatabase


def empty_tables(database: TenantDatabase, names: Iterable[str], *, name: str) -> None:
    """Take all rows out of these tables of a tenant's database; one that is not there is no error.

    What has ended since a backup was made must not come to life again, and what is open at a site
    must not be open at its copy.

    :param name: What errors call the copy.
    :raises BundleError: A table cannot be emptied.
    """
    engine = database.open_engine()
    try:
        with engine.begin() as connection:
            there = set(inspect(connection).get_table_names())
            for found in (found for found in names if found in there):
                connection.execute(delete(table(found)))
    except DBAPIError as error:
        raise BundleError(name, f"its sessions cannot be ended ({error.orig})") from error
    finally:
        engine.dispose()
