"""The mark of a database that stands by for a tenant: nobody's data is in it.

The catalog says which ones stand by, but a catalog can be brought back as it was yesterday: then it
offers what has become somebody's site since. So a database that stands by carries a mark, from before
it is made, and whoever takes it takes the mark away first. Without the mark it is never given away, and
never dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.databases.postgresql_schema import SchemaDatabase
from tenantry.databases.sqlite_file import SiteDatabase
from tenantry.files.disk import exists

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.databases.placements import TenantDatabase

MARK = "tenantry: stands by"
"""The comment of a schema."""


def mark_file(database: SiteDatabase) -> Path:
    """Return the mark beside a file; it goes when the database is dropped."""
    return database.path.with_name(f".{database.path.name}.standby")


def set_mark(database: SiteDatabase) -> None:
    """Mark a file that is about to be made."""
    mark = mark_file(database)
    mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    mark.touch(mode=0o600)


def is_free(database: TenantDatabase) -> bool:
    """Say whether nobody's data is in it: it stands by, or is not there at all."""
    if isinstance(database, SiteDatabase):
        return exists(mark_file(database)) or not database.exists()
    assert isinstance(database, SchemaDatabase)
    return database.read_comment() in {None, MARK}


def take(database: TenantDatabase) -> bool:
    """Make it a tenant's; return whether that could be done, because it was free."""
    if isinstance(database, SiteDatabase):
        try:
            mark_file(database).unlink()
        except FileNotFoundError:
            return not database.exists()
        return True
    assert isinstance(database, SchemaDatabase)
    return database.exchange_comment(MARK)
