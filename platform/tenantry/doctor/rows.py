"""Counts the rows of all SQLite files in a tenant's folder."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tenantry.files.disk import is_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC = b"SQLite format 3\0"


def count_rows(folder: Path) -> dict[str, int]:
    """Return how many rows each table has, by the file's name and its own."""
    return dict(_counts(folder))


def _counts(folder: Path) -> Iterator[tuple[str, int]]:
    for path in sorted(folder.rglob("*")):
        if not is_file(path):
            continue
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                continue
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            query = (
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
            for (table,) in connection.execute(query).fetchall():
                quoted = table.replace('"', '""')
                (number,) = connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()  # noqa: S608
                yield f"{path.name}: {table}", number
