"""Opening provisioned tenants with their owners: one transaction, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM, Catalog
from tenantry.errors import BadEmailError, BadTransitionError, TenantNotFoundError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.values.tenant import Tenant


@pytest.fixture
def pair(any_catalog: Catalog) -> tuple[Tenant, Tenant]:
    """Return two tenants that are being provisioned."""
    first, second = (any_catalog.tenants.add(slug, name=slug, by=SYSTEM) for slug in ("one", "two"))
    return first, second


def test_opens_all_with_their_owners(any_catalog: Catalog, pair: tuple[Tenant, Tenant]) -> None:
    """Each tenant is active at a new revision, and one person with two sites has one account."""
    first, second = pair
    opened = any_catalog.provisioning.activate(
        {first.id: "Ada@example.com", second.id: "ada@EXAMPLE.com"}, by=SYSTEM
    )
    assert [tenant.slug for tenant in opened] == ["one", "two"]
    assert {tenant.state for tenant in opened} == {TenantState.ACTIVE}
    assert opened[0].revision > first.revision
    account = any_catalog.accounts.find("ada@example.com")
    assert account is not None
    assert not account.operator
    assert not account.has_password
    assert {role for _, role in any_catalog.memberships.list(account.id)} == {"owner"}
    assert len(any_catalog.memberships.list(account.id)) == 2
    assert any_catalog.audit.verify().first_bad is None


def test_account_that_is_there_is_taken(any_catalog: Catalog, pair: tuple[Tenant, Tenant]) -> None:
    """An owner who has an account gets no second one."""
    account = any_catalog.accounts.add("ada@example.com", by=SYSTEM)
    any_catalog.provisioning.activate({pair[0].id: "ada@example.com"}, by=SYSTEM)
    assert any_catalog.memberships.find_role(account.id, pair[0].id) == "owner"
    assert any_catalog.accounts.list().total == 1


def test_every_tenant_is_one_change(any_catalog: Catalog, pair: tuple[Tenant, Tenant]) -> None:
    """Workers hear of each of them, at one moment."""
    before = any_catalog.changes.read_epoch()
    any_catalog.provisioning.activate({tenant.id: None for tenant in pair}, by=SYSTEM)
    changes = any_catalog.changes.read_since(before)
    assert changes.epoch == before + 2
    assert set(changes.revisions) == {tenant.id for tenant in pair}


def test_one_refusal_opens_none(any_catalog: Catalog, pair: tuple[Tenant, Tenant]) -> None:
    """If one tenant cannot be opened, no account, no membership and no state remains changed."""
    first, second = pair
    any_catalog.provisioning.activate({second.id: None}, by=SYSTEM)
    epoch, events = any_catalog.changes.read_epoch(), any_catalog.audit.list().total
    with pytest.raises(BadTransitionError):
        any_catalog.provisioning.activate({first.id: "ada@example.com", second.id: None}, by=SYSTEM)
    with pytest.raises(TenantNotFoundError):
        any_catalog.provisioning.activate({first.id: "ada@example.com", "f" * 32: None}, by=SYSTEM)
    with pytest.raises(BadEmailError):
        any_catalog.provisioning.activate({first.id: "ada"}, by=SYSTEM)
    assert any_catalog.tenants.get("one").state is TenantState.PROVISIONING
    assert any_catalog.accounts.find("ada@example.com") is None
    assert (any_catalog.changes.read_epoch(), any_catalog.audit.list().total) == (epoch, events)
