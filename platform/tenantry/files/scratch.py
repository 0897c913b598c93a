"""Scratch folders: private, and removed after the process that created them has ended."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tenantry.errors import BundleError
from tenantry.files.locks import lock_file, lock_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def scratch_folder(data_dir: Path) -> Iterator[Path]:
    """Make a folder that is gone afterwards; a killed process's are removed by the next one."""
    home = data_dir / "scratch"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as stack:
        with lock_folder(home):  # nobody sweeps while one is being made
            _sweep(home)
            folder = Path(tempfile.mkdtemp(dir=home))
            stack.enter_context(lock_folder(folder))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def _sweep(home: Path) -> None:
    for folder in home.iterdir():
        # One that is in use is locked; one that is not there has just been removed by its owner.
        with suppress(OSError), lock_folder(folder, wait=0):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def alone(data_dir: Path, name: str, *, what: str, shared: bool = False) -> Iterator[None]:
    """Keep other commands of this machine away from what is called *name*.

    :param what: What errors call it.
    :param shared: Let those in who want it shared as well.
    :raises BundleError: Another one is at it. What a killed one held is free.
    """
    home = data_dir / "locks"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as stack:
        try:
            stack.enter_context(lock_file(home / name, shared=shared))
        except BlockingIOError as error:
            raise BundleError(what, "another command uses it; wait until it ends") from error
        yield
