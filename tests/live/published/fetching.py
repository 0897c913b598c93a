"""Fetches the published apps: from the package index, into a folder that is kept between runs.

None of their code is committed here. Flask and Flask-Security publish theirs in their source archives.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
SUITES = "suites"
"""The folder of tests that are published beside their app and not inside it."""
ARCHIVES = {
    "flask==3.1.3": {
        "examples/tutorial/flaskr": "flaskr",
        "examples/tutorial/tests": f"{SUITES}/flaskr/tests",
    },
    "flask-security==5.9.2": {
        "examples/fsqlalchemy1": "fsqlalchemy1",
    },
}
"""Source archives, and which folder of each is put where."""


def fetch() -> Path:
    """Return the folder of the published apps, which is made at the first call on a machine.

    The test is skipped where the package index cannot be reached; under ``CI`` it fails.
    """
    wanted = hashlib.sha256(repr((REQUIREMENTS.read_text(), ARCHIVES)).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"tenantry-published-{os.getuid()}-{wanted}"
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
            made = Path(draft) / "made"
            try:
                _install(made)
                for requirement, folders in ARCHIVES.items():
                    _unpack(requirement, folders, made, Path(draft))
            except subprocess.CalledProcessError as error:
                said = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
                problem = f"The package index cannot be reached ({said})."
                remedy = f"Run the test where `pip install -r {REQUIREMENTS.name}` works."
                if os.environ.get("CI"):
                    pytest.fail(f"{problem} {remedy}")
                pytest.skip(f"{problem} {remedy}")
            shutil.move(made, folder)
    return folder


def _install(target: Path) -> None:
    _pip("install", "--no-deps", "--target", str(target), "--requirement", str(REQUIREMENTS))


def _unpack(requirement: str, folders: dict[str, str], target: Path, scratch: Path) -> None:
    place = scratch / requirement
    _pip("download", "--no-deps", "--no-binary", ":all:", "--dest", str(place), requirement)
    (archive,) = place.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(place, filter="data")
    (root,) = (path for path in place.iterdir() if path.is_dir())
    for inside, name in folders.items():
        shutil.copytree(root / inside, target / name)


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, capture_output=True)
