"""What people import: one public module, its reference, and who may look behind it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tenantry
from docs.make_reference import PAGE, build_page
from tenantry import _HOMES, __all__, testing

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CORE = ROOT / "platform" / "tenantry"
PUBLIC_MODULES = {"tenantry", "tenantry.errors", "tenantry.management", "tenantry.testing"}
GUIDES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
FENCED = re.compile(r"```python\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def test_the_reference_is_what_the_docstrings_say() -> None:
    """A page that is older than a signature, a docstring or the list of names is refused."""
    assert PAGE.read_text(encoding="utf-8") == build_page(), "run `make reference`"


def test_every_public_name_is_found_where_it_is_said_to_be() -> None:
    """The list, what type checkers read and what is loaded are one and the same."""
    assert sorted(__all__) == sorted(_HOMES)
    assert {*__all__} <= {*dir(tenantry)}
    for name in __all__:
        assert getattr(tenantry, name) is not None
    seen: dict[str, str] = {}
    for module, name in _imports((CORE / "__init__.py").read_text()):
        if module.startswith("tenantry"):
            seen[name] = f"{module}.{name}" if name in {"errors", "management"} else module
    assert seen == _HOMES


def test_what_is_not_public_is_not_there() -> None:
    """A name that the package does not have is an AttributeError, as in any module."""
    with pytest.raises(AttributeError, match="no attribute 'get_settings'"):
        tenantry.get_settings  # noqa: B018


def test_importing_the_package_loads_nothing() -> None:
    """Each command imports it, and most need none of the names."""
    code = (
        "import sys, tenantry; "
        "print([m for m in sys.modules if m.startswith(('tenantry.', 'flask', 'sqlalchemy'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_the_bundled_factory_imports_public_names_only() -> None:
    """``tenants`` shows what anybody's factory can do: it uses nothing that others may not."""
    for path in (ROOT / "tenants").rglob("*.py"):
        source = path.read_text()
        for module, name in _imports(source):
            _check_import(path, module, name)
        assert 'extensions["tenantry' not in source, path


@pytest.mark.parametrize("folder", ["tenants", "frontend_app", "backend_app"])
def test_the_bundled_apps_take_public_names_from_the_package(folder: str) -> None:
    """A name that is public is imported from where it is public."""
    for path in (ROOT / folder).rglob("*.py"):
        source = path.read_text()
        for module, name in _imports(source):
            is_home = module == _HOMES.get(name) and module not in PUBLIC_MODULES
            assert not is_home, f"{path} imports {name} from {module}"
        assert 'extensions["tenantry"]' not in source, path


def test_the_guides_show_public_names_only() -> None:
    """What is copied from a page works with the next release."""
    for page in GUIDES:
        text = page.read_text()
        for block in FENCED.findall(text):
            for module, name in _imports(textwrap.dedent(block)):
                _check_import(page, module, name)
        assert 'extensions["tenantry"]' not in text, page


def test_the_core_does_not_import_the_public_module() -> None:
    """Inside, imports go from module to module, so that their directions can be checked."""
    own = {"errors", "management"}
    for path in CORE.rglob("*.py"):
        for module, name in _imports(path.read_text()):
            assert module != "tenantry" or name in own or name not in _HOMES, path


def _check_import(where: Path, module: str, name: str) -> None:
    if module.partition(".")[0] == "tenantry":
        assert module in PUBLIC_MODULES, f"{where} imports {module}"
        assert module != "tenantry" or name in _HOMES, f"{where} imports {name}"
        assert module != "tenantry.testing" or name in testing.__all__, f"{where} imports {name}"


def _imports(source: str) -> Iterator[tuple[str, str]]:
    """Yield the module and the name of each import in *source*."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.name) for alias in node.names)
