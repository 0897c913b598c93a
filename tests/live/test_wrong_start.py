"""What a server says whose platform cannot be put together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from tests.live.server import ROOT, make_data

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
    assert "Placement 'eu' is not safe: the login role 'postgres' is a superuser" in sentence


def refuse(folder: Path, variable: str, value: str) -> str:
    """Load the application with one more variable, and return the one line that it dies with."""
    done = load(folder, variable, value)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    return line


def load(folder: Path, variable: str, value: str) -> subprocess.CompletedProcess[str]:
    """Load the application with one more variable."""
    env = {**os.environ, "TENANTRY_DATA_DIR": str(folder / "var"), variable: value}
    return subprocess.run(
        [sys.executable, "-c", "import tenantry.wsgi"],
        check=False,
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
    )


def test_a_placement_that_is_named_no_more_is_told(tmp_path: Path) -> None:
    """The server starts, for the neighbours' sake, and the log says whose sites it cannot serve."""
    databases = {"local": "sqlite", "eu": f"sqlite:///{tmp_path}/eu"}
    make_data(tmp_path / "var", ("acme", "globex"), databases=databases, homes={"acme": "eu"})
    done = load(tmp_path, "TENANTRY_LOG_LEVEL", "info")
    assert done.returncode == 0, done.stderr
    assert "does not name the placement 'eu', where 1 tenant lives" in done.stderr
    assert "Name it there again" in done.stderr
