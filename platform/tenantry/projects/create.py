"""Writes a new project: a factory with a model, a revision, a page, tests and what runs them."""

from __future__ import annotations

import keyword
import re
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tenantry.errors import ProjectError
from tenantry.files.atomic import rename
from tenantry.files.disk import exists, is_dir, is_file
from tenantry.files.shipped import find_shipped

NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
OWN = frozenset({"dispatch", "tests", "tenants", "frontend_app", "backend_app"})
"""Names of packages that a project beside the platform must not have."""


def create_project(name: str, folder: Path) -> list[Path]:
    """Write a project whose package is *name* into *folder*; return its files.

    :raises ProjectError: The name cannot be a package's, or the folder is there and not empty.
    """
    _check_name(name)
    if exists(folder) and (not is_dir(folder) or any(folder.iterdir())):
        raise ProjectError(str(folder), "it is there already; name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place: it gets its name when it is complete.
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        skeleton = find_shipped("_skeleton/README.md", "skeleton/README.md").parent
        made = [_write(source, skeleton, draft, name) for source in _sources(skeleton)]
        _open(draft)
        if exists(folder):
            folder.rmdir()
        rename(draft, folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return [folder / path for path in made]


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ProjectError(
            name, "a package's name has 2 to 40 small letters, digits and '_', as `shop`"
        )
    if name in OWN or name in sys.stdlib_module_names or find_spec(name) is not None:
        raise ProjectError(name, "there is a package of this name already; choose another name")


def _sources(skeleton: Path) -> list[Path]:
    found = (path for path in skeleton.rglob("*") if "__pycache__" not in path.parts)
    return sorted(path for path in found if is_file(path))


def _write(source: Path, skeleton: Path, draft: Path, name: str) -> Path:
    """Write one file of the skeleton; return its path in the project."""
    parts = source.relative_to(skeleton).parts
    path = Path(*(_named(part.replace("dot-", "."), name) for part in parts))
    target = draft / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(_named(source.read_text(encoding="utf-8"), name), encoding="utf-8")
    return path


def _open(folder: Path) -> None:
    """Let others read the project, as a builder of images; the settings are its owner's alone."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if is_dir(path) else 0o600 if path.name == ".env" else 0o644)


def _named(text: str, name: str) -> str:
    text = re.sub(r"\bshop\b", name, text)
    return re.sub(r"\bShop\b", name.replace("_", " ").capitalize(), text)
