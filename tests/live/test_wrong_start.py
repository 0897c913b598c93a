"""What a server says whose platform cannot be put together."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.live.server import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.live


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        pytest.param("TENANTRY_ROUTING", "subdomian", "TENANTRY_ROUTING=subdomian", id="value"),
        pytest.param("TENANTRY_DOMAINS", "example.com", "no such setting", id="unknown"),
        pytest.param("TENANTRY_LOG_LEVEL", "info", "tenantry init", id="no keys yet"),
    ],
)
def test_a_refusal_is_one_sentence(tmp_path: Path, variable: str, value: str, words: str) -> None:
    """Loading the application tells the operator what to do, and shows no traceback."""
    env = {**os.environ, "TENANTRY_DATA_DIR": str(tmp_path / "var"), variable: value}
    done = subprocess.run(
        [sys.executable, "-c", "import dispatch"],
        check=False,
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert words in line
