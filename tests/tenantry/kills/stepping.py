"""The steps of a process: everything that it does to a disk or a database, found by looking on.

A step is what ``kill -9`` can come before: the system and the databases do the rest wholly or not at
all. Python tells when files are opened, made, renamed and removed, SQLite which statements it runs,
and SQLAlchemy when a transaction on a server is about to be committed. Nothing has to call anything.
"""

from __future__ import annotations

import mmap
import os
import signal
import sqlite3
import sqlite3.dbapi2
import struct
import sys
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, event

from tenantry.databases.platform_classes import PlatformEngine

# Before any engine is made: they tell of their commits here, as others do.
PlatformEngine._sa_propagate_class_events = True

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
NAMES = ("rename", "link", "symlink", "mkdir", "remove", "rmdir", "truncate", "chmod")
FILES = frozenset(f"os.{name}" for name in NAMES)
READING = frozenset({"SELECT", "BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "EXPLAIN", "WITH"})
FRAMES = 4
"""How much of the way to a step tells it from others."""


class Steps:
    """Counts the steps of this process, and of those that it forks; one of them is the last.

    :param folder: Only files below it are looked at.
    :param last: The number of the step before which whoever takes it is killed; 0 for none.
    :param record: A descriptor for a line about each step.
    """

    def __init__(self, folder: Path, *, last: int = 0, record: int | None = None) -> None:
        self._folder = str(folder)
        self._last = last
        self._record = record
        self._number = mmap.mmap(-1, 8)  # shared with children
        self._busy = False

    def watch(self) -> None:
        """Look on from now until the process ends."""
        sys.addaudithook(self._hear)
        connect = sqlite3.connect

        def follow(*arguments: Any, **options: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*arguments, **options)
            self._follow(connection)
            return connection

        # Python tells of a connection before that can be asked to tell of its statements.
        for module in (sqlite3, sqlite3.dbapi2):
            vars(module)["connect"] = follow
        event.listen(Engine, "commit", self._hear_commit)

    def _step(self, what: str) -> bool:
        """Count; return whether this is the last."""
        number: int = struct.unpack_from("q", self._number)[0]
        struct.pack_into("q", self._number, 0, number + 1)
        if self._record is not None:
            os.write(self._record, f"{what} {_way()}\n".encode())
        return number + 1 == self._last

    def _pass(self, what: str) -> None:
        if self._step(what):
            os.kill(os.getpid(), signal.SIGKILL)

    def _hear(self, name: str, arguments: tuple[Any, ...]) -> None:
        if self._busy:
            return
        if name in FILES:
            self._pass(name)
        elif name == "open":
            self._hear_open(*arguments)

    def _hear_open(self, path: Any, _mode: Any, flags: Any) -> None:
        if not isinstance(flags, int) or not flags & WRITING or isinstance(path, int):
            return
        if not str(path).startswith(self._folder):
            return
        self._pass("open")
        if self._step("opened"):  # empty: nothing is worse than what is not written yet
            self._busy = True
            os.close(os.open(path, flags & ~os.O_EXCL, 0o600))
            os.kill(os.getpid(), signal.SIGKILL)

    def _follow(self, connection: sqlite3.Connection) -> None:
        def hear(statement: str) -> None:
            word = statement.lstrip().partition(" ")[0].upper().rstrip(";")
            if word in READING or word.startswith("--"):
                return
            if word == "PRAGMA" and "journal_mode" not in statement and "wal_ch" not in statement:
                return
            if word in {"COMMIT", "END"} or not connection.in_transaction:
                self._pass(word)

        connection.set_trace_callback(hear)

    def _hear_commit(self, connection: Connection) -> None:
        if connection.dialect.name != "sqlite":
            self._pass("commit on a server")


def _way() -> str:
    """Return the lines of our own code that led here, the innermost first."""
    lines: list[str] = []
    frame: FrameType | None = sys._getframe()
    while frame is not None and len(lines) < FRAMES:
        name = frame.f_code.co_filename
        if "/platform/tenantry/" in name:
            lines.append(f"{name.rpartition('/platform/tenantry/')[2]}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(lines)
