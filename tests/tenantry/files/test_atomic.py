"""Files that appear whole, and the one module that renames."""

from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

import tenantry
from tenantry.files.atomic import draft, rename, write_atomically
from tests.conftest import eventually

ROOT = Path(tenantry.__file__).parents[2]


@pytest.mark.parametrize("lasting", [True, False])
def test_a_file_is_replaced_in_one_step(tmp_path: Path, lasting: bool) -> None:  # noqa: FBT001
    """Readers see what was there until the draft is whole; then it alone is left, and private."""
    path = tmp_path / "list.json"
    path.write_text("old")
    with draft(path, lasting=lasting) as file:
        file.write(b"new")
        assert path.read_text() == "old"
        assert sorted(entry.name for entry in tmp_path.iterdir()) == [
            ".list.json.draft",
            "list.json",
        ]

    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    """And no draft."""
    path = tmp_path / "list.json"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_used_again(tmp_path: Path) -> None:
    """Its draft is longer than the next one, of which it leaves nothing."""
    (tmp_path / ".list.json.draft").write_bytes(b"half of something long")
    write_atomically(tmp_path / "list.json", "ö")

    assert (tmp_path / "list.json").read_bytes() == "ö".encode()
    assert [entry.name for entry in tmp_path.iterdir()] == ["list.json"]


def test_a_draft_never_goes_through_a_link(tmp_path: Path) -> None:
    """Nobody who can put a link there lets the platform write somewhere else."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / ".list.json.draft").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic link"):
        write_atomically(tmp_path / "list.json", "new")

    assert victim.read_text() == "mine"


def test_of_two_writers_one_waits(tmp_path: Path) -> None:
    """Both files were whole, and the later one is there in the end."""
    path = tmp_path / "list.json"
    begun = Event()

    def write_second() -> None:
        begun.set()
        write_atomically(path, "second")

    with ThreadPoolExecutor(1) as threads:
        with draft(path) as file:
            second = threads.submit(write_second)
            eventually(begun.is_set)
            assert not second.done()
            file.write(b"first")
        second.result(timeout=30)

    assert path.read_text() == "second"
    assert list(tmp_path.iterdir()) == [path]


def test_a_rename_takes_folders_and_replaces_files(tmp_path: Path) -> None:
    """What had the name is gone."""
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("old")
    rename(tmp_path / "new", tmp_path / "old")
    (tmp_path / "folder").mkdir()
    rename(tmp_path / "folder", tmp_path / "other", lasting=False)

    assert (tmp_path / "old").read_text() == "new"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["old", "other"]


def test_paths_are_renamed_nowhere_else() -> None:
    """Ruff forbids ``os.rename``, ``os.replace`` and ``fcntl``; here are the methods of paths."""
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for folder in ("platform", "tenants", "frontend_app", "backend_app")
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and _renames(node)
    ]
    assert found == []


def _renames(call: ast.Call) -> bool:
    # A text is replaced by a text, and a value has its fields replaced by name.
    one = len(call.args) == 1 and not call.keywords
    return one and isinstance(call.func, ast.Attribute) and call.func.attr in {"rename", "replace"}
