"""kill -9 at any step leaves before or after, and the same command finishes the work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import make_url

from tests.tenantry.kills.operations import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
TRIED = 2
"""Steps of an operation that are tried, spread over all; ``--every-step`` tries all of them."""


@contextmanager
def walking(folder: Path, most: int, *url: str) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Start the program, and yield what has it take a walk."""
    with (folder / "log").open("w") as log:
        program = subprocess.Popen(
            [sys.executable, "-m", "tests.tenantry.kills.program", str(most), folder, *url],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )

    def take(operation: str) -> dict[str, Any]:
        assert program.stdin is not None
        assert program.stdout is not None
        print(operation, file=program.stdin, flush=True)
        line = program.stdout.readline()
        assert line, (folder / "log").read_text()
        answer: dict[str, Any] = json.loads(line)
        return answer

    with program:
        yield take
        assert program.stdin is not None
        program.stdin.close()  # the program ends with what it has to do


@pytest.fixture(scope="module")
def most(request: pytest.FixtureRequest) -> int:
    """Return how many steps are tried; 0 for all."""
    return 0 if request.config.getoption("--every-step") else TRIED


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory, most: int) -> Iterator[Any]:
    """Return what walks where everything is in files."""
    with walking(tmp_path_factory.mktemp("sqlite"), most) as take:
        yield take


@pytest.fixture(scope="module")
def on_postgresql(
    tmp_path_factory: pytest.TempPathFactory, most: int, server_for_sites: str
) -> Iterator[Any]:
    """Return what walks where catalog and sites are on a server."""
    url = make_url(server_for_sites).set(username="postgres", database="postgres")
    address = url.render_as_string(hide_password=False)
    with walking(tmp_path_factory.mktemp("postgresql"), most, address) as take:
        yield take


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
)
def test_killed_before_each_step(operation: str, kind: str, request: pytest.FixtureRequest) -> None:
    """Whatever it was about to do: nothing is lost, nothing is half, nothing is left lying about."""
    answer = request.getfixturevalue(f"on_{kind}")(operation)
    assert "error" not in answer, answer["error"]
    assert answer["steps"] >= 2, "too little was seen of what it does"
