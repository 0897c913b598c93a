"""The source of an app is read for traps: each planted one is found at its line, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tenantry.doctor import Severity, is_safe
from tenantry.doctor.source import find_package, lint
from tenantry.errors import FactoryError
from tests.tenantry.doctor.test_command import call

TRAPS = sorted((Path(__file__).parent / "traps").glob("*.py"))
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("trap", [pytest.param(path, id=path.stem) for path in TRAPS])
def test_a_planted_trap_is_found_at_its_line(trap: Path) -> None:
    """The finding names file and line; the lines around it are in order."""
    lines = enumerate(trap.read_text().splitlines(), 1)
    shown = trap.relative_to(Path.cwd()) if trap.is_relative_to(Path.cwd()) else trap
    planted = {f"{shown}:{number}" for number, line in lines if "# trap" in line}
    found = lint([trap])
    # Two of the traps cannot be read in the source; test_traps.py has them.
    assert {finding.subject for finding in found} == (planted or {"the source"})
    assert is_safe(found) == (not planted)


@pytest.mark.parametrize("path", ["tenants", "frontend_app", "backend_app", "skeleton/shop"])
def test_apps_that_share_nothing_have_no_finding(path: str) -> None:
    """A false alarm would hide the true one."""
    folder = ROOT / path
    assert [finding.subject for finding in lint([folder])] == ["the source"], path


IDIOMS = """
import functools
import logging
from weakref import WeakKeyDictionary

from flask import Blueprint, Flask, current_app, signals

log = logging.getLogger(__name__)
COLOURS = {"red": "#f00"}
handlers = {}
by_tenant = {}
notes = WeakKeyDictionary()
bp = Blueprint("pages", __name__)


def handles(name):
    def register(function):
        handlers[name] = function
        return function
    return register


@handles("red")
def red():
    colours = {}
    colours["red"] = COLOURS["red"]
    return colours


@functools.lru_cache
def square(number):
    return number * number


class Cart:
    kinds = ["small"]

    def __init__(self):
        self.items = []

    def add(self, item):
        self.items.append(item)


def remember(tenant, value):
    by_tenant[tenant.id] = value
    by_tenant.setdefault(tenant.id, []).append(value)
    notes[current_app] = value
    signals.request_started.send(current_app._get_current_object())


def create_app(config=None):
    app = Flask(__name__)
    app.register_blueprint(bp)
    mail = Cart()
    mail.add("x")

    @app.get("/")
    def home():
        return app.name

    @app.errorhandler(404)
    def missing(error):
        return app.name, 404

    return app


if __name__ == "__main__":
    app = create_app()
    app.run()
"""


def test_common_idioms_are_no_findings(tmp_path: Path) -> None:
    """Registries, tables by tenant, constants, closures of one app and a program's end are right."""
    path = tmp_path / "idioms.py"
    path.write_text(IDIOMS)
    assert [finding.sentence for finding in lint([path])] == [
        "1 file shares nothing between tenants."
    ]


def test_a_change_from_another_module_is_found(tmp_path: Path) -> None:
    """A container is judged by all modules of the package, relative imports included."""
    package = tmp_path / "store"
    (package / "tests").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "state.py").write_text("orders = []\nprices = {}\n")
    (package / "views.py").write_text(
        "from . import state\nfrom .state import prices\n\n\ndef buy(item):\n"
        "    state.orders.append(item)\n    return prices[item]\n"
    )
    (package / "tests" / "conftest.py").write_text("made = []\ndef note(x):\n    made.append(x)\n")
    [finding] = lint([package])
    assert finding.subject.endswith("state.py:1")
    assert "store.state.orders" in finding.sentence
    assert "views.py:6 changes it" in finding.sentence


def test_a_line_can_be_accepted(tmp_path: Path) -> None:
    """Somebody who has looked at the line says so where the next reader sees it."""
    path = tmp_path / "counter.py"
    path.write_text("hits = []  # tenantry: shared\ndef home():\n    hits.append(1)\n")
    assert is_safe(lint([path]))


def test_what_is_no_python_is_a_warning(tmp_path: Path) -> None:
    """One broken file does not keep the others from being read."""
    (tmp_path / "broken.py").write_text("def\n")
    (tmp_path / "counter.py").write_text("hits = []\ndef home():\n    hits.append(1)\n")
    assert [finding.severity for finding in lint([tmp_path])] == [Severity.WARNING, Severity.UNSAFE]


def test_the_factory_s_package_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is the whole package, wherever in it the factory is, and nothing is imported."""
    package = tmp_path / "emporium"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_package("emporium.web:create_app('x')") == package
    with pytest.raises(FactoryError, match=r"no module 'emporiums'"):
        find_package("emporiums")


def test_the_command_reads_source_and_runs_nothing() -> None:
    """It exits with 1 if it finds something, and names the lines as JSON too."""
    done = call("--source", "--json", FACTORY="counter:create_app")
    assert done.returncode == 1
    [finding] = json.loads(done.stdout)["findings"]
    assert finding["subject"] == "counter.py:17"
    done = call("clean.py", "hanging.py")
    assert done.returncode == 0, done.stdout
    assert "2 files share nothing between tenants" in done.stdout
    assert call("--source", "--only", "factory").returncode == 2
