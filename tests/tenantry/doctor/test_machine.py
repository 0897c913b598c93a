"""What the doctor says about files, limits and the disk; the figures are given."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.doctor import Finding, Severity, examine_machine
from tenantry.doctor.machine import Machine, find_file_system, measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.settings import Settings

UNSAFE, WARNING, OK = Severity

MACHINE = Machine(
    descriptors=65536,
    somaxconn=4096,
    memory_mb=16384,
    free_mb=50_000,
    file_system="ext4",
    user=0,
)


@pytest.fixture
def prepared(settings: Settings) -> Settings:
    """Return settings whose data folder is there, as ``tenantry init`` makes it."""
    for folder in (settings.data_dir, settings.run_dir, settings.data_dir / "tenants"):
        folder.mkdir(mode=0o700)
    for name in ("secret_keys", "catalog.sqlite3"):
        (settings.data_dir / name).touch(mode=0o600)
    return settings


def look(settings: Settings, ini: Path | None = None, **figures: Any) -> list[Finding]:
    """Return what is not in order on a machine with these figures."""
    found = examine_machine(settings, replace(MACHINE, **figures), ini=ini)
    return [finding for finding in found if finding.severity is not OK]


def test_a_good_machine_has_nothing(prepared: Settings) -> None:
    """What ``tenantry init`` made is in order."""
    assert look(prepared) == []


@pytest.mark.parametrize(
    ("name", "mode", "severity"),
    [
        pytest.param("secret_keys", 0o604, UNSAFE, id="keys for everybody"),
        pytest.param("secret_keys", 0o640, WARNING, id="keys for a group"),
        pytest.param("catalog.sqlite3", 0o644, UNSAFE, id="catalog"),
        pytest.param("run", 0o755, UNSAFE, id="sockets"),
        pytest.param("run", 0o750, None, id="sockets for a proxy's group"),
        pytest.param("run", 0o770, WARNING, id="sockets changed by a group"),
        pytest.param("tenants", 0o701, UNSAFE, id="sites"),
    ],
)
def test_what_others_can_open_is_told(
    prepared: Settings, name: str, mode: int, severity: Severity | None
) -> None:
    """Files hold secrets: nobody but the server's user opens them."""
    path = prepared.data_dir / name
    path.chmod(mode)
    found = look(prepared)
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    if severity:
        assert found[0].subject == f"{path} ({mode:04o})"
        assert f"chmod 0{'7' if path.is_dir() else '6'}00 {path}" in found[0].remedy


def test_files_of_another_user_are_told(prepared: Settings) -> None:
    """What the server's user does not own, the server may not be able to write."""
    if os.geteuid() == 0:  # root's files are right for everybody
        os.chown(prepared.data_dir, 1234, -1)
    owner = prepared.data_dir.stat().st_uid
    found = look(prepared, user=owner + 1)
    assert {finding.severity for finding in found} == {UNSAFE}
    assert f"belongs to user {owner}" in found[0].sentence


@pytest.mark.parametrize(
    ("line", "number"),
    [
        pytest.param("TENANTRY_SECRET_KEYS=abc", 1, id="secret"),
        pytest.param("TENANTRY_PORT=9000", 0, id="not secret"),
    ],
)
def test_a_env_file_with_keys_is_for_its_owner(
    prepared: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, number: int
) -> None:
    """Keys may stand in ``.env``, where nobody else may read them."""
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(f"{line}\n")
    Path(".env").chmod(0o644)
    assert len(look(prepared)) == number


def test_a_missing_data_folder_is_no_danger(settings: Settings) -> None:
    """A build server looks at the factory alone, and has no data folder."""
    [finding] = look(settings)
    assert finding.severity is WARNING
    assert "tenantry init" in finding.remedy


def test_too_few_descriptors_are_told(
    prepared: Settings, make_settings: Callable[..., Settings]
) -> None:
    """A worker needs three descriptors a connection, and some for each thread."""
    needed = prepared.pool_connections * 3 + prepared.threads * 4 + 64
    assert look(prepared, descriptors=needed) == []
    [finding] = look(prepared, descriptors=needed - 1)
    assert finding.severity is UNSAFE
    assert str(needed) in finding.sentence
    wishful = make_settings(pool_descriptors=70_000)
    assert look(wishful)[0].subject == "TENANTRY_POOL_DESCRIPTORS (setting)"


@pytest.mark.parametrize(
    ("text", "somaxconn", "severity"),
    [
        pytest.param("listen = 128\n", 128, None, id="fits"),
        pytest.param("listen = 1024\n", 128, UNSAFE, id="too long"),
        pytest.param("; listen = 1024\n", 128, None, id="comment"),
        pytest.param("listen = 128\n", 64, WARNING, id="serve shortens it"),
        pytest.param("master = true\n", 64, WARNING, id="uWSGI's own"),
        pytest.param("listen = 1024\n", None, None, id="unknown"),
    ],
)
def test_the_kernel_allows_the_queue(
    prepared: Settings, tmp_path: Path, text: str, somaxconn: int | None, severity: Severity | None
) -> None:
    """The server does not start with a queue that is longer than the kernel's limit."""
    ini = tmp_path / "uwsgi.ini"
    ini.write_text(f"[uwsgi]\n{text}")
    found = look(prepared, ini, somaxconn=somaxconn)
    assert [finding.severity for finding in found] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("figures", "severity", "says"),
    [
        pytest.param({"free_mb": 50}, UNSAFE, "50 MiB are free", id="full"),
        pytest.param({"free_mb": 500}, WARNING, "500 MiB are free", id="nearly full"),
        pytest.param({"file_system": "nfs4"}, UNSAFE, "nfs4", id="network"),
        pytest.param({"file_system": "tmpfs"}, WARNING, "restart", id="in memory"),
        pytest.param({"memory_mb": 1024}, WARNING, "2 workers of 768 MiB", id="memory"),
    ],
)
def test_a_disk_or_memory_that_will_not_do_is_told(
    prepared: Settings, figures: dict[str, Any], severity: Severity, says: str
) -> None:
    """Data on a network's disk gets damaged; a full disk stops every site."""
    [finding] = look(prepared, **figures)
    assert finding.severity is severity
    assert says in finding.sentence


def test_the_innermost_mount_names_the_file_system() -> None:
    """A folder is on the file system that is mounted nearest above it."""
    mounts = (
        "overlay / overlay rw 0 0\n"
        "disk /srv ext4 rw 0 0\n"
        "server:/x /srv/my\\040sites nfs4 rw 0 0\n"
        "tmpfs /srv/my tmpfs rw 0 0\n"
    )
    assert find_file_system(Path("/srv/my sites/var"), mounts) == "nfs4"
    assert find_file_system(Path("/srv/other"), mounts) == "ext4"
    assert find_file_system(Path("/home"), mounts) == "overlay"


def test_this_machine_has_figures(tmp_path: Path) -> None:
    """The system is asked for real; the folder need not be there yet."""
    machine = measure(tmp_path / "not" / "there")
    assert machine.descriptors > 0
    assert machine.memory_mb > 64
    assert machine.free_mb > 0
    assert machine.file_system
