"""docs/architecture.md describes the packages that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE = ROOT / "platform" / "tenantry"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PATH = re.compile(r"`((?:platform|tenantry|backend_app|tenants|docs)/[\w./]*|dispatch\.py)`")


def test_every_package_has_its_line() -> None:
    """A newcomer finds each package of the core on the page, and no other one."""
    packages = {path.parent.name for path in CORE.glob("*/__init__.py")}
    modules = {path.stem for path in CORE.glob("*.py")} - {"__init__", "wsgi", "gunicorn_conf"}
    listed = {
        name
        for line in re.findall(r"^- (\*\*`.*)", PAGE, re.MULTILINE)
        for name in re.findall(r"\*\*`(\w+)`\*\*", line)
    }
    assert listed == packages | modules


def test_every_path_exists() -> None:
    """A renamed module does not leave its old path on the page."""
    for path in PATH.findall(PAGE):
        assert (ROOT / path).exists() or (ROOT / "platform" / path).exists(), path
