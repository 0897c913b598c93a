"""Changes variables in a ``.env`` file, and nothing else of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tenantry.files.atomic import write_atomically
from tenantry.files.disk import is_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def changed_variables(path: Path, variables: Mapping[str, str]) -> list[str]:
    """Return the names of those that the file has with another value."""
    present = dict(_read(path))
    return [name for name, value in variables.items() if present.get(name, value) != value]


def write_variables(path: Path, variables: Mapping[str, str]) -> None:
    """Set variables in the file, which is made if it is not there; all other lines stay."""
    lines = path.read_text(encoding="utf-8").splitlines() if is_file(path) else []
    left = dict(variables)
    kept = []
    for line in lines:
        name = _name(line)
        if name not in variables:
            kept.append(line)
        elif name in left:
            kept.append(f"{name}={left.pop(name)}")
    kept += [f"{name}={value}" for name, value in left.items()]
    write_atomically(path, "\n".join(kept) + "\n")


def _read(path: Path) -> list[tuple[str, str]]:
    lines = path.read_text(encoding="utf-8").splitlines() if is_file(path) else []
    return [(_name(line), line.partition("=")[2].strip()) for line in lines if _name(line)]


def _name(line: str) -> str:
    found = re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=", line)
    return found[1] if found else ""
