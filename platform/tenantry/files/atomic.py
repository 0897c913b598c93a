"""Files that appear whole: a draft beside them gets the name when it is complete.

Two rules about crashes of the machine, stated here once. What must *last* is on the disk before it has
its name, and the name is on the disk before the caller goes on: else a crash can leave an empty file,
or none. What can be made again does not wait for the disk. Nothing else in this code renames files.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from tenantry.files.locks import lock_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def draft(path: Path, *, lasting: bool = True) -> Iterator[IO[bytes]]:
    """Yield an empty file (0600) that takes the place of *path* when the block ends well.

    The draft's name is always the same, and it is locked: of two writers one waits for the other, and
    what a killed one left is used again.

    :param lasting: Wait until content and name are on the disk.
    :raises OSError: It cannot be written; *path* is as it was.
    """
    with lock_file(path.with_name(f".{path.name}.draft"), wait=None) as descriptor:
        os.ftruncate(descriptor, 0)
        with os.fdopen(os.dup(descriptor), "w+b") as file:
            yield file
            file.flush()
            if lasting:
                os.fsync(descriptor)
        rename(path.with_name(f".{path.name}.draft"), path, lasting=lasting)


def write_atomically(path: Path, content: str | bytes, *, lasting: bool = True) -> None:
    """Put *content* (text is UTF-8) into a file, wholly or not at all; see :func:`draft`."""
    with draft(path, lasting=lasting) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def rename(source: Path, target: Path, *, lasting: bool = True) -> None:
    """Give a file or a folder another name on the same disk; a file that has it is replaced.

    :param lasting: Wait until the name is on the disk. The content is the caller's.
    """
    os.replace(source, target)  # noqa: PTH105 - the one place
    if lasting:
        sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make names last that were given or taken in *folder*."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
