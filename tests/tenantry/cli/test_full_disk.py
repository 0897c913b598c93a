"""Commands on a full disk: one sentence, nothing half done; the same words work when there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.disk import SmallDisk, small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.tenantry.cli.conftest import Desk

PASSING = ("locks", "scratch", "templates")
"""Folders of what lasts for no longer than a command, or is made once for all tenants."""


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """Return the disk of the data folder. The catalog is on another one."""
    with small_disk(tmp_path / "disk", megabytes=4) as made:
        monkeypatch.setenv("TENANTRY_DATA_DIR", str(made.path / "var"))
        monkeypatch.setenv("TENANTRY_CATALOG_URL", f"sqlite:///{tmp_path}/catalog.sqlite3")
        yield made


@pytest.fixture
def acme(disk: SmallDisk, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a working folder with the tenant acme, an export and a backup of it."""
    monkeypatch.setenv("TENANTRY_FACTORY", "tenants:create_app")
    desk.done("init", "--no-link")
    desk.done("tenant", "create", "acme")
    desk.done("tenant", "export", "acme", "-o", "acme.tenant")
    desk.done("backup", "acme")
    (disk.path / "elsewhere").mkdir()
    return desk


def contents(disk: SmallDisk) -> dict[str, int]:
    """Return the files of the disk with their sizes, without those that pass."""
    root = disk.path / "var"
    return {
        str(path.relative_to(root)): path.stat().st_size
        for path in root.rglob("*")
        if path.is_file()
        and path.relative_to(root).parts[0] not in PASSING
        # What SQLite keeps beside a database comes and goes with those who open it.
        and not path.name.endswith(("-wal", "-shm"))
    }


COMMANDS = [
    pytest.param(("tenant", "create", "bolt"), id="create"),
    pytest.param(("tenant", "clone", "acme", "bolt"), id="clone"),
    pytest.param(("tenant", "import", "acme.tenant", "--slug", "bolt"), id="import"),
    pytest.param(("tenant", "export", "acme", "-o", "again.tenant"), id="export"),
    pytest.param(("tenant", "export", "acme", "-o", "disk/elsewhere/x"), id="export-there"),
    pytest.param(("backup", "acme", "--to", "disk/elsewhere"), id="backup"),
    pytest.param(("restore", "acme", "--from", "acme.tenant"), id="restore"),
    pytest.param(("tenant", "delete", "acme", "--yes"), id="delete"),
]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_is_refused_and_then_works(
    acme: Desk, disk: SmallDisk, words: tuple[str, ...]
) -> None:
    """Nothing of it is there after the refusal; neither slug nor file is in the way."""
    before = contents(disk)
    with disk.full():
        result = acme.run(*words)
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit)
        said = result.stderr
        assert "No space left" in said or "disk is full" in said or "has room for" in said, said
        assert contents(disk) == before
        assert not (acme.folder / "again.tenant").exists()
        assert "bolt" not in acme.done("tenant", "list")
    acme.done(*words)
    if "bolt" in words:
        assert "bolt" in acme.done("tenant", "list")


def test_a_refused_deletion_can_be_taken_back(acme: Desk, disk: SmallDisk) -> None:
    """The site stays archived, as the manual says, with all of its data."""
    with disk.full():
        acme.refused("tenant", "delete", "acme", "--yes")
    acme.done("tenant", "resume", "acme")
    assert "active" in acme.done("tenant", "list")


def test_init_on_a_full_disk(desk: Desk, disk: SmallDisk) -> None:
    """No key and no catalog are left half written; saying it again makes them."""
    with disk.full():
        assert "No space left" in desk.refused("init", "--no-link")
    desk.done("init", "--no-link")
    keys = disk.path / "var" / "secret_keys"
    assert len(keys.read_text().strip()) == 64


def test_a_catalog_without_room(
    desk: Desk, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever wants to change something says where room is wanting; afterwards all is as before."""
    monkeypatch.setenv("TENANTRY_FACTORY", "tenants:create_app")
    monkeypatch.setenv("TENANTRY_CATALOG_URL", f"sqlite:///{disk.path}/catalog.sqlite3")
    desk.done("init", "--no-link")
    desk.done("tenant", "create", "acme")
    commands: tuple[tuple[str, ...], ...] = (
        ("init", "--no-link"),
        ("tenant", "create", "bolt"),
        ("tenant", "suspend", "acme"),
        ("tenant", "rename", "acme", "ajax"),
        ("account", "create", "ann@mail.test"),
        ("backup", "--all"),
        ("migrate",),
    )
    with disk.full():
        for words in commands:
            assert "The catalog's disk is full, and nothing was changed" in desk.refused(*words)
    for words in commands:
        desk.done(*words)
