"""The program as a whole: what it imports, how it refuses, what it lets through."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tenantry.cli import COMMANDS
from tenantry.cli.output import plain

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tenantry.cli.conftest import Desk


def test_help_imports_no_library_but_click() -> None:
    """Asking for help answers at once: nothing of the platform is loaded for it."""
    code = (
        "import sys; from click.testing import CliRunner; from tenantry.cli import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0;"
        "print(sorted({'sqlalchemy', 'alembic', 'flask', 'pydantic', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_listing_imports_no_library_that_it_does_not_need(desk: Desk) -> None:
    """A listing of a catalog on SQLite waits for no driver, no migrations and no web framework."""
    desk.done("init")
    code = (
        "import sys; from tenantry.cli import main;"
        "main(['tenant', 'list'], standalone_mode=False);"
        "print(sorted({'alembic', 'psycopg', 'email_validator', 'flask', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_lists_every_command(desk: Desk) -> None:
    """The list has the commands with their summaries."""
    text = desk.done("--help")
    for name, summary in COMMANDS.items():
        assert name in text
        assert summary in text


def test_unknown_command_is_wrong_usage(desk: Desk) -> None:
    """Exit code 2 is for whoever typed something else than the help says."""
    result = desk.run("destroy")
    assert result.exit_code == 2
    assert "No such command 'destroy'" in result.stderr


@pytest.mark.parametrize("command", ["init", "serve", "run", "reload", "status"])
def test_wrong_setting_is_one_line(
    desk: Desk, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked for, a wrong setting is refused with one sentence and exit code 1."""
    monkeypatch.setenv("TENANTRY_DOMIAN", "example.com")
    assert "TENANTRY_DOMIAN: there is no such setting" in desk.refused(command)


def test_installed_program_refuses_in_one_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """So does the real program, without a traceback."""
    monkeypatch.setenv("TENANTRY_PORT", "http")
    done = desk.call("status")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: TENANTRY_PORT=http: ")
    assert done.stderr.count("\n") == 1


def test_working_folder_is_on_the_path_of_the_installed_program(ready: Desk) -> None:
    """An operator's factory lies in the working folder, which a script does not search itself."""
    done = ready.call("tenant", "create", "acme")
    assert (done.returncode, done.stderr) == (0, "")


def test_missing_factory_is_one_line(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A factory that is not there is a setting's fault."""
    monkeypatch.setenv("TENANTRY_FACTORY", "nowhere:create_app")
    assert "there is no module 'nowhere'" in ready.refused("tenant", "create", "acme")


def test_factory_named_on_the_command_line(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--app` is as good as the setting, comes before it, and is refused in the same words."""
    monkeypatch.setenv("TENANTRY_FACTORY", "nowhere:create_app")  # it is also put back at the end
    ready.done("--app", "shop:create_app", "tenant", "create", "acme")
    line = ready.refused("-A", "shop:missing", "tenant", "create", "globex")
    assert "TENANTRY_FACTORY=shop:missing: module 'shop' has no callable 'missing'" in line
    wrong = ready.run("--app", "", "tenant", "create", "globex")
    assert (wrong.exit_code, "name a factory as `module:callable`" in wrong.stderr) == (2, True)
    with ready.catalog as catalog:
        assert catalog.tenants.find("acme")
        assert not catalog.tenants.find("globex")


def test_unreachable_catalog_is_one_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that does not answer is no bug of ours."""
    url = "postgresql+psycopg://u:geheim@127.0.0.1:1/d"
    monkeypatch.setenv("TENANTRY_CATALOG_URL", url)
    line = desk.refused("status")
    assert "The catalog is not reachable" in line
    assert "geheim" not in line


def test_asking_makes_nothing(desk: Desk, tmp_path: Path) -> None:
    """A look in the wrong folder leaves no empty platform behind."""
    assert "Run `tenantry init`" in desk.refused("status")
    assert not (tmp_path / "var").exists()


def test_bug_is_loud(ready: Desk) -> None:
    """What nobody meant to happen keeps its traceback."""
    (ready.folder / "shop.py").write_text("1 / 0\n")
    result = ready.run("tenant", "create", "acme")
    assert isinstance(result.exception, ZeroDivisionError)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        pytest.param("Café 東京 🍞", "Café 東京 🍞", id="letters"),
        pytest.param("a\nb\tc", "a b c", id="lines"),
        pytest.param("\x1b[2Jgone", "\ufffd[2Jgone", id="escape sequence"),
        pytest.param("\u202eevil", "\ufffdevil", id="direction override"),
    ],
)
def test_strangers_text_cannot_steer_the_terminal(text: str, safe: str) -> None:
    """A site's name comes from its owner and is shown to the operator."""
    assert plain(text) == safe
