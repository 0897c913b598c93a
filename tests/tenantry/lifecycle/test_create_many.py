"""Creating tenants: whatever ends it early, nothing half-made stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

import tenants
from tenantry.catalog import SYSTEM, Catalog
from tenantry.catalog.models import TenantRecord, now
from tenantry.errors import BadEmailError, ProvisionError, TenantExistsError
from tenantry.factory import Factory
from tenantry.lifecycle import Operations, Order
from tenantry.lifecycle.create import ABANDONED, CREATING
from tenantry.migrations import load_history
from tenantry.values.tenant import TenantState
from tests.tenantry.support import hello

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

ORDERS = [Order("one", "One", "ada@example.com"), Order("two", "Two"), Order("three", "Three")]


def make_factory(settings: Settings, fail: Callable[[Tenant], None] = lambda _: None) -> Factory:
    """Return a factory whose tenants have a folder; *fail* may raise for one of them."""

    def provision(tenant: Tenant) -> None:
        settings.tenant_dir(tenant.id).mkdir(parents=True)
        fail(tenant)

    return Factory(build=lambda _: hello("site"), provision=provision)


def failing_at(slug: str, error: BaseException) -> Callable[[Tenant], None]:
    """Return what fails for the tenant *slug*."""

    def fail(tenant: Tenant) -> None:
        if tenant.slug == slug:
            raise error

    return fail


def is_empty(catalog: Catalog, settings: Settings) -> bool:
    """Say whether neither a tenant nor its folder nor its owner is there."""
    folders = list((settings.data_dir / "tenants").glob("*"))
    return (
        not any(catalog.tenants.count_by_state().values()) and not folders and not accounts(catalog)
    )


def accounts(catalog: Catalog) -> int:
    """Return how many accounts there are."""
    return catalog.accounts.list().total


def test_all_are_open_at_once(any_catalog: Catalog, settings: Settings) -> None:
    """While they are prepared nobody can visit one; then all can be visited."""
    seen: list[int] = []
    created = Operations(
        any_catalog, make_factory(settings), settings=settings, actor=SYSTEM
    ).create_many(
        ORDERS,
        advance=lambda: seen.append(any_catalog.tenants.count_by_state()[TenantState.ACTIVE]),
    )
    assert seen == [0, 0, 0]
    assert [tenant.slug for tenant in created] == ["one", "two", "three"]
    assert {tenant.state for tenant in created} == {"active"}


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        pytest.param(RuntimeError("the disk is full"), ProvisionError, id="failure"),
        pytest.param(KeyboardInterrupt(), KeyboardInterrupt, id="Ctrl-C"),
    ],
)
def test_early_end_takes_all_back(
    any_catalog: Catalog,
    settings: Settings,
    error: BaseException,
    raised: type[BaseException],
) -> None:
    """Rows, folders and accounts of those before it are gone, and their names are free."""
    factory = make_factory(settings, failing_at("three", error))
    with pytest.raises(raised):
        Operations(any_catalog, factory, settings=settings, actor=SYSTEM).create_many(ORDERS)
    assert is_empty(any_catalog, settings)
    Operations(any_catalog, make_factory(settings), settings=settings, actor=SYSTEM).create_many(
        ORDERS
    )


@pytest.mark.parametrize(
    ("orders", "raised"),
    [
        pytest.param([*ORDERS, Order("one", "ResumeOptions")], TenantExistsError, id="twice"),
        pytest.param([*ORDERS, Order("four", "Four", "ada")], BadEmailError, id="bad address"),
    ],
)
def test_refusal_takes_all_back(
    any_catalog: Catalog, settings: Settings, orders: list[Order], raised: type[Exception]
) -> None:
    """So does an order that the catalog refuses, be it the last one."""
    with pytest.raises(raised):
        Operations(
            any_catalog, make_factory(settings), settings=settings, actor=SYSTEM
        ).create_many(orders)
    assert is_empty(any_catalog, settings)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        pytest.param(RuntimeError("the disk is full"), ProvisionError, id="failure"),
        pytest.param(KeyboardInterrupt(), KeyboardInterrupt, id="Ctrl-C"),
    ],
)
def test_one_that_fails_leaves_nothing(
    any_catalog: Catalog,
    settings: Settings,
    error: BaseException,
    raised: type[BaseException],
) -> None:
    """A tenant is there with all that belongs to it, or not at all."""
    factory = make_factory(settings, failing_at("acme", error))
    with pytest.raises(raised):
        Operations(any_catalog, factory, settings=settings, actor=SYSTEM).create(
            "acme", name="Acme", owner_email="ada@example.com"
        )
    assert is_empty(any_catalog, settings)


def test_the_catalog_knows_each_schema(any_catalog: Catalog, settings: Settings) -> None:
    """A run of migrations then finds nothing to do for a tenant that was just created."""
    factory = Factory(
        build=tenants.create_app,
        provision=settings_bound(settings),
        find_migrations=lambda: tenants.MIGRATIONS,
    )
    operations = Operations(any_catalog, factory, settings=settings, actor=SYSTEM)
    operations.create("acme", name="Acme")
    operations.create_many(ORDERS)

    with any_catalog.store.reading() as session:
        revisions = set(session.scalars(select(TenantRecord.schema_revision)))
    assert revisions == {load_history(tenants.MIGRATIONS).head}


def test_on_several_machines_a_row_is_old_before_it_is_abandoned(
    any_catalog: Catalog, make_settings: Callable[..., Settings]
) -> None:
    """The claim of another machine cannot be seen, so that only its age tells."""
    settings = make_settings(catalog_url="postgresql+psycopg://db/catalog")
    any_catalog.tenants.add("acme", name="Acme", reason=CREATING, by=SYSTEM)

    def create() -> Tenant:
        return Operations(
            any_catalog, make_factory(settings), settings=settings, actor=SYSTEM
        ).create("acme", name="New")

    with pytest.raises(TenantExistsError):
        create()
    with any_catalog.store.writing(SYSTEM) as writer:
        writer.session.execute(update(TenantRecord).values(created_at=now() - ABANDONED))
    assert create().name == "New"


def settings_bound(settings: Settings) -> Callable[[Tenant], None]:
    """Return the bundled site's hook, with the test's settings."""
    return lambda tenant: tenants.provision(tenant, settings)
