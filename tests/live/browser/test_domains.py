"""An owner brings a domain, with nothing but what is written on the page."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tenantry.catalog import SYSTEM
from tests.live.browser.person import PASSWORD
from tests.nameserver import NameServer
from tests.tenantry.lifecycle.test_host_checks import set_back

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.browser.conftest import NewPerson
    from tests.live.conftest import NewServer
    from tests.live.server import Server

SHOP = "shop.example.org"


@pytest.fixture
def resolver() -> Iterator[NameServer]:
    """Return a resolver that knows nothing."""
    with NameServer() as server:
        yield server


@pytest.fixture
def server(new_server: NewServer, resolver: NameServer) -> Iterator[Server]:
    """Return the example sites on a platform that asks this resolver."""
    env = {
        "TENANTRY_DNS_RESOLVERS": resolver.text,
        "TENANTRY_DNS_TARGETS": "sites.example.com, 203.0.113.7",
    }
    with new_server(env=env) as running:
        owner = running.catalog.accounts.find("owner@acme.test")
        assert owner is not None
        running.catalog.accounts.set_password(owner.id, PASSWORD, by=SYSTEM)
        yield running


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_an_owner_brings_a_domain(
    server: Server, resolver: NameServer, new_person: NewPerson, *, scripts: bool
) -> None:
    """Add, set the records, check, choose, remove; with the keyboard's order and axe looking on."""
    owner = new_person(server=server, java_script_enabled=scripts)
    owner.enter_backend("owner@acme.test", slug="acme")
    owner.menu().get_by_role("link", name="Domains").click()
    owner.sees("Domains")
    owner.fill("Domain", SHOP)
    owner.page.get_by_label("Domain", exact=True).press("Enter")
    owner.is_told(f"{SHOP} is not verified yet. There is no TXT record _tenantry.{SHOP}.")
    if scripts:
        owner.look("site-backend-domains-pending")
    (host,) = server.catalog.hosts.list()
    records = owner.page.get_by_role("region", name=f"The record that proves it of {SHOP}")
    expect(records).to_contain_text(host.token)
    resolver.records[f"_tenantry.{SHOP}", "TXT"] = [host.token]
    resolver.records[SHOP, "A"] = ["203.0.113.7"]
    set_back(server.catalog, checked_at=timedelta(minutes=1))
    owner.click(f"Check now {SHOP}")
    owner.is_told(f"{SHOP} is verified: the site answers there.")
    owner.click(f"Make primary {SHOP}")
    owner.is_told(f"The site's other addresses redirect to {SHOP} now.")
    expect(owner.page.get_by_text("Primary domain", exact=True)).to_be_visible()
    if scripts:
        owner.look("site-backend-domains-verified")
    owner.click("End all redirects")
    owner.is_told("The site answers on each of its addresses now.")
    owner.click(f"Remove {SHOP}")
    if scripts:
        owner.page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    else:
        owner.click("Remove")
    owner.is_told(f"{SHOP} is removed.")
    assert server.catalog.hosts.list() == ()
