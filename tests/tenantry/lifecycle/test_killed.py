"""kill -9 at any step leaves before or after, and the same command finishes the work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("operation", ["export", "import", "clone", "backup", "restore"])
def test_killed_before_each_change(operation: str) -> None:
    """Whatever it was about to do: nothing is lost, nothing is half, nothing is left lying about."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.tenantry.lifecycle.killed", operation],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) > 10, "the program saw too little of what was done"
