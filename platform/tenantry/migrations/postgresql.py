"""The template of new PostgreSQL schemas: the statements of one that went through all revisions."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING

from tenantry.databases.binding import Binding
from tenantry.databases.postgresql import SchemaDatabase
from tenantry.migrations.description import describe
from tenantry.migrations.history import find_revision
from tenantry.migrations.template import taking_turns
from tenantry.migrations.upgrade import begin_postgresql, upgrade

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from tenantry.databases.servers import Server
    from tenantry.migrations.history import History


def fill_schema(database: SchemaDatabase, history: History, folder: Path) -> None:
    """Give an empty schema everything of the newest revision; one that has a schema is left alone.

    :param folder: Where templates are kept, for all processes of the machine.
    """
    statements = postgresql_template(database.server, history, folder)
    if statements is None:
        upgrade(database, history)
        return
    with database.open_engine().connect() as connection, begin_postgresql(connection):
        if not find_revision(connection):
            _run(connection, statements)


def postgresql_template(server: Server, history: History, folder: Path) -> list[str] | None:
    """Return the statements that make the newest schema; the first who asks finds them out.

    ``None`` if the revisions make something that statements of ours cannot tell: then each new
    schema goes through all of them.
    """
    with server.view(Binding()).connect() as connection:
        major = connection.dialect.server_version_info[0]  # type: ignore[index]
    path = folder / f"{history.fingerprint}.postgresql-{major}.json"
    if not path.is_file():
        with taking_turns(folder):
            if not path.is_file():
                draft = path.with_name(f".{path.name}.{os.getpid()}")
                draft.write_text(json.dumps(_find_out(server, history)))
                draft.rename(path)
    statements: list[str] | None = json.loads(path.read_text())
    return statements


def _find_out(server: Server, history: History) -> list[str] | None:
    """Make a schema with all revisions and one with the statements: they must come out the same."""
    original, copy = (_scratch(server) for _ in range(2))
    try:
        original.create()
        upgrade(original, history)
        with original.open_engine().begin() as connection:
            statements = describe(connection)
        if statements is None:
            return None
        copy.create()
        with copy.open_engine().begin() as connection:
            _run(connection, statements)
            return statements if describe(connection) == statements else None
    finally:
        original.drop()
        copy.drop()


def _scratch(server: Server) -> SchemaDatabase:
    return SchemaDatabase(server, Binding(f"t_{secrets.token_hex(16)}"))


def _run(connection: Connection, statements: list[str]) -> None:
    """Send all in one message."""
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute(";\n".join(statements).encode())
