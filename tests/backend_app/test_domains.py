"""A site's domains in its backend, with a real resolver behind them."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tests.nameserver import NameServer
from tests.tenantry.lifecycle.test_host_checks import set_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.backend_app.conftest import Browser, World

ACME = "acme.example.test"
SHOP = "shop.example.org"
DOMAINS = "/domains"


@pytest.fixture
def resolver() -> Iterator[NameServer]:
    """Return a resolver that knows nothing."""
    with NameServer() as server:
        yield server


@pytest.fixture
def platform(make_world: Callable[..., World], resolver: NameServer) -> World:
    """Return a platform that asks this resolver."""
    world = make_world(
        dns_resolvers=resolver.text, dns_targets="sites.example.com, 203.0.113.7, 2001:db8::7"
    )
    world.add_tenant("acme", "olga@example.com")
    world.add_tenant("bolt", "otto@example.com")
    return world


@pytest.fixture
def owner(platform: World) -> Browser:
    """Return the owner of Acme at her site's backend."""
    cookie = platform.sign_cookie("olga@example.com", "acme")
    return platform.browser().adopt(cookie, ACME)


def page(browser: Browser) -> str:
    """Return the page of the domains."""
    return unescape(browser.get(DOMAINS, ACME).text)


def test_a_domain_is_added_proved_chosen_and_removed(
    platform: World, owner: Browser, resolver: NameServer
) -> None:
    """The whole way of an owner, by forms alone; each step is in the activity."""
    acme = platform.catalog.tenants.get("acme")
    assert "The site always answers here." in page(owner)
    answer = owner.post(DOMAINS, {"domain": f" {SHOP.title()}. ", "with_www": "y"}, ACME)
    assert answer.status_code == 303
    text = page(owner)
    assert f"{SHOP} is not verified yet. There is no TXT record _tenantry.{SHOP}." in text
    hosts = {host.name: host for host in platform.catalog.hosts.list(acme.id)}
    assert set(hosts) == {SHOP, f"www.{SHOP}"}
    shown = (
        hosts[SHOP].token,
        f"_tenantry.{SHOP}",
        "sites.example.com",
        "203.0.113.7",
        "2001:db8::7",
    )
    assert all(f'data-copy="{value}"' in text for value in shown)

    resolver.records[f"_tenantry.{SHOP}", "TXT"] = [hosts[SHOP].token]
    resolver.records[SHOP, "A"] = ["203.0.113.7"]
    refused = owner.post(f"{DOMAINS}/www.{SHOP}/primary", host=ACME)
    assert refused.status_code == 303
    assert "Only a verified domain can be the primary one." in page(owner)
    set_back(platform.catalog, checked_at=timedelta(minutes=1))
    owner.post(f"{DOMAINS}/{SHOP}/check", host=ACME)
    assert f"{SHOP} is verified: the site answers there." in page(owner)

    owner.post(f"{DOMAINS}/{SHOP}/primary", host=ACME)
    text = page(owner)
    assert f"The site's other addresses redirect to {SHOP} now." in text
    assert "Primary domain" in text
    assert platform.catalog.tenants.get("acme").primary == SHOP
    owner.post(f"{DOMAINS}/redirects/end", host=ACME)
    assert platform.catalog.tenants.get("acme").primary == ""

    asked = owner.post(f"{DOMAINS}/{SHOP}/remove", host=ACME)
    assert f"Remove {SHOP}?" in asked.text
    assert platform.catalog.tenants.get("acme").hosts == (SHOP,)
    owner.post(f"{DOMAINS}/{SHOP}/remove", {"confirmed": "yes"}, ACME)
    assert f"{SHOP} is removed." in page(owner)
    assert platform.catalog.tenants.get("acme").hosts == ()
    activity = unescape(owner.get("/activity", ACME).text)
    assert f"Verified the domain {SHOP}" in activity
    assert f"Changed the primary domain from {SHOP}" in activity
    assert "olga@example.com" in activity


@pytest.mark.parametrize(
    ("domain", "error"),
    [
        pytest.param("", "Enter a domain.", id="nothing"),
        pytest.param("shop", "needs at least two labels", id="one label"),
        pytest.param("https://shop.example/", "without a scheme", id="a URL"),
        pytest.param("shop.example/path", "letters, digits and inner hyphens", id="a path"),
        pytest.param("127.0.0.1", "addresses name no site", id="an address"),
        pytest.param("<script>.example.org", "letters, digits", id="hostile"),
        pytest.param("a" * 64 + ".example.org", "letters, digits", id="a long label"),
        pytest.param("\u0430pple.com", "several scripts", id="mixed scripts"),
        pytest.param("bolt.example.test", "the platform's own", id="a neighbour's address"),
        pytest.param("taken.example.org", "Another site has this domain", id="taken"),
        pytest.param("resting.example.org", "It is reserved until 20", id="resting"),
    ],
)
def test_a_refusal_is_beside_the_field(
    platform: World, owner: Browser, domain: str, error: str
) -> None:
    """What was typed stays, and nothing is added."""
    bolt = platform.catalog.tenants.get("bolt")
    for host in ("taken.example.org", "resting.example.org"):
        platform.catalog.hosts.add(bolt.id, host, proof="operator", by=SYSTEM)
    platform.catalog.hosts.remove(bolt.id, "resting.example.org", by=SYSTEM)
    answer = owner.post(DOMAINS, {"domain": domain}, ACME)
    assert answer.status_code == 422
    assert error in unescape(answer.text)
    assert "<script>.example" not in answer.text
    assert platform.catalog.hosts.list(platform.catalog.tenants.get("acme").id) == ()


@pytest.mark.parametrize("action", ["check", "primary", "remove"])
def test_a_neighbours_domain_is_out_of_reach(platform: World, owner: Browser, action: str) -> None:
    """R40: whatever is done to a domain is done to this site's own."""
    bolt = platform.catalog.tenants.get("bolt")
    platform.catalog.hosts.add(bolt.id, SHOP, proof="operator", by=SYSTEM)
    before = platform.catalog.hosts.list()
    assert SHOP not in page(owner)
    owner.post(f"{DOMAINS}/{SHOP}/{action}", {"confirmed": "yes"}, ACME)
    assert "not among this site's any more" in page(owner)
    owner.post(f"{DOMAINS}/a..b/{action}", {"confirmed": "yes"}, ACME)
    assert "not among this site's any more" in page(owner)
    assert platform.catalog.hosts.list() == before


def test_two_sites_can_ask_for_one_domain(platform: World, owner: Browser) -> None:
    """Asking is no claim: the other site's page stays as it is, and neither learns of the other."""
    bolt = platform.catalog.tenants.get("bolt")
    platform.catalog.hosts.add(bolt.id, SHOP, by=SYSTEM)
    assert owner.post(DOMAINS, {"domain": SHOP}, ACME).status_code == 303
    (ours,) = platform.catalog.hosts.list(platform.catalog.tenants.get("acme").id)
    (theirs,) = platform.catalog.hosts.list(bolt.id)
    assert ours.token in page(owner)
    assert theirs.token not in page(owner)


def test_trouble_is_shown_in_time(platform: World, owner: Browser, resolver: NameServer) -> None:
    """A verified domain whose records are wrong says so before it is lost; so does an expired one."""
    acme = platform.catalog.tenants.get("acme")
    owner.post(DOMAINS, {"domain": SHOP}, ACME)
    (host,) = platform.catalog.hosts.list(acme.id)
    resolver.records[f"_tenantry.{SHOP}", "TXT"] = [host.token]
    resolver.records[SHOP, "A"] = ["203.0.113.7"]
    for step in ("verified: the site answers there", "This domain will stop working."):
        set_back(platform.catalog, checked_at=timedelta(minutes=1))
        owner.post(f"{DOMAINS}/{SHOP}/check", host=ACME)
        assert step in page(owner)
        resolver.records.clear()
    platform.catalog.hosts.remove(acme.id, SHOP, by=SYSTEM)
    platform.catalog.hosts.add(acme.id, "old.example.org", by=SYSTEM)
    set_back(platform.catalog, waiting_since=timedelta(days=8))
    owner.post(f"{DOMAINS}/old.example.org/check", host=ACME)
    text = page(owner)
    assert "Expired" in text
    assert "Start again" in text


def test_an_operators_word_needs_no_records(platform: World, owner: Browser) -> None:
    """The page says who vouches for it."""
    acme = platform.catalog.tenants.get("acme")
    platform.catalog.hosts.add(acme.id, "xn--bcher-kva.example", proof="operator", by=SYSTEM)
    text = page(owner)
    assert "b\u00fccher.example (xn--bcher-kva.example)" in text
    assert "operator vouches for this domain" in text
    assert "Check now" not in text
