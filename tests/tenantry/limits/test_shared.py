"""The table's file: shared by real processes, and never a reason not to serve."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tenantry
from tenantry.limits import RateTable
from tests.tenantry.support import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    OpenTable = Callable[..., RateTable]

SOURCES = str(Path(tenantry.__file__).parents[1])
BOOT = slice(8, 48)
"""Where the file says which boot it belongs to."""

VISITOR = """
import sys, time
from pathlib import Path
from tenantry.limits import RateTable

table = RateTable(Path(sys.argv[1]))
assert table.shared
sys.stdin.readline()
first = now = time.monotonic()
drawn = 0
while now < first + 1:
    last = now
    drawn += table.take_tokens("client 192.0.2.1", 200, 100)[0]
    time.sleep(0.0003)
    now = time.monotonic()
print(drawn, first, last)
"""

LIMITED = """
import resource, sys
from pathlib import Path
from tenantry.limits import RateTable

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
table = RateTable(Path(sys.argv[1]))
print(table.shared, sum(table.take_tokens("a", 1, 5)[0] for _ in range(10)))
"""

READ_ONLY = """
import os, sys
from pathlib import Path
from tenantry.limits import RateTable

path = Path(sys.argv[1])
path.parent.chmod(0o555)
if os.getuid() == 0:
    os.setuid(65534)
table = RateTable(path)
print(table.shared, sum(table.take_tokens("a", 1, 5)[0] for _ in range(10)))
"""


def run(script: str, path: Path) -> subprocess.Popen[str]:
    """Start a process of its own, which shares nothing with this one but the file."""
    return subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        env={**os.environ, "PYTHONPATH": SOURCES},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the table's file is to be; its folder is not there yet."""
    return tmp_path / "run" / "rates"


@pytest.fixture
def open_table(path: Path) -> Iterator[OpenTable]:
    """Return a function that opens a table as a worker does, at the test's path."""
    opened = []

    def open_at(where: Path = path, **options: object) -> RateTable:
        options.setdefault("clock", FakeClock())
        table = RateTable(where, **options)  # type: ignore[arg-type]
        opened.append(table)
        return table

    yield open_at
    for table in opened:
        table.close()


@pytest.fixture
def folder_for_all() -> Iterator[Path]:
    """Return a folder that other users reach; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def take_all(table: RateTable, key: str = "a") -> int:
    """Take what there is of five tokens."""
    return table.take_tokens(key, 1, 5, 10)[0]


def test_processes_get_one_burst_and_one_rate_together(path: Path) -> None:
    """Two workers that are asked at once let through what one would alone, not twice as much."""
    visitors = [run(VISITOR, path) for _ in range(2)]
    for visitor in visitors:
        assert visitor.stdin is not None
        visitor.stdin.write("go\n")
        visitor.stdin.flush()
    told = [visitor.communicate(timeout=60)[0].split() for visitor in visitors]

    total = sum(int(drawn) for drawn, _, _ in told)
    seconds = max(float(last) for _, _, last in told) - min(float(first) for _, first, _ in told)
    allowed = 100 + 200 * seconds
    # Both may be given one token if they ask within the same microsecond.
    assert 0.8 * allowed <= total <= 1.1 * allowed


def test_tables_at_one_path_are_one(open_table: OpenTable) -> None:
    """What one worker has drawn, another cannot."""
    first, second = open_table(), open_table()
    assert first.shared
    assert take_all(first) == 5
    assert take_all(second) == 0


def test_a_worker_that_comes_later_goes_on_with_the_counts(
    open_table: OpenTable, path: Path
) -> None:
    """A reload gives nobody a new burst."""
    assert take_all(open_table()) == 5
    assert take_all(open_table()) == 0


def test_only_the_servers_user_may_read_it(open_table: OpenTable, path: Path) -> None:
    """Addresses are hashed, and still nobody's business."""
    open_table()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"TNTRATE1", id="truncated"),
        pytest.param(b"x" * 2_000_000, id="too long"),
        pytest.param(bytes(1_048_640), id="zeros"),
        pytest.param(random.Random(3).randbytes(1_048_640), id="foreign"),
    ],
)
def test_a_file_that_is_not_ours_is_replaced(
    open_table: OpenTable, path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The counts are worth nothing beside the service."""
    path.parent.mkdir()
    path.write_bytes(content)
    first, second = open_table(), open_table()

    assert first.shared
    assert take_all(first) == 5
    assert take_all(second) == 0
    assert not caplog.records


def test_what_is_left_of_an_interrupted_start_is_no_hindrance(
    open_table: OpenTable, path: Path
) -> None:
    """A process that was killed while it made the file has made none."""
    path.parent.mkdir()
    path.with_name(".rates.draft").write_bytes(b"half")
    assert open_table().shared
    assert [file.name for file in path.parent.iterdir()] == ["rates"]


def test_damaged_buckets_are_full_ones(open_table: OpenTable, path: Path) -> None:
    """Whatever stands there: no error, no endless wait, and limits as before."""
    table = open_table(slots=64)
    for damage in (b"\xff" * 1024, b"\x7f" * 1024, random.Random(5).randbytes(1024)):
        with path.open("r+b") as file:
            file.seek(64)
            file.write(damage)
        for number in range(12):
            assert take_all(table, f"{number}") == 5
        assert [take_all(table, "again") for _ in range(2)] == [5, 0]


def test_a_file_that_is_replaced_stays_good_for_those_who_have_it(
    open_table: OpenTable, path: Path
) -> None:
    """A worker of another release makes its own; touching a cut file would kill the old workers."""
    old = open_table()
    new = open_table(slots=16)
    assert take_all(old) == 5
    assert take_all(new) == 5
    assert take_all(old) == 0


def test_a_restart_of_the_machine_begins_anew(open_table: OpenTable, path: Path) -> None:
    """The clock began at nought; what was counted with the old one is void."""
    assert take_all(open_table()) == 5
    with path.open("r+b") as file:
        header = bytearray(file.read(64))
        header[BOOT] = b"another-boot".ljust(40, b"\0")
        file.seek(0)
        file.write(header)
    assert take_all(open_table()) == 5


def test_a_clock_that_went_back_locks_nobody_out(open_table: OpenTable) -> None:
    """Even if the boot cannot be told, old moments far ahead are not believed, and slots come free."""
    old, now = FakeClock(), FakeClock()
    old.now = 1_000_000.0
    table = open_table(slots=4, clock=old)
    for key in "abcd":
        assert take_all(table, key) == 5

    table = open_table(slots=4, clock=now)
    assert [take_all(table, "a") for _ in range(2)] == [5, 0]
    for key in "efg":
        assert take_all(table, key) == 5
    assert [take_all(table, key) for key in "aefg"] == [0, 0, 0, 0]


@pytest.mark.parametrize("place", ["folder is a file", "no folder can be made", "is a folder"])
def test_where_no_file_can_be_the_process_counts_for_itself(
    open_table: OpenTable, tmp_path: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Law 8: limits without a file are weaker, and the site is served; the log says so once."""
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "rates").mkdir(parents=True)
    path = {
        "folder is a file": tmp_path / "file" / "rates",
        "no folder can be made": Path("/proc/tenantry/rates"),
        "is a folder": tmp_path / "folder" / "rates",
    }[place]
    with caplog.at_level(logging.WARNING):
        table = open_table(path)
        assert take_all(table) == 5
        assert take_all(table) == 0

    assert not table.shared
    [record] = caplog.records
    assert str(path) in record.getMessage()
    assert "write there" in record.getMessage()


def test_a_read_only_folder_is_survived(folder_for_all: Path) -> None:
    """The same where the folder is there and the server's user may not write to it."""
    said, _ = run(READ_ONLY, folder_for_all / "rates").communicate(timeout=60)
    assert said.split() == ["False", "5"]
    assert not list(folder_for_all.iterdir())


def test_a_full_disk_is_noticed_at_the_start(path: Path) -> None:
    """Room is claimed before the file is used: a page that finds none would kill the worker."""
    said, _ = run(LIMITED, path).communicate(timeout=60)
    assert said.split() == ["False", "5"]
    assert not list(path.parent.iterdir())
