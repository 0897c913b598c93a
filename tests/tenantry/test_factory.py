"""Finding the operator's factory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.errors import FactoryError
from tenantry.factory import load_factory
from tests.tenantry.support import a_tenant

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_factory_brings_its_hooks(modules: Path) -> None:
    """The callable is named, its hooks are found beside it."""
    (modules / "whole_factory.py").write_text(
        "LOG = []\n"
        "def create_app(tenant): return ('app', tenant.slug)\n"
        "def prepare(): LOG.append('prepare')\n"
        "def provision(tenant): LOG.append('provision')\n"
        "def dispose(app): LOG.append(app)\n"
        "def demonstrate(tenant): LOG.append('demonstrate')\n"
        "DEMONSTRATIONS = {'one': {'name': 'One'}}\n"
        f"MIGRATIONS = {str(modules)!r}\n"
    )
    factory = load_factory("whole_factory:create_app")
    factory.prepare()
    app = factory.build(a_tenant())
    factory.provision(a_tenant())
    factory.dispose(app)
    factory.demonstrate(a_tenant())

    import whole_factory  # type: ignore[import-not-found]

    assert whole_factory.LOG == ["prepare", "provision", ("app", "acme"), "demonstrate"]
    assert factory.demonstrations == {"one": {"name": "One"}}
    assert factory.migrations == modules


def test_a_plain_callable_is_enough(modules: Path) -> None:
    """People bring a module with create_app and nothing else; values of the hooks' names are none."""
    (modules / "plain_factory.py").write_text("def make(tenant): return None\ndispose = 'later'\n")
    factory = load_factory("plain_factory:make")

    assert factory.build(a_tenant()) is None
    factory.prepare()
    factory.provision(a_tenant())
    factory.dispose(object())
    assert factory.demonstrations == {}
    assert factory.migrations is None


def test_migrations_that_are_nowhere_are_told(modules: Path) -> None:
    """Otherwise a misspelt folder would mean that there is never anything to migrate."""
    (modules / "lost_factory.py").write_text("def make(tenant): ...\nMIGRATIONS = 'nowhere'\n")
    with pytest.raises(FactoryError, match="MIGRATIONS='nowhere' is not a folder"):
        load_factory("lost_factory:make")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("", id="empty"),
        pytest.param("json", id="no factory in it"),
        pytest.param("tenants:", id="empty callable"),
        pytest.param(":create_app", id="empty module"),
        pytest.param(".tenants:create_app", id="relative"),
        pytest.param("no..module:create_app", id="two dots"),
        pytest.param("no_such_module:create_app", id="no such module"),
        pytest.param("json.no_such_module:create_app", id="no such submodule"),
        pytest.param("json.decoder.deeper:create_app", id="below a plain module"),
        pytest.param("json:no_such_name", id="no such name"),
        pytest.param("json:__doc__", id="not callable"),
    ],
)
def test_a_wrong_name_is_explained(path: str) -> None:
    """A setting that leads nowhere names itself in one sentence."""
    with pytest.raises(FactoryError) as caught:
        load_factory(path)

    assert str(caught.value).startswith(f"TENANTRY_FACTORY={path}: ")


def test_a_factory_that_cannot_import_says_so_itself(modules: Path) -> None:
    """A missing dependency of the factory is its own error, with its own traceback."""
    (modules / "needy_factory.py").write_text("import no_such_dependency\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        load_factory("needy_factory:create_app")
