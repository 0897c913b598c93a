"""A new project is written whole, under its own name, or not at all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tenantry.errors import ProjectError
from tenantry.projects.create import create_project

if TYPE_CHECKING:
    from pathlib import Path


def test_everything_has_the_project_s_name(tmp_path: Path) -> None:
    """Nothing is left of the skeleton's own name, in paths or in files."""
    folder = tmp_path / "work" / "corner_store"
    made = create_project("corner_store", folder)
    assert {path for path in folder.rglob("*") if path.is_file()} == {*made}
    for path in made:
        assert not re.search(r"\bshop\b", f"{path}\n{path.read_text()}", re.IGNORECASE), path
    assert "TENANTRY_FACTORY=corner_store:create_app" in (folder / ".env").read_text()
    assert "# Corner store" in (folder / "README.md").read_text()
    assert (folder / "corner_store").stat().st_mode & 0o777 == 0o755
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "name",
    ["Shop", "my-shop", "7seas", "s", "class", "json", "flask", "tenantry", "tests", "../shop"],
)
def test_a_name_that_is_no_new_package_s(tmp_path: Path, name: str) -> None:
    """What cannot be imported, or would hide what is installed, is refused before anything is made."""
    with pytest.raises(ProjectError, match=r"package"):
        create_project(name, tmp_path / "new")
    assert not any(tmp_path.iterdir())


def test_a_folder_with_files_is_kept(tmp_path: Path) -> None:
    """Nothing is written over; an empty folder is used."""
    used = tmp_path / "used"
    used.mkdir()
    (used / "notes.txt").write_text("mine")
    with pytest.raises(ProjectError, match=r"is there already"):
        create_project("market", used)
    assert [path.name for path in tmp_path.rglob("*")] == ["used", "notes.txt"]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert empty / "Makefile" in create_project("market", empty)
