"""Failures of the machine as a sentence with a remedy, without a traceback."""

from __future__ import annotations

import sqlite3
import sys

from sqlalchemy.exc import DBAPIError

from tenantry.files.disk import explain, is_full
from tenantry.files.shipped import explain_missing

DATABASE_REMEDY = "Look at its disk, its owner and its server, then run the command again."


def explain_failure(error: Exception) -> str | None:
    """Return what to tell about a failure of the machine; nothing if it is a mistake of ours."""
    if isinstance(error, ModuleNotFoundError):
        return explain_missing(error)
    if isinstance(error, OSError):
        return explain(error)
    cause = error.orig if isinstance(error, DBAPIError) else error
    if is_full(cause):
        return f"A database has no room to grow ({cause}). Make room, then run the command again."
    # What is wrong in a statement is another kind of error, in both drivers.
    kinds: tuple[type[Exception], ...] = (sqlite3.OperationalError,)
    if psycopg := sys.modules.get("psycopg"):  # an error of a driver that is not loaded is none
        kinds += (psycopg.OperationalError, psycopg.InterfaceError)
    if isinstance(cause, kinds) or type(cause) is sqlite3.DatabaseError:
        lines = str(cause).strip().splitlines() or [type(cause).__name__]
        return f"A database cannot be used ({lines[0]}). {DATABASE_REMEDY}"
    return None
