"""What the platform asks of the server that runs it, where no server runs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tenantry.worker.server import claim_number, find_listeners, find_server

if TYPE_CHECKING:
    from pathlib import Path

CLAIM = """
import sys
from pathlib import Path
from tenantry.worker.server import claim_number
print(claim_number(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def claim(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Start a process that takes a number and keeps it until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLAIM, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def test_the_command_line_is_no_worker() -> None:
    """Nothing of a worker is started by a process that only looks."""
    assert find_server() is None
    assert find_listeners() == []


def test_numbers_are_taken_once_and_free_again_after_a_kill(tmp_path: Path) -> None:
    """The lowest number that no living worker has, also if the last one was killed."""
    folder = tmp_path / "run" / "numbers"
    workers = [claim(folder) for _ in range(3)]
    assert [number for _, number in workers] == [1, 2, 3]
    workers[1][0].kill()
    workers[1][0].wait()
    assert claim_number(folder) == 2
    again, number = claim(folder)
    assert number == 4
    for process in (workers[0][0], workers[1][0], workers[2][0], again):
        process.kill()
        process.communicate()
