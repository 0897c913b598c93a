"""Places for what is half done: private, and swept when the process that made them is gone."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tenantry.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK = ".lock"


@contextmanager
def scratch_folder(data_dir: Path) -> Iterator[Path]:
    """Make a folder that is gone afterwards; a killed process's are removed by the next one."""
    home = data_dir / "scratch"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    _sweep(home)
    folder = Path(tempfile.mkdtemp(dir=home))
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _sweep(home: Path) -> None:
    for folder in home.iterdir():
        try:
            descriptor = os.open(folder / _LOCK, os.O_RDWR)
        except OSError:
            continue  # it is being made
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # in use
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)


@contextmanager
def alone(data_dir: Path, name: str) -> Iterator[None]:
    """Keep other commands of this machine away from what is called *name*.

    :raises BundleError: Another one is at it. What a killed one held is free.
    """
    home = data_dir / "locks"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(home / name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            problem = "another command is at work on it; wait for its end"
            raise BundleError(name, problem) from error
        yield
    finally:
        os.close(descriptor)
