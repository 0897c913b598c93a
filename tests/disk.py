"""A disk so small that a test can fill it."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILLER = "filler"


class SmallDisk:
    """A file system of its own; see :func:`small_disk`.

    :param path: Where it is mounted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self) -> None:
        """Leave no room, not for one octet."""
        with (self.path / FILLER).open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(b"x" * size):
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        """Make room again."""
        (self.path / FILLER).unlink(missing_ok=True)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Be full in the block."""
        self.fill()
        try:
            yield
        finally:
            self.free()


@contextmanager
def small_disk(path: Path, *, megabytes: int = 8) -> Iterator[SmallDisk]:
    """Mount a disk of this size at *path*. Where the machine forbids it to everyone, skip.

    CI has to be able to do it if it runs as root, as on any machine of its own.
    """
    path.mkdir()
    options = f"size={megabytes}m,mode=711"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        path.rmdir()
        pytest.skip(
            "a disk that can be filled needs the right to mount one: run the tests as root, or say "
            f"`unshare -Urm make test` ({mounted.stderr.strip()})"
        )
    try:
        yield SmallDisk(path)
    finally:
        # Lazily: a process that has not quite ended must not keep it for ever.
        subprocess.run(["umount", "--lazy", str(path)], check=True)
        path.rmdir()
