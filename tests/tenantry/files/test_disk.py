"""Failures of the machine, found again in what libraries make of them."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from psycopg.errors import DiskFull
from sqlalchemy.exc import OperationalError

from tenantry.catalog.signal import ChangeSignal
from tenantry.files.disk import exists, explain, has_room, is_dir, is_file, is_full, is_symlink
from tenantry.resources.popularity import Popularity
from tenantry.resources.usage import Ledger
from tests.disk import SmallDisk, small_disk
from tests.nobody import as_nobody, open_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Return a disk of the test's own."""
    with small_disk(tmp_path / "disk", megabytes=1) as made:
        yield made


def sqlite_full() -> sqlite3.Error:
    """Return what SQLite raises when its database may not grow."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA max_page_count = 1")
        try:
            connection.execute("CREATE TABLE x (y)")
        except sqlite3.Error as error:
            return error
    raise AssertionError("it found room")


def chained(cause: BaseException) -> BaseException:
    """Return an error that was raised because of *cause*."""
    error = ValueError("ours")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "full"),
    [
        pytest.param(OSError(errno.ENOSPC, "x"), True, id="disk"),
        pytest.param(OSError(errno.EDQUOT, "x"), True, id="quota"),
        pytest.param(sqlite_full(), True, id="sqlite"),
        pytest.param(DiskFull(), True, id="postgresql"),
        pytest.param(OperationalError("x", {}, sqlite_full()), True, id="wrapped"),
        pytest.param(chained(OSError(errno.ENOSPC, "x")), True, id="cause"),
        pytest.param(OSError(errno.EACCES, "x"), False, id="permission"),
        pytest.param(sqlite3.OperationalError("database or disk is full"), False, id="words"),
        pytest.param(None, False, id="nothing"),
    ],
)
def test_full_disks_are_recognised(error: BaseException | None, *, full: bool) -> None:
    """By their numbers, whatever they are wrapped in; never by their words."""
    assert is_full(error) is full


def test_failures_of_the_machine_have_a_remedy() -> None:
    """The file, what the system said, what to do; a mistake of ours is none of them."""
    assert explain(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/srv/x")) == (
        "/srv/x: No space left on device. Make room on that disk, then run the command again."
    )
    assert (explain(OSError(errno.EROFS, "Read-only")) or "").startswith("Read-only. Mount")
    assert explain(OSError(errno.ENOENT, "No such file", "/srv/x")) is None


def test_room_is_what_can_be_used(disk: SmallDisk) -> None:
    """A full disk has none; one that cannot be asked is given the benefit of the doubt."""
    assert has_room(disk.path)
    with disk.full():
        assert not has_room(disk.path)
    assert has_room(disk.path / "missing")


def test_the_epochs_file_never_has_a_hole(disk: SmallDisk) -> None:
    """Writing through memory into a hole would kill the process on a full disk, not raise."""
    with disk.full(), pytest.raises(OSError, match="No space left") as caught:
        ChangeSignal(disk.path / "epoch")
    assert caught.value.filename == str(disk.path / "epoch")
    (disk.path / "old").write_bytes(b"")
    os.truncate(disk.path / "old", 8)  # as it was made once
    with disk.full(), pytest.raises(OSError, match="No space left"):
        ChangeSignal(disk.path / "old")
    made = ChangeSignal(disk.path / "epoch")
    with disk.full():
        again = ChangeSignal(disk.path / "epoch")
        again.announce(7)
        assert made.cell[0] == 7
    made.close()
    again.close()


def test_popularity_that_cannot_be_kept_leaves_nothing_half(
    disk: SmallDisk, caplog: pytest.LogCaptureFixture
) -> None:
    """The last list stays, no draft is left, and the log says so in a line."""
    ledger = Ledger()
    ledger.add("a" * 32, "acme", wall=0.1, cpu=0.1, database=0.0)
    lists = Popularity(disk.path / "popular", 1, ledger)
    lists.save()
    before = (disk.path / "popular" / "1.json").read_bytes()
    ledger.add("b" * 32, "globex", wall=0.1, cpu=0.1, database=0.0)
    with disk.full():
        lists.save()
    assert [path.name for path in (disk.path / "popular").iterdir()] == ["1.json"]
    assert (disk.path / "popular" / "1.json").read_bytes() == before
    assert "No space left" in caplog.text


QUESTIONS = [
    pytest.param(exists, id="exists"),
    pytest.param(is_file, id="is_file"),
    pytest.param(is_dir, id="is_dir"),
    pytest.param(is_symlink, id="is_symlink"),
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_closed_folder_is_not_taken_for_an_empty_one(question: Callable[[Path], bool]) -> None:
    """What cannot be told is an error on every Python, and never the answer *no*."""

    def ask() -> str:
        closed.chmod(0)
        try:
            return str(question(closed / "site.sqlite3"))
        except PermissionError as error:
            return str(error.filename)
        finally:
            closed.chmod(0o700)

    with open_folder() as folder:
        closed = folder / "closed"
        closed.mkdir()
        (closed / "site.sqlite3").touch()
        assert as_nobody(folder, ask) == str(closed / "site.sqlite3")


def test_what_is_there_is_told_by_its_kind(tmp_path: Path) -> None:
    """A file, a folder, a link and nothing are told apart; a link is what it leads to as well."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "astray").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    names = ("file", "folder", "link", "astray", "circle", "nothing", "file/within")
    told = {
        name: [kind(tmp_path / name) for kind in (exists, is_file, is_dir, is_symlink)]
        for name in names
    }
    assert told == {
        "file": [True, True, False, False],
        "folder": [True, False, True, False],
        "link": [True, True, False, True],
        "astray": [False, False, False, True],
        "circle": [False, False, False, True],
        "nothing": [False, False, False, False],
        "file/within": [False, False, False, False],
    }
