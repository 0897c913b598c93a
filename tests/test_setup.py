"""What a checkout needs before anything of it can run: the Makefile, the locks, the image's files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    """Return the versions that a lock file names."""
    return dict(PIN.findall((ROOT / "requirements" / lock).read_text()))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a fresh clone, as far as make looks at it."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


def make(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run make there."""
    command = ["make", "--no-print-directory", *words]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("target", "locks"),
    [
        ("run", ["run.txt", "build.txt"]),
        ("test", ["run.txt", "build.txt", "dev.txt"]),
        ("lint", ["run.txt", "build.txt", "dev.txt"]),
    ],
)
def test_running_installs_no_tools_of_development(
    checkout: Path, target: str, locks: list[str]
) -> None:
    """Some of those have no wheels for every machine that the platform runs on."""
    told = make(checkout, "--dry-run", target).stdout
    assert re.findall(r"-r requirements/(\S+)", told) == locks


def test_what_is_installed_is_not_installed_again(checkout: Path) -> None:
    """Running after testing, or testing twice, finds all of it there."""
    (checkout / ".venv").mkdir()
    for stamp in (".made", ".run", ".dev"):
        (checkout / ".venv" / stamp).touch()
    for target in ("run", "test"):
        assert "pip" not in make(checkout, "--dry-run", target).stdout


def test_the_locks_agree() -> None:
    """Whichever is installed first, the other changes no version."""
    assert pins("run.txt").items() <= pins("dev.txt").items()
    assert pins("build.txt").items() <= pins("dev.txt").items()


def test_a_half_made_environment_is_made_again(checkout: Path) -> None:
    """Debian's Python without python3-venv leaves one without pip behind, and then gives up."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", checkout / ".venv"], check=True)
    done = make(checkout, f"PYTHON={sys.executable}", ".venv/.made")
    assert done.returncode == 0, done.stderr
    assert ".venv is not complete; it is made again." in done.stdout
    pip = [str(checkout / ".venv" / "bin" / "python"), "-m", "pip", "--version"]
    assert subprocess.run(pip, check=False, capture_output=True).returncode == 0


def test_nothing_is_left_of_an_environment_that_cannot_be_made(checkout: Path) -> None:
    """The remedy is named, and after it the same command works."""
    python = checkout / "python3"
    python.write_text(
        f'#!/bin/sh\n[ "$2" = venv ] || exec {sys.executable} "$@"\n'
        f"{sys.executable} -m venv --without-pip .venv; exit 1\n"
    )
    python.chmod(0o755)
    done = make(checkout, f"PYTHON={python}", ".venv/.made")
    assert done.returncode != 0
    assert "apt install python3-venv" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_failing_installation_fails() -> None:
    """The list of packages on the screen does not hide that pip gave up."""
    text = (ROOT / "Makefile").read_text()
    recipe = text.partition("define install\n")[2].partition("endef")[0]
    command = recipe[recipe.index("{ $(PIP)") :]
    for pip, code in (("true", 0), ("false", 1)):
        script = re.sub(r"\$\(PIP\)[^&]*", f"{pip} ", command).replace("\\\n", "\n")
        script = script.replace(".venv/.installed", '"$TMP/ok"').replace("$$", "$")
        script = f"TMP=$(mktemp -d)\n{script.replace('@', '')}"
        assert subprocess.run(["sh", "-c", script], check=False).returncode == code, script


def test_an_image_is_built_from_what_is_named() -> None:
    """Keys, sites, .env and .venv are not even sent to whoever builds it."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copied: set[str] = set()
    for line in (ROOT / "deploy" / "Containerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            copied |= set(line.split()[1:-1])
    assert allowed == copied


def test_the_image_s_health_check_is_kept() -> None:
    """Podman's default format drops it; the command that people copy keeps it."""
    text = (ROOT / "deploy" / "Containerfile").read_text()
    assert "podman build --format docker" in text
    assert "\nHEALTHCHECK " in text
