"""The template of new PostgreSQL schemas: the statements of a fully migrated one.

Alembic's offline SQL, rendered once, is as fast (1.1 times as long, over histories of 20 and of 60
revisions), but it is not always what the revisions do: it turns each tab in a row into four blanks,
doubles a backslash because it asked no server how to write one, and a revision may do less in offline
mode. No error would show it. So the statements are read from a schema that the revisions made, and a
second schema made of them must come out the same.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from tenantry.databases.binding import Binding
from tenantry.databases.postgresql_schema import SchemaDatabase, run_all
from tenantry.files.atomic import write_atomically
from tenantry.files.disk import is_file
from tenantry.files.ids import ensure_id
from tenantry.migrations.description import describe
from tenantry.migrations.sqlite_template import one_at_a_time
from tenantry.migrations.upgrade import upgrade

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.databases.servers import Server
    from tenantry.migrations.history import History


def postgresql_template(server: Server, history: History, folder: Path) -> list[str] | None:
    """Return the statements that make the newest schema; the first who asks finds them out.

    ``None`` if the revisions make something that statements of ours cannot tell: then each new
    schema goes through all of them.
    """
    with server.view(Binding()).connect() as connection:
        major = connection.dialect.server_version_info[0]  # type: ignore[index]
    path = folder / f"{history.fingerprint}.postgresql-{major}.json"
    if not is_file(path):
        with one_at_a_time(folder):
            if not is_file(path):
                found = json.dumps(_find_out(server, history, folder))
                write_atomically(path, found, lasting=False)
    statements: list[str] | None = json.loads(path.read_text())
    return statements


def _find_out(server: Server, history: History, folder: Path) -> list[str] | None:
    """Make a schema with all revisions and one with the statements: they must come out the same."""
    original, copy = (_scratch(server, folder, part) for part in ("original", "copy"))
    for left in (original, copy):
        left.drop()  # of a process that was killed
    try:
        original.create()
        upgrade(original, history)
        with original.open_engine().begin() as connection:
            statements = describe(connection)
        if statements is None:
            return None
        copy.create()
        with copy.open_engine().begin() as connection:
            run_all(connection, statements)
            return statements if describe(connection) == statements else None
    finally:
        original.drop()
        copy.drop()


def _scratch(server: Server, folder: Path, part: str) -> SchemaDatabase:
    """Return a schema with a name that is only this folder's, and the same again after a kill."""
    # Two nodes may have one host name, and one path.
    place = f"{ensure_id(folder.parent / 'node_id')}:{part}"
    return SchemaDatabase(server, Binding(f"t_{sha256(place.encode()).hexdigest()[:32]}"))
