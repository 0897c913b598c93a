"""A project that `tenantry new` wrote: its two commands, as a newcomer gives them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.server import free_port, until
from tests.live.wire import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def project(folder: Path) -> Path:
    """Return a new project, written by the command."""
    subprocess.run([BIN / "tenantry", "new", "market"], cwd=folder, check=True)
    return folder / "market"


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TENANTRY_")}


def make(project: Path, target: str, *words: str, **env: str) -> subprocess.Popen[str]:
    """Start make with the environment that the platform is installed in."""
    return subprocess.Popen(
        ["make", target, f"BIN={BIN}", *words],
        cwd=project,
        env={**_inherited(), "PYTHONDONTWRITEBYTECODE": "1", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_its_tests_pass(project: Path) -> None:
    """`make test` runs them; a note that reaches the neighbour would fail one."""
    done = make(project, "test", "ARGS=-q -p tenantry.testing.plugin -p no:cacheprovider")
    output, _ = done.communicate(timeout=120)
    assert done.returncode == 0, output
    assert "5 passed" in output


@pytest.fixture(scope="module")
def port(project: Path) -> Iterator[int]:
    """Serve the project by `make run`; return the port."""
    port = free_port()
    process = make(project, "run", TENANTRY_PORT=str(port))
    try:
        until(lambda: is_served(port), seconds=60, why="make run")
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)


def is_served(port: int) -> bool:
    """Say whether the front page answers."""
    try:
        return ask(port, "localhost", "/-/health").status == 200
    except OSError:
        return False


def test_uwsgi_serves_its_sites(port: int) -> None:
    """`make run` serves two sites through uWSGI, and what is written at one stays there."""
    assert b"No notes yet." in ask(port, f"acme.localhost:{port}").body
    origin = f"http://acme.localhost:{port}"
    sent = ask(
        port,
        f"acme.localhost:{port}",
        "/notes",
        method="POST",
        body=b"text=Pears",
        headers={"Content-Type": "application/x-www-form-urlencoded", "Origin": origin},
    )
    assert sent.status == 303
    assert b"Pears" in ask(port, f"acme.localhost:{port}").body
    assert b"No notes yet." in ask(port, f"globex.localhost:{port}").body
