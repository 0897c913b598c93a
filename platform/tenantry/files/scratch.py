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
from tenantry.files.locks import lock, unlock

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def scratch_folder(data_dir: Path) -> Iterator[Path]:
    """Make a folder that is gone afterwards; a killed process's are removed by the next one."""
    home = data_dir / "scratch"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(home):  # nobody sweeps while one is being made
        _sweep(home)
        folder = Path(tempfile.mkdtemp(dir=home))
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sweep(home: Path) -> None:
    for folder in home.iterdir():
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue  # its owner has just removed it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # in use
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)


@contextmanager
def alone(data_dir: Path, name: str, *, what: str, shared: bool = False) -> Iterator[None]:
    """Keep other commands of this machine away from what is called *name*.

    :param what: What errors call it.
    :param shared: Let those in who want it shared as well.
    :raises BundleError: Another one is at it. What a killed one held is free.
    """
    path = data_dir / "locks" / name
    try:
        descriptor = lock(path, shared=shared)
    except BlockingIOError as error:
        raise BundleError(what, "another command is at work on it; wait for its end") from error
    try:
        yield
    finally:
        unlock(path, descriptor)
