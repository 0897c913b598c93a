"""``tenantry tenant check`` tells what is wrong with a tenant's data; the manual's remedy mends it."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tenantry.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.tenantry.cli.conftest import Desk


@pytest.fixture
def acme(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a working folder with two tenants of the bundled site, and a backup of the first."""
    monkeypatch.setenv("TENANTRY_FACTORY", "tenants:create_app")
    desk.prepare()
    for slug in ("acme", "globex"):
        desk.done("tenant", "create", slug)
    with closing(sqlite3.connect(file_of(desk, "acme"))) as connection:
        connection.executemany(
            "INSERT INTO member (email, name, role, blocked, is_platform_owner, password_hash,"
            " failures, next_try_at, joined_at)"
            " VALUES (?, 'Ann', 'member', 0, 0, ?, 0, 0, '2026-01-01 00:00:00')",
            [(f"{number}@mail.test", "x" * 900) for number in range(300)],
        )
        connection.commit()
    desk.done("backup", "acme")
    return desk


def file_of(desk: Desk, slug: str) -> Path:
    """Return where a tenant's database is."""
    with desk.catalog as catalog:
        tenant = catalog.tenants.get(slug)
        catalog.store.signal.close()
    return get_settings().tenant_dir(tenant.id) / "site.sqlite3"


def rot(path: Path) -> None:
    """Spoil some pages in the middle, as a failing disk does."""
    with path.open("r+b") as file:
        for number in range(10, 20):
            file.seek(number * 4096)
            file.write(os.urandom(4096))


def cut(path: Path) -> None:
    """Lose the second half."""
    os.truncate(path, path.stat().st_size // 8192 * 4096)


def empty(path: Path) -> None:
    """Leave a file without anything in it."""
    os.truncate(path, 0)


def overwrite(path: Path) -> None:
    """Put something else there."""
    path.write_bytes(b"no database " * 1000)


def lose(path: Path) -> None:
    """Lose the file."""
    path.unlink()


def put_folder(path: Path) -> None:
    """Put a folder in its place."""
    path.unlink()
    path.mkdir()


DAMAGES = [rot, cut, empty, overwrite, lose, put_folder]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_and_a_restore_mends_it(acme: Desk, damage: Callable[[Path], None]) -> None:
    """One line names the tenant and its file; the neighbour is sound; the backup brings all back."""
    assert acme.done("tenant", "check", "--all") == "2 tenants are sound.\n"
    path = file_of(acme, "acme")
    damage(path)
    result = acme.run("tenant", "check", "--all")
    assert result.exit_code == 1
    told, summary = result.stderr.strip().splitlines()
    assert told.startswith("acme: ")
    assert str(path) in told
    assert summary == "Error: 1 of 2 tenants are not sound."
    # Whatever it is, no backup of it takes the place of the good one.
    assert acme.run("backup", "acme", "--keep", "1").exit_code == 1
    listed = json.loads(acme.run("tenant", "check", "globex", "acme", "--json").stdout)
    assert [bool(one["problems"]) for one in listed] == [False, True]

    acme.done("restore", "acme")
    assert acme.done("tenant", "check", "acme") == "1 tenant is sound.\n"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM member").fetchone() == (300,)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_links_are_refused(acme: Desk, what: str) -> None:
    """A link to the neighbour's data is never followed: not by a check, a backup or a clone."""
    path, other = file_of(acme, "acme"), file_of(acme, "globex")
    if what == "folder":
        path, other = path.parent, other.parent
        path.rename(path.with_name("away"))
    else:
        path.rename(path.with_name("away"))
    path.symlink_to(other)
    for words in (
        ("tenant", "check", "acme"),
        ("backup", "acme"),
        ("tenant", "export", "acme", "-o", "x.tenant"),
        ("tenant", "clone", "acme", "bolt"),
    ):
        result = acme.run(*words)
        assert result.exit_code == 1, words
        assert "is a link" in result.stderr, words
    assert not (acme.folder / "x.tenant").exists()
    path.unlink()
    path.with_name("away").rename(path)
    assert acme.done("tenant", "check", "acme")


def test_damaged_backups_and_bundles_are_refused(acme: Desk) -> None:
    """What the disk has spoilt says so, and changes nothing."""
    acme.done("tenant", "export", "acme", "-o", "x.tenant")
    path = acme.folder / "x.tenant"
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(os.urandom(64))
    for words in (
        ("tenant", "import", "x.tenant", "--slug", "bolt"),
        ("restore", "acme", "--from", "x.tenant"),
        ("backup", "verify", "x.tenant"),
    ):
        assert "damaged" in acme.refused(*words)
    assert "bolt" not in acme.done("tenant", "list")
    assert acme.done("tenant", "check", "--all")


@pytest.mark.parametrize("content", [b"", b"garbage " * 2000], ids=["empty", "overwritten"])
def test_a_damaged_catalog_is_told(acme: Desk, content: bytes) -> None:
    """Commands say that it is the catalog; when its backup is put back, all is as before."""
    catalog = get_settings().data_dir / "catalog.sqlite3"
    with closing(sqlite3.connect(catalog)) as one, closing(sqlite3.connect("saved")) as other:
        one.backup(other)
    for suffix in ("-wal", "-shm"):
        catalog.with_name(catalog.name + suffix).unlink(missing_ok=True)
    catalog.write_bytes(content)
    for words in (("tenant", "list"), ("tenant", "create", "bolt"), ("backup", "--all")):
        assert "catalog" in acme.refused(*words)
    assert acme.run("status").exit_code == 1
    (acme.folder / "saved").replace(catalog)
    assert "globex" in acme.done("tenant", "list")
    assert acme.done("tenant", "check", "--all")
