"""``tenantry backup`` and ``tenantry restore``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenantry.settings import get_settings

if TYPE_CHECKING:
    from tests.tenantry.cli.conftest import Desk


@pytest.fixture
def acme(ready: Desk) -> Desk:
    """Return a platform with two sites, one of which has a file."""
    for slug in ("acme", "bakery"):
        ready.done("tenant", "create", slug)
    picture_of(ready).write_text("a picture")
    return ready


def picture_of(desk: Desk) -> Path:
    """Return where acme keeps its picture."""
    facts = json.loads(desk.done("tenant", "show", "acme", "--json"))
    return get_settings().tenant_dir(facts["id"]) / "picture"


def test_drill(acme: Desk) -> None:
    """Back up, look, verify, spoil, restore."""
    told = acme.done("backup", "acme")
    path = told.removeprefix("Backed up acme: ").partition(", ")[0]
    assert Path(path).is_file()
    assert "acme has not changed since" in acme.done("backup", "make", "acme")
    (row,) = json.loads(acme.done("backup", "list", "--json"))
    assert (row["slug"], row["file"], row["encrypted"]) == ("acme", path, False)
    assert "acme" in acme.done("backup", "list", "acme").splitlines()[1]
    assert len(acme.done("backup", "list", "bakery").splitlines()) == 1
    assert "is sound: acme" in acme.done("backup", "verify", path)
    told = acme.done("backup", "drill", "acme")
    assert told.startswith("A restore of acme as of")
    assert "0 rows, 2 files. It was removed again." in told
    picture_of(acme).write_text("scribble")
    assert "Would restore acme as of" in acme.done("restore", "acme", "--dry-run")
    assert picture_of(acme).read_text() == "scribble"
    assert "Restored acme from" in acme.done("restore", "acme")
    assert picture_of(acme).read_text() == "a picture"


def test_a_backup_is_verified_where_no_platform_is(
    acme: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine for the drill needs the release and a data folder, but no catalog."""
    path = acme.done("backup", "acme").removeprefix("Backed up acme: ").partition(", ")[0]
    monkeypatch.setenv("TENANTRY_DATA_DIR", "elsewhere")
    assert "is sound: acme" in acme.done("backup", "verify", path)


def test_all_and_some(acme: Desk) -> None:
    """All are told as a figure; one that fails keeps no other from it."""
    assert "Backed up 2; 0 had not changed" in acme.done("backup", "--all", "--keep", "3")
    assert "Backed up 0; 2 had not changed" in acme.done("backup", "--all")
    result = acme.run("backup", "nobody", "acme", "--to", "elsewhere")
    assert result.exit_code == 1
    assert "'nobody' does not exist" in result.stderr
    assert "1 were backed up, 1 were not." in result.stderr
    assert len(json.loads(acme.done("backup", "list", "--to", "elsewhere", "--json"))) == 1


@pytest.mark.parametrize("words", [[], ["make"], ["acme", "--all"], ["acme", "--keep", "0"]])
def test_wrong_usage(ready: Desk, words: list[str]) -> None:
    """What is backed up is said, not guessed."""
    assert ready.run("backup", *words).exit_code == 2


def test_encrypted(acme: Desk) -> None:
    """An encrypted backup is listed, and opened with its passphrase alone."""
    (acme.folder / "secret").write_text("correct horse battery\n")
    (acme.folder / "wrong").write_text("another passphrase\n")
    acme.done("backup", "acme", "--passphrase-file", "secret")
    assert "(encrypted)" in acme.done("backup", "list")
    (row,) = json.loads(acme.done("backup", "list", "--json"))
    assert row["encrypted"] is True
    assert acme.run("backup", "verify", row["file"]).exit_code == 2
    acme.done("backup", "verify", row["file"], "--passphrase-file", "secret")
    assert "wrong" in acme.refused("restore", "acme", "--passphrase-file", "wrong")
    acme.done("restore", "acme", "--passphrase-file", "secret")


def test_refusals_are_one_line(acme: Desk) -> None:
    """No backup, another tenant's, a damaged one."""
    assert "there is no backup of it" in acme.refused("restore", "acme")
    acme.done("backup", "acme")
    (row,) = json.loads(acme.done("backup", "list", "--json"))
    for extra in ([], ["--dry-run"]):
        told = acme.refused("restore", "bakery", "--from", row["file"], *extra)
        assert "belongs to another tenant ('acme')" in told
    (acme.folder / "bad").write_bytes(Path(row["file"]).read_bytes()[:-1])
    assert "damaged or truncated" in acme.refused("backup", "verify", "bad")
    assert "damaged or truncated" in acme.refused("restore", "acme", "--from", "bad")
