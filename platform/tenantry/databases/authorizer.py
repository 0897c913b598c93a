"""SQLite's authorizer for tenants' connections: allows work on the tenant's own file only.

SQLite asks the authorizer once for each part of a statement that it prepares, not for each row. What
is refused fails with "not authorized".
"""

from __future__ import annotations

import sqlite3
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer"})
"""Would load a library, or tell and take addresses in memory."""
MODULES = frozenset(
    {"fts3", "fts4", "fts4aux", "fts5", "fts5vocab", "rtree", "rtree_i32", "geopoly"}
)
"""Virtual tables that keep what they hold in the file itself."""
ASKED = frozenset(
    {"application_id", "auto_vacuum", "busy_timeout", "cache_size", "collation_list"}
    | {"compile_options", "data_version", "database_list", "encoding", "foreign_keys"}
    | {"freelist_count", "function_list", "journal_mode", "max_page_count", "module_list"}
    | {"page_count", "page_size", "pragma_list", "query_only", "recursive_triggers"}
    | {"schema_version", "synchronous", "table_list", "trusted_schema", "user_version"}
)
"""Pragmas that may be read."""
TAKEN = frozenset(
    {"application_id", "defer_foreign_keys", "foreign_key_check", "foreign_key_list"}
    | {"incremental_vacuum", "index_info", "index_list", "index_xinfo", "integrity_check"}
    | {"optimize", "quick_check", "read_uncommitted", "table_info", "table_list", "table_xinfo"}
    | {"user_version", "wal_checkpoint"}
)
"""Pragmas that take any value: what they change is in the file, or ends with the transaction."""
KEPT = {"foreign_keys": {"on", "1", "true", "yes"}, "journal_mode": {"wal"}}
"""Pragmas that may be given the value that they have."""
TUNING = frozenset(
    {
        "busy_timeout",
        "cache_size",
        "cache_spill",
        "journal_mode",
        "journal_size_limit",
        "locking_mode",
    }
    | {"mmap_size", "page_size", "synchronous", "temp_store", "threads", "wal_autocheckpoint"}
)
"""Pragmas that apps set for each new connection. They are passed over in silence: what the platform has
set stays, and the app goes on."""
PLATFORMS = frozenset({"busy_timeout", "foreign_keys", "journal_mode", "legacy_alter_table"})
"""Pragmas that the platform's own work on the file needs as well, as migrations do."""


def _judge_function(_: str | None, name: str | None) -> bool:
    return str(name).lower() not in FUNCTIONS


def _judge_module(_: str | None, name: str | None) -> bool:
    return str(name).lower() in MODULES


def _judge_pragma(name: str | None, value: str | None) -> bool:
    pragma = str(name).lower()
    if value is None:
        return pragma in ASKED or pragma in TAKEN
    return pragma in TAKEN or value.lower() in KEPT.get(pragma, ())


def _judge_platforms_pragma(name: str | None, value: str | None) -> bool:
    return str(name).lower() in PLATFORMS or _judge_pragma(name, value)


def _judge_table(name: str | None, _: str | None) -> bool:
    return name != "sqlite_dbpage"  # raw pages, where SQLite was built with it


def _never(_: str | None, __: str | None) -> bool:
    return False


_JUDGES: dict[int, Callable[[str | None, str | None], bool]] = {
    sqlite3.SQLITE_ATTACH: _never,
    sqlite3.SQLITE_DETACH: _never,
    sqlite3.SQLITE_CREATE_VTABLE: _judge_module,
    sqlite3.SQLITE_FUNCTION: _judge_function,
    sqlite3.SQLITE_PRAGMA: _judge_pragma,
    sqlite3.SQLITE_INSERT: _judge_table,
    sqlite3.SQLITE_UPDATE: _judge_table,
    sqlite3.SQLITE_DELETE: _judge_table,
}


def _make(judges: Mapping[int, Callable[[str | None, str | None], bool]]) -> Any:
    def authorize(  # each column that a statement reads is asked for: most often nothing is judged
        action: int, first: str | None, second: str | None, _database: Any, _trigger: Any
    ) -> int:
        if action in judges and not judges[action](first, second):
            is_tuning = action == sqlite3.SQLITE_PRAGMA and str(first).lower() in TUNING
            return sqlite3.SQLITE_IGNORE if is_tuning else sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    return authorize


_OF_TENANTS = _make(_JUDGES)
_OF_PLATFORM = _make(_JUDGES | {sqlite3.SQLITE_PRAGMA: _judge_platforms_pragma})


def restrict(connection: sqlite3.Connection, *, is_platforms: bool) -> None:
    """Let a connection do nothing but what a tenant needs.

    The schema of the file is not trusted: what it names in views, triggers and defaults are functions
    without effects only. On Python 3.12 and newer SQLite's defensive mode is on as well, in which
    no statement can spoil the file's own structure, as by writing into the tables of an index.

    :param is_platforms: Whether the platform works with it, and not the tenant's site.
    """
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)  # the file of a neighbour (R39)
    connection.execute("PRAGMA trusted_schema = OFF").close()
    if sys.version_info >= (3, 12):  # pragma: no cover - the suite runs on one Python
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
    connection.set_authorizer(_OF_PLATFORM if is_platforms else _OF_TENANTS)
