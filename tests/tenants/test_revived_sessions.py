"""Copies and restores of a site: what is over stays over, and what is open is open at one site only."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from tenantry.catalog import SYSTEM, Catalog
from tenantry.databases.placements import tenant_database
from tenantry.factory import load_factory
from tenantry.lifecycle import Operations
from tenants import create_app, dispose, provision, receive
from tenants.models import EntryLink, MemberSession
from tenants.sign_in import make_entry
from tests.tenants.helpers import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenantry.factory import Factory
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


@pytest.fixture
def settings(any_settings: Settings) -> Settings:
    """Return settings whose tenants live on each kind of placement in turn."""
    return any_settings


@pytest.fixture
def factory(settings: Settings) -> Factory:
    """Return the bundled site's, with these settings."""
    return replace(
        load_factory("tenants:create_app"),
        provision=partial(provision, settings=settings),
        receive=partial(receive, settings=settings),
    )


@pytest.fixture
def site(catalog: Catalog, settings: Settings, factory: Factory) -> Iterator[Site]:
    """Return a site of the platform."""
    made = Operations(catalog, factory, settings=settings, actor=SYSTEM).create("acme", name="Acme")
    site = Site(made, settings, create_app(made, settings))
    yield site
    site.close()


def open_things(tenant: Tenant, settings: Settings) -> list[str]:
    """Return what is open on a site: sessions and links."""
    engine = tenant_database(tenant, settings).open_engine()
    with engine.connect() as connection:
        found = [
            *connection.scalars(select(MemberSession.id)),
            *connection.scalars(select(EntryLink.token_hash)),
        ]
    engine.dispose()
    return found


def test_a_restore_revives_no_session(
    site: Site, catalog: Catalog, settings: Settings, factory: Factory
) -> None:
    """R25: a session that was ended after the backup does not come back with it."""
    member = site.member()
    with site.app.app_context():
        make_entry(email="olga@mail.test", name="Olga")
    operations = Operations(catalog, factory, settings=settings, actor=SYSTEM)
    operations.backup("acme")
    cookie = member.client.get_cookie("session", domain="acme.example.test")
    assert cookie is not None
    assert member.post("/members/sign-out").status_code == 303
    site.close()
    restored = operations.restore("acme", drain=0)
    after = Site(restored, settings, create_app(restored, settings))
    thief = after.visitor()
    thief.client.set_cookie("session", cookie.value, domain="acme.example.test")
    assert not thief.is_signed_in()
    assert open_things(restored, settings) == []
    assert after.visitor().sign_in("ann@mail.test").status_code == 303
    dispose(after.app)


def test_copies_bring_no_sessions_along(
    site: Site, catalog: Catalog, settings: Settings, factory: Factory, tmp_path: Path
) -> None:
    """R25: neither a clone nor an import; the original's go on."""
    member = site.member()
    operations = Operations(catalog, factory, settings=settings, actor=SYSTEM)
    clone = operations.clone("acme", "twin")
    operations.export("acme", tmp_path / "acme.tenant")
    imported = operations.import_(tmp_path / "acme.tenant", slug="third")
    assert open_things(clone, settings) == []
    assert open_things(imported, settings) == []
    assert len(open_things(site.tenant, settings)) == 1
    assert member.is_signed_in()
