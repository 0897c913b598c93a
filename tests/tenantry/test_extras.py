"""The platform without psycopg or the bundled apps' libraries: what works, and what is refused how."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CORE_ONLY = ("flask_login", "flask_wtf", "nh3", "psycopg", "wtforms")
WITHOUT = "import sys; sys.modules.update(dict.fromkeys({missing!r})); "
COMMAND = "sys.argv[0] = 'tenantry'; from tenantry.cli import main; main()"
PLAIN = "def create_app(tenant): ..."


def run(
    folder: Path, *arguments: str, missing: tuple[str, ...], code: str = COMMAND, **variables: str
) -> tuple[int, str]:
    """Run a command in a Python that lacks some libraries; return its exit code and what it says."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(missing=missing) + code, *arguments],
        cwd=folder,
        env={"TENANTRY_DATA_DIR": str(folder / "var"), "PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert "Traceback (" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def test_sqlite_needs_no_driver(tmp_path: Path) -> None:
    """Sites are made, listed, migrated, exported and served where psycopg is not installed."""
    missing = ("psycopg",)
    assert run(tmp_path, "init", "--demo", "--no-link", missing=missing)[0] == 0
    assert "acme" in run(tmp_path, "tenant", "list", missing=missing)[1]
    assert run(tmp_path, "migrate", missing=missing)[0] == 0
    assert run(tmp_path, "tenant", "export", "acme", "-o", "acme.tenant", missing=missing)[0] == 0
    code = "from tenantry.wsgi import application; print('it loads')"
    assert "it loads" in run(tmp_path, missing=missing, code=code)[1]


def test_a_server_without_the_driver_is_refused(tmp_path: Path) -> None:
    """A URL of PostgreSQL names the extra that brings the driver, and nothing is begun."""
    url = "postgresql+psycopg://sites@db.example/sites"
    for variable, value in (
        ("TENANTRY_CATALOG_URL", url),
        ("TENANTRY_DATABASES", f'{{"main": "{url}"}}'),
    ):
        status, said = run(tmp_path, "init", missing=("psycopg",), **{variable: value})
        assert status == 1
        assert variable in said
        assert "pip install 'tenantry[postgresql]'" in said
    assert not (tmp_path / "var").exists()


def test_the_core_alone_runs_a_factory(tmp_path: Path) -> None:
    """An app of one's own needs none of the bundled apps' libraries to be managed."""
    (tmp_path / "plain.py").write_text(PLAIN)
    factory = {"TENANTRY_FACTORY": "plain:create_app"}
    assert run(tmp_path, "--help", missing=CORE_ONLY)[0] == 0
    assert run(tmp_path, "init", "--no-link", missing=CORE_ONLY, **factory)[0] == 0
    assert run(tmp_path, "tenant", "create", "acme", missing=CORE_ONLY, **factory)[0] == 0


def test_the_bundled_apps_name_their_extra(tmp_path: Path) -> None:
    """Where a library of theirs is missing, command and server say what to install."""
    remedy = "pip install 'tenantry[site]'"
    (tmp_path / "plain.py").write_text(PLAIN)
    factory = {"TENANTRY_FACTORY": "plain:create_app"}
    assert run(tmp_path, "init", "--no-link", missing=CORE_ONLY, **factory)[0] == 0
    status, said = run(tmp_path, "tenant", "create", "acme", missing=CORE_ONLY)
    assert (status, remedy in said) == (1, True), said
    code = "import tenantry.wsgi"
    assert remedy in run(tmp_path, missing=CORE_ONLY, code=code, **factory)[1]
