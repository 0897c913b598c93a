"""SQLite files that an app opens by itself, copied while it writes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tenantry.bundles.instance_files import copy_files
from tenantry.bundles.manifest import FILES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_database_in_use_is_copied_between_transactions(tmp_path: Path, mode: str) -> None:
    """What is committed is in the copy, what is not is not, and the log is no file of its own."""
    folder, parts = tmp_path / "site", tmp_path / "parts"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "app.sqlite", isolation_level=None)) as app:
        app.execute(f"PRAGMA journal_mode = {mode}")
        app.execute("CREATE TABLE post (body)")
        app.execute("INSERT INTO post VALUES ('kept')")
        app.execute("BEGIN")
        app.execute("INSERT INTO post VALUES ('not yet')")

        copied = copy_files(folder, parts, name="acme")

        app.execute("COMMIT")
    assert [member.path for member in copied.files] == ["app.sqlite"]
    with closing(sqlite3.connect(parts / FILES / "app.sqlite")) as copy:
        assert copy.execute("SELECT body FROM post").fetchall() == [("kept",)]
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_quiet_database_is_copied_byte_by_byte(tmp_path: Path) -> None:
    """An uploaded file stays the file that was uploaded, and its digest with it."""
    folder, parts = tmp_path / "site", tmp_path / "parts"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "upload.db")) as database:
        database.execute("CREATE TABLE post (body)")
    copy_files(folder, parts, name="acme")
    assert (parts / FILES / "upload.db").read_bytes() == (folder / "upload.db").read_bytes()


def test_what_only_begins_like_a_database_is_a_file(tmp_path: Path) -> None:
    """Visitors upload what they like; a backup does not fail of it."""
    folder, parts = tmp_path / "site", tmp_path / "parts"
    folder.mkdir()
    content = b"SQLite format 3\x00" + b"nonsense" * 100
    (folder / "upload.db").write_bytes(content)
    (folder / "notes-wal").write_bytes(b"no log of anything")
    copied = copy_files(folder, parts, name="acme")
    assert (parts / FILES / "upload.db").read_bytes() == content
    assert [member.path for member in copied.files] == ["notes-wal", "upload.db"]


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_copy_leaves_the_locks_of_its_process(tmp_path: Path, mode: str) -> None:
    """Closing any descriptor of a file drops all of its process's locks (POSIX): a worker has some."""
    folder = tmp_path / "site"
    folder.mkdir()
    path = folder / "app.sqlite"
    code = (
        "import sqlite3, sys\n"
        "database = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)\n"
        "database.execute('BEGIN EXCLUSIVE')\n"
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as app:
        app.execute(f"PRAGMA journal_mode = {mode}")
        app.execute("CREATE TABLE post (body)")
        app.execute("BEGIN IMMEDIATE")
        app.execute("INSERT INTO post VALUES ('not yet')")
        for number in range(2):
            copy_files(folder, tmp_path / f"parts{number}", name="acme")
        other = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
        )
        assert "database is locked" in other.stderr
        app.execute("COMMIT")
    with closing(sqlite3.connect(tmp_path / "parts1" / FILES / "app.sqlite")) as copy:
        assert copy.execute("SELECT count(*) FROM post").fetchone() == (0,)
