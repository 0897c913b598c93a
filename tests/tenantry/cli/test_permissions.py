"""Commands of an ordinary user who may not use what they need: a sentence, and nothing half done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.nobody import as_nobody, open_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.tenantry.cli.conftest import Desk


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a data folder that an ordinary user can reach."""
    with open_folder() as made:
        monkeypatch.setenv("TENANTRY_DATA_DIR", str(made / "var"))
        yield made


@pytest.fixture
def acme(folder: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a desk with a tenant of the bundled site and a backup of it, all in *folder*."""
    monkeypatch.setenv("TENANTRY_FACTORY", "tenants:create_app")
    monkeypatch.chdir(folder)
    desk.done("init", "--no-link")
    desk.done("tenant", "create", "acme")
    desk.done("tenant", "clone", "acme", "copy")
    desk.done("backup", "acme")
    (folder / "var" / "there").mkdir()
    desk.done("backup", "list")  # what commands need is imported while everything may be read
    desk.done("tenant", "export", "acme", "-o", str(folder / "acme.tenant"))
    return desk


CASES = [
    pytest.param("tenants", 0o500, ("tenant", "create", "bolt"), id="create"),
    pytest.param("tenants", 0o500, ("tenant", "clone", "acme", "bolt"), id="clone"),
    pytest.param("catalog.sqlite3", 0o400, ("tenant", "create", "bolt"), id="catalog-read-only"),
    pytest.param("catalog.sqlite3", 0o000, ("tenant", "list"), id="catalog-unreadable"),
    pytest.param("tenants/t_*", 0o000, ("backup", "acme"), id="backup-folder"),
    pytest.param("tenants/t_*/site.sqlite3", 0o000, ("backup", "acme"), id="backup-file"),
    pytest.param("there", 0o500, ("backup", "acme", "--to", "var/there"), id="backups"),
    pytest.param("scratch", 0o500, ("tenant", "export", "acme", "-o", "x.tenant"), id="scratch"),
    pytest.param("secret_keys", 0o000, ("tenant", "create", "bolt"), id="keys"),
]


@pytest.mark.parametrize(("pattern", "mode", "words"), CASES)
def test_a_command_is_refused_and_then_works(
    acme: Desk, folder: Path, pattern: str, mode: int, words: tuple[str, ...]
) -> None:
    """It says what may not be used; when it may be, the same words work."""

    def use() -> list[Any]:
        paths = {path: path.stat().st_mode for path in (folder / "var").glob(pattern)}
        for path in paths:
            path.chmod(mode)
        refused = acme.run(*words)
        for path, before in paths.items():
            path.chmod(before)
            for beside in path.parent.glob(f"{path.name}-*"):
                beside.chmod(before)  # SQLite gives its log the mode of the file
        again = acme.run(*words)
        listed = acme.run("tenant", "list")
        return [
            len(paths) > 0,
            refused.exit_code,
            isinstance(refused.exception, SystemExit),
            refused.stderr,
            again.exit_code,
            again.output,
            listed.stdout,
        ]

    found, code, deliberate, said, then, output, _ = as_nobody(folder, use)
    assert found
    assert code == 1, said + output
    assert deliberate, said
    assert "Traceback" not in said
    assert any(word in said.lower() for word in ("denied", "readonly", "unable to open")), said
    assert then == 0, output
