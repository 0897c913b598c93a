"""The one door to operations: what it refuses, dry or not, and when it loads the factory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog import SYSTEM, Catalog
from tenantry.errors import FactoryError, TenantExistsError, TenantryError
from tenantry.lifecycle import Operations
from tenantry.values.tenant import TenantState
from tests.tenantry.lifecycle import ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenantry.settings import Settings


@pytest.fixture
def operations(catalog: Catalog, settings: Settings) -> Operations:
    """Return the operations of a platform with a site, and with one that is only half made."""
    made = ledger.operations(catalog, settings)
    made.create("acme", name="Acme", owner_email="ada@x.test")
    catalog.tenants.add("half", name="Half", by=SYSTEM)
    gone = catalog.tenants.add("gone", name="Gone", by=SYSTEM)
    catalog.tenants.transition(gone.id, TenantState.DELETED, by=SYSTEM)
    return made


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        pytest.param("clone", ["half", "copy"], {}, id="clone of nothing"),
        pytest.param("clone", ["acme", "half"], {}, id="clone to a taken name"),
        pytest.param("clone", ["acme", "copy"], {"owner_email": "ada"}, id="clone for nobody"),
        pytest.param("rename", ["acme", "half"], {}, id="rename to a taken name"),
        pytest.param("rename", ["half", "bolt"], {}, id="rename of what is being made"),
        pytest.param("change_plan", ["acme", "platinum"], {}, id="unknown plan"),
        pytest.param("change_owners", ["acme", "remove", "ada@x.test"], {}, id="last owner"),
        pytest.param("change_owners", ["gone", "add", "ada@x.test"], {}, id="owner of a tombstone"),
        pytest.param("move", ["acme", "nowhere"], {}, id="move to nowhere"),
        pytest.param("restore", ["half"], {}, id="restore of what is being made"),
        pytest.param("restore", ["acme"], {}, id="restore without a backup"),
        pytest.param("undelete", ["acme"], {}, id="undelete of what is not deleted"),
        pytest.param("purge", ["acme"], {}, id="purge of what is not deleted"),
        pytest.param("delete", ["nobody"], {}, id="delete of nobody"),
    ],
)
def test_a_dry_run_refuses_what_the_operation_refuses(
    operations: Operations, name: str, arguments: list[str], options: dict[str, Any]
) -> None:
    """Law 12: the same error with the same sentence, and nothing has changed."""
    epoch = operations.catalog.changes.read_epoch()
    preview = {"change_plan": "plan", "change_owners": "owners"}.get(name, name)
    with pytest.raises(TenantryError) as dry:
        getattr(operations, f"preview_{preview}")(*arguments, **options)
    with pytest.raises(TenantryError) as real:
        getattr(operations, name)(*arguments, **options)
    assert (type(dry.value), str(dry.value)) == (type(real.value), str(real.value))
    assert operations.catalog.changes.read_epoch() == epoch


def test_a_dry_import_refuses_a_taken_name(operations: Operations, tmp_path: Path) -> None:
    """The whole import is checked, not only the file; what it would make is named."""
    bundle = tmp_path / "acme.tenant"
    operations.export("acme", bundle)
    with pytest.raises(TenantExistsError, match="acme"):
        operations.preview_import(bundle)
    preview = operations.preview_import(bundle, slug="copy")
    assert (preview.slug, preview.plan, preview.placement) == ("copy", "free", "local")
    assert operations.catalog.tenants.find("copy") is None


def test_the_factory_is_loaded_when_an_operation_needs_it(
    catalog: Catalog, make_settings: Callable[..., Settings]
) -> None:
    """Suspending a site works while the factory cannot be imported; creating one is refused whole."""
    tenant = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    catalog.provisioning.activate({tenant.id: None}, by=SYSTEM)
    settings = make_settings(factory="no_such_module:create_app")
    operations = Operations(catalog, settings=settings, actor=SYSTEM)
    assert operations.suspend("acme").state is TenantState.SUSPENDED
    with pytest.raises(FactoryError, match="no_such_module"):
        operations.create("bolt", name="Bolt")
    assert catalog.tenants.find("bolt") is None
