"""The shape of the project, where a mistake would be hard to see."""

from __future__ import annotations

import ast
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ("platform/tenantry", "tenants", "frontend_app", "backend_app")


def test_platform_is_a_plain_folder() -> None:
    """The source root has no ``__init__.py``: it would shadow the standard library's module."""
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert platform.python_version()


def test_the_standard_platform_module_wins_in_the_project_folder() -> None:
    """Python started in the project's folder still imports the standard ``platform``."""
    code = "import platform; print(platform.python_implementation())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == platform.python_implementation()


def test_nothing_imports_the_composition_root() -> None:
    """``dispatch.py`` composes; whoever imported it would start the platform by accident."""
    for folder in (*SOURCES, "bench"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module or ""]
                assert "dispatch" not in names, path


@pytest.mark.parametrize("folder", SOURCES)
def test_only_settings_reads_the_environment(folder: str) -> None:
    """Rule: arguments in, values out; the environment has one reader."""
    for path in (ROOT / folder).rglob("*.py"):
        if path.name != "settings.py" and "cli" not in path.parts:
            source = path.read_text()
            assert "os.environ" not in source, path
            assert "getenv" not in source, path


def test_locks_carry_hashes_and_no_addresses() -> None:
    """Every locked requirement has a hash, and no line tells where it was fetched."""
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "://" not in text
        assert "--index-url" not in text
        for line in text.splitlines():
            if "==" in line:
                assert line.endswith("\\"), line
