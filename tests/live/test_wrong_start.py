"""What a server says whose platform cannot be put together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

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
    assert words in refuse(tmp_path, variable, value)


@pytest.mark.postgresql
def test_an_unsafe_server_is_refused(tmp_path: Path, server_url: str) -> None:
    """Tenants' SQL must never run as a superuser."""
    url = make_url(server_url).set(username="postgres").render_as_string(hide_password=False)
    sentence = refuse(tmp_path, "TENANTRY_DATABASES", json.dumps({"eu": url}))
    assert "Placement 'eu' is not safe: the login role 'postgres' may do everything" in sentence


def refuse(folder: Path, variable: str, value: str) -> str:
    """Load the application with one more variable, and return the one line that it dies with."""
    env = {**os.environ, "TENANTRY_DATA_DIR": str(folder / "var"), variable: value}
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
    return line
