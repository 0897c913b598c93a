"""Giving a tenant another name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM, Actor, Catalog
from tenantry.errors import BadTransitionError, TenantExistsError, TenantRenamedError
from tenantry.lifecycle import Operations

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.settings import Settings

OPERATOR = Actor("operator", "op@example.com")


def test_nothing_on_disk_moves(catalog: Catalog, settings: Settings) -> None:
    """The folder is the id's; only the address is another one."""
    tenant = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    acme = catalog.provisioning.activate({tenant.id: None}, by=SYSTEM)[0]
    bolt = Operations(catalog, settings=settings, actor=OPERATOR).rename("acme", "bolt")

    assert settings.tenant_dir(bolt.id) == settings.tenant_dir(acme.id)
    assert settings.site_url(bolt) == "http://bolt.example.test/"
    (former,) = catalog.names.list_former(acme.id)
    days = (former.redirects_until - datetime.now(UTC)) / timedelta(days=1)
    assert 89 < days <= 90


def test_how_long_the_old_name_leads_on_is_a_setting(
    catalog: Catalog, make_settings: Callable[..., Settings]
) -> None:
    """With 0 days the old name is closed at once."""
    tenant = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    catalog.provisioning.activate({tenant.id: None}, by=SYSTEM)
    settings = make_settings(rename_redirect_days=0)
    Operations(catalog, settings=settings, actor=OPERATOR).rename("acme", "bolt")
    (former,) = catalog.names.list_former(tenant.id)

    assert not former.redirects


def test_the_same_again_finds_it_done(catalog: Catalog, settings: Settings) -> None:
    """Whoever does not know whether it was done says it again; another new name is a mistake."""
    tenant = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    catalog.provisioning.activate({tenant.id: None}, by=SYSTEM)
    operations = Operations(catalog, settings=settings, actor=OPERATOR)
    for _ in range(2):
        bolt = operations.rename("acme", "bolt")
        assert bolt.slug == "bolt"
    with pytest.raises(TenantRenamedError, match="renamed to 'bolt'"):
        operations.rename("acme", "coil")


def test_the_check_refuses_what_would_be_refused(catalog: Catalog, settings: Settings) -> None:
    """Law 12: a dry run that promises what then fails is worse than none."""
    half = catalog.tenants.add("half", name="Half", by=SYSTEM)
    acme = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    catalog.provisioning.activate({acme.id: None}, by=SYSTEM)
    epoch = catalog.changes.read_epoch()
    operations = Operations(catalog, settings=settings, actor=OPERATOR)
    with pytest.raises(BadTransitionError, match="renamed"):
        operations.preview_rename(half.slug, "bolt")
    with pytest.raises(TenantExistsError, match="half"):
        operations.preview_rename("acme", "half")
    assert operations.preview_rename("acme", "bolt").id == acme.id
    assert catalog.changes.read_epoch() == epoch

    operations.rename("acme", "bolt")
    assert operations.preview_rename("acme", "bolt").slug == "bolt"
    with pytest.raises(TenantRenamedError):
        operations.preview_rename("acme", "other")
