"""``tenantry doctor`` as people and build servers run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import eventually
from tests.tenantry.doctor.conftest import FACTORIES

PROGRAM = Path(sys.executable).with_name("tenantry")


def call(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the installed program in the folder of the factories."""
    return subprocess.run(
        [PROGRAM, "doctor", *words],
        cwd=FACTORIES,
        env={**os.environ, **{f"TENANTRY_{name}": value for name, value in variables.items()}},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_safe_platform_exits_with_0(tmp_path: Path) -> None:
    """Warnings are shown and do not fail a build."""
    done = call(FACTORY="late_import:create_app", DATA_DIR=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    assert "warning  imports: colorsys (module)\n" in done.stdout
    assert "ok       instances: late_import:create_app\n         Disposed" in done.stdout
    assert done.stderr == ""
    assert not (tmp_path / "data").exists()


def test_an_unsafe_one_exits_with_1_and_one_line() -> None:
    """What is unsafe comes first; with ``--json``, stdout is JSON and nothing else."""
    done = call("--only", "factory", "--json", FACTORY="counter:create_app")
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert answer["safe"] is False
    assert answer["findings"][0]["subject"] == "counter.hits (int)"
    assert answer["findings"][0]["severity"] == "unsafe"
    assert done.stderr == f"Error: 1 of {len(answer['findings'])} findings are unsafe.\n"


def test_what_is_allowed_is_in_order() -> None:
    """Somebody who has looked at it names it, and the build goes on."""
    done = call("--only", "factory", "--allow", "counter.hits", FACTORY="counter:create_app")
    assert done.returncode == 0, done.stdout
    assert "Allowed: The first tenant's requests changed it" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_it_leaves_nothing(tmp_path: Path, number: int) -> None:
    """Whoever stops the doctor has no folder and no process to clear away."""
    environment = {
        **os.environ,
        "TMPDIR": str(tmp_path),
        "TENANTRY_FACTORY": "hanging:create_app",
    }
    with subprocess.Popen(
        [PROGRAM, "doctor"], cwd=FACTORIES, env=environment, stderr=subprocess.DEVNULL
    ) as process:
        eventually(lambda: children_of(process.pid), seconds=30)
        [child] = children_of(process.pid)
        process.send_signal(number)
        assert process.wait(30) != 0
    assert not list(tmp_path.iterdir())
    eventually(lambda: not Path(f"/proc/{child}").exists())


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def test_wrong_settings_are_a_finding_and_wrong_usage_is_not() -> None:
    """Exit 1 says what is unsafe, exit 2 that the command was said wrongly."""
    done = call(PORT="many")
    assert done.returncode == 1
    assert "unsafe   settings: TENANTRY_PORT\n" in done.stdout
    assert call("--only", "weather").returncode == 2


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        ("clean:create_app", "Its apps are flyweights: nothing unsafe was found."),
        ("closure:create_app", "Its apps are full instances. As flyweights: closure"),
    ],
)
def test_auto_is_decided_here(tmp_path: Path, factory: str, words: str) -> None:
    """TENANTRY_INSTANCES=auto: what the doctor found is kept for the workers, and told."""
    chosen = {"FACTORY": factory, "INSTANCES": "auto", "DATA_DIR": str(tmp_path / "data")}
    done = call("--only", "factory", **chosen)
    assert words in " ".join(done.stdout.split())
    verdict = json.loads((tmp_path / "data" / "run" / "instances.json").read_text())
    assert verdict["flyweight"] is ("are flyweights" in words)
