"""Random ids of this node and of its folders: a host's name or a path names neither."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import uuid4

from tenantry.errors import NodeIdError
from tenantry.files.atomic import write_atomically
from tenantry.files.disk import exists
from tenantry.files.locks import lock_file

if TYPE_CHECKING:
    from pathlib import Path

_ID = re.compile(r"[0-9a-f]{32}")


def ensure_id(path: Path) -> str:
    """Return the id that the file *path* keeps. If there is none, one is made: 32 hex digits.

    :raises NodeIdError: The file holds something else.
    """
    if not exists(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with lock_file(path.with_name(f".{path.name}.lock"), wait=None):
            if not exists(path):  # another process may have been faster
                write_atomically(path, uuid4().hex + "\n")
    found = path.read_text().strip()
    if not _ID.fullmatch(found):
        raise NodeIdError(str(path), found)
    return found
