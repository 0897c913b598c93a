"""Custom hosts: pending until somebody vouches for them, at rest after they were given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from alembic import command
from sqlalchemy import text, update

from tenantry.catalog import SYSTEM, HostState, schema
from tenantry.catalog.custom_hosts import MAX_WAITING, CustomHosts, check_look, find_lookalike
from tenantry.catalog.engine import WRITE
from tenantry.catalog.models import FormerHostRecord
from tenantry.errors import (
    BadHostError,
    HostLimitError,
    HostNotFoundError,
    HostNotServedError,
    HostRestingError,
    HostTakenError,
)
from tenantry.values.domain_proof import Finding, Verdict
from tenantry.values.hosts import canonical_host

if TYPE_CHECKING:
    from tenantry.catalog import Catalog
    from tenantry.values.tenant import Tenant

SHOP = "shop.example.org"


def add(catalog: Catalog, slug: str = "acme") -> Tenant:
    tenant = catalog.tenants.add(slug, name=slug.title(), by=SYSTEM)
    return catalog.provisioning.activate({tenant.id: None}, by=SYSTEM)[0]


def let_rest(catalog: Catalog, *, days: float) -> None:
    """Let every host at rest have been given up so long ago."""
    then = datetime.now(UTC) - timedelta(days=days)
    with catalog.store.engine.begin() as connection:
        connection.execute(update(FormerHostRecord).values(released_at=then))


def test_a_host_is_pending_until_it_is_verified(any_catalog: Catalog) -> None:
    """R30: it is not served, and keeps no other tenant from the host."""
    acme, bolt = add(any_catalog), add(any_catalog, "bolt")
    assert any_catalog.hosts.add(acme.id, SHOP, by=SYSTEM).hosts == ()
    (host,) = any_catalog.hosts.list()
    assert (host.state, host.proof, host.is_served) == (HostState.PENDING, "", False)
    assert any_catalog.hosts.add(bolt.id, SHOP, by=SYSTEM).hosts == ()

    assert any_catalog.hosts.add(acme.id, SHOP, proof="operator", by=SYSTEM).hosts == (SHOP,)
    with pytest.raises(HostTakenError):
        any_catalog.hosts.add(bolt.id, SHOP, proof="operator", by=SYSTEM)
    (host,) = any_catalog.hosts.list(acme.id)
    assert (host.state, host.proof, host.is_served) == (HostState.VERIFIED, "operator", True)
    events = any_catalog.audit.list(tenant_id=acme.id).items[:2]
    assert [event.action for event in events] == ["host.verify", "host.add"]
    assert [event.detail["proof"] for event in events] == ["operator", "none yet"]


def test_the_host_verified_first_is_the_primary_one(any_catalog: Catalog) -> None:
    """One that waited for its proof does not take the place of one that is in people's links."""
    acme = add(any_catalog)
    any_catalog.hosts.add(acme.id, "late.example.org", by=SYSTEM)
    any_catalog.hosts.add(acme.id, SHOP, proof="operator", by=SYSTEM)
    made = any_catalog.hosts.add(acme.id, "late.example.org", proof="dns", by=SYSTEM)
    assert made.hosts == any_catalog.tenants.get("acme").hosts == (SHOP, "late.example.org")


def test_the_chosen_host_is_first(any_catalog: Catalog) -> None:
    """Links point to the host that its owner has chosen; nothing redirects before that."""
    acme = add(any_catalog)
    for name in (SHOP, "www.example.org"):
        acme = any_catalog.hosts.add(acme.id, name, proof="operator", by=SYSTEM)
    assert (acme.hosts[0], acme.primary) == (SHOP, "")
    with pytest.raises(HostNotFoundError):
        any_catalog.hosts.set_primary(acme.id, "other.example.org", by=SYSTEM)
    any_catalog.hosts.add(acme.id, "new.example.org", by=SYSTEM)
    with pytest.raises(HostNotServedError, match="is pending, not verified"):
        any_catalog.hosts.set_primary(acme.id, "new.example.org", by=SYSTEM)

    made = any_catalog.hosts.set_primary(acme.id, "www.example.org", by=SYSTEM)
    assert made == any_catalog.tenants.get("acme") == any_catalog.tenants.find_by_host(SHOP)
    assert (made.hosts, made.primary) == (("www.example.org", SHOP), "www.example.org")
    made = any_catalog.hosts.set_primary(acme.id, SHOP, by=SYSTEM)
    assert (made.hosts, made.primary) == ((SHOP, "www.example.org"), SHOP)
    made = any_catalog.hosts.set_primary(acme.id, None, by=SYSTEM)
    assert made.primary == any_catalog.tenants.get("acme").primary == ""
    any_catalog.hosts.set_primary(acme.id, SHOP, by=SYSTEM)
    assert any_catalog.hosts.remove(acme.id, SHOP, by=SYSTEM).primary == ""


def test_hosts_that_wait_are_bounded(catalog: Catalog) -> None:
    """Law 6: each of them costs questions to the DNS."""
    acme = add(catalog)
    for number in range(MAX_WAITING):
        catalog.hosts.add(acme.id, f"{number}.example.org", by=SYSTEM)
    with pytest.raises(HostLimitError, match="20 hosts of 'acme' wait"):
        catalog.hosts.add(acme.id, SHOP, by=SYSTEM)
    assert catalog.hosts.add(acme.id, SHOP, proof="operator", by=SYSTEM).hosts == (SHOP,)


def test_a_rest_holds_for_hosts_that_waited(catalog: Catalog) -> None:
    """R29: a tenant that asked before the host was given up does not get it sooner."""
    acme, bolt = add(catalog), add(catalog, "bolt")
    catalog.hosts.add(bolt.id, SHOP, by=SYSTEM)
    catalog.hosts.add(acme.id, SHOP, proof="operator", by=SYSTEM)
    catalog.hosts.remove(acme.id, SHOP, by=SYSTEM)
    host = catalog.host_checks.record(bolt.id, SHOP, Finding(Verdict.PROVED), by=SYSTEM)
    assert (host.state, host.is_served) == (HostState.PENDING, False)
    assert "is reserved until" in host.problem
    let_rest(catalog, days=31)
    host = catalog.host_checks.record(bolt.id, SHOP, Finding(Verdict.PROVED), by=SYSTEM)
    assert host.is_served


def test_a_host_rests_before_another_tenant_gets_it(any_catalog: Catalog) -> None:
    """R29: it used to pass at once to the next tenant; the one that had it may take it back."""
    acme, bolt = add(any_catalog), add(any_catalog, "bolt")
    any_catalog.hosts.add(acme.id, SHOP, proof="operator", by=SYSTEM)
    for _ in range(2):
        any_catalog.hosts.remove(acme.id, SHOP, by=SYSTEM)
        with pytest.raises(HostRestingError, match=r"is reserved until 20..-..-..\. .*--take-over"):
            any_catalog.hosts.add(bolt.id, SHOP, proof="operator", by=SYSTEM)
        assert any_catalog.hosts.list() == ()
        assert any_catalog.hosts.add(acme.id, SHOP, proof="operator", by=SYSTEM).hosts == (SHOP,)
    any_catalog.hosts.remove(acme.id, SHOP, by=SYSTEM)

    let_rest(any_catalog, days=29)
    with pytest.raises(HostRestingError):
        any_catalog.hosts.add(bolt.id, SHOP, by=SYSTEM)
    let_rest(any_catalog, days=31)
    assert any_catalog.hosts.add(bolt.id, SHOP, proof="operator", by=SYSTEM).hosts == (SHOP,)


def test_an_operator_can_give_a_resting_host_away(any_catalog: Catalog) -> None:
    """And the audit trail says from which tenant it was taken."""
    acme, bolt = add(any_catalog), add(any_catalog, "bolt")
    any_catalog.hosts.add(acme.id, SHOP, proof="operator", by=SYSTEM)
    any_catalog.hosts.remove(acme.id, SHOP, by=SYSTEM)
    any_catalog.hosts.add(bolt.id, SHOP, take_over=True, by=SYSTEM)

    event = any_catalog.audit.list(tenant_id=bolt.id).items[0]
    assert event.detail == {"host": SHOP, "proof": "none yet", "taken_over_from": acme.id}
    any_catalog.hosts.remove(bolt.id, SHOP, by=SYSTEM)  # never served: it does not rest
    assert any_catalog.hosts.add(acme.id, SHOP, by=SYSTEM)


def test_hosts_that_have_rested_are_forgotten(any_catalog: Catalog) -> None:
    """Law 6: the list of hosts at rest does not grow for ever."""
    acme = add(any_catalog)
    for number in range(3):
        any_catalog.hosts.add(acme.id, f"{number}.example.org", proof="operator", by=SYSTEM)
        any_catalog.hosts.remove(acme.id, f"{number}.example.org", by=SYSTEM)
        let_rest(any_catalog, days=31)
    any_catalog.hosts.add(acme.id, SHOP, by=SYSTEM)
    any_catalog.hosts.remove(acme.id, SHOP, by=SYSTEM)
    with any_catalog.store.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM former_hosts")) == 0


@pytest.mark.parametrize("host", ["\u0430pple.com", "xn--pple-43d.com", "www.xn--pple-43d.com"])
def test_a_host_that_mixes_scripts_is_refused(catalog: Catalog, host: str) -> None:
    """R31: a Cyrillic letter among Latin ones makes a host that looks like another one's."""
    with pytest.raises(BadHostError, match="mixes letters of several scripts: CYRILLIC, LATIN"):
        catalog.hosts.add(add(catalog).id, host, proof="operator", by=SYSTEM)


def test_an_international_host_that_looks_like_anothers_is_refused(any_catalog: Catalog) -> None:
    """R31: all in Cyrillic, it mixes nothing, and people read the neighbour's or the platform's."""
    acme, other = add(any_catalog), add(any_catalog, "other")
    theirs = "xn--80ak6aa92e.example.org"  # in Cyrillic letters that look like "apple"
    any_catalog.hosts.add(acme.id, "apple.example.org", by=SYSTEM)
    any_catalog.hosts.add(acme.id, theirs, by=SYSTEM)
    any_catalog.hosts.add(other.id, theirs, by=SYSTEM)  # what nobody serves is no neighbour's
    any_catalog.hosts.remove(other.id, theirs, by=SYSTEM)
    any_catalog.hosts.add(acme.id, "apple.example.org", proof="operator", by=SYSTEM)
    with pytest.raises(
        BadHostError, match=r"looks like apple\.example\.org, another site's domain"
    ):
        any_catalog.hosts.add(other.id, theirs, proof="operator", by=SYSTEM)
    hosts = CustomHosts(any_catalog.store, domain="sos.test", backend_host="")
    assert hosts.check_name("b\u00fccher.sos.example") == "xn--bcher-kva.sos.example"
    for host in ("\u0455\u043e\u0455.test", "acme.\u0455\u043e\u0455.test"):
        with pytest.raises(BadHostError, match="the platform's own"):
            hosts.check_name(host)


GREEK, CYRILLIC = "\u03ba\u03bf\u03c4.example.org", "\u043a\u043e\u0442.example.org"


def test_two_international_hosts_that_look_alike(any_catalog: Catalog) -> None:
    """R31: one word in Greek and one in Cyrillic; the second is refused, and not to its own tenant."""
    acme, other = add(any_catalog), add(any_catalog, "other")
    any_catalog.hosts.add(acme.id, CYRILLIC, proof="operator", by=SYSTEM)
    any_catalog.hosts.add(acme.id, GREEK, by=SYSTEM)
    with pytest.raises(BadHostError, match=f"looks like {CYRILLIC} "):
        any_catalog.hosts.add(other.id, GREEK, by=SYSTEM)
    any_catalog.hosts.add(other.id, "xn--bcher-kva.example.org", proof="operator", by=SYSTEM)
    any_catalog.hosts.add(other.id, "kot.example.org", proof="operator", by=SYSTEM)


def test_a_lookalike_that_comes_meanwhile_is_found(any_catalog: Catalog) -> None:
    """R31: what was looked at before the lock was taken is looked at once more, as far as it is new."""
    acme, other = add(any_catalog), add(any_catalog, "other")
    name = canonical_host(GREEK)
    before = find_lookalike(any_catalog.store, name, other.id)
    assert before.name == ""
    any_catalog.hosts.add(acme.id, CYRILLIC, proof="operator", by=SYSTEM)
    with (
        any_catalog.store.writing(SYSTEM) as writer,
        pytest.raises(BadHostError, match=f"looks like {CYRILLIC} "),
    ):
        check_look(writer.session, name, other.id, before)


def test_of_two_that_wait_only_the_first_is_served(any_catalog: Catalog) -> None:
    """R31: while nobody served either, neither was refused; the proof of the second comes too late."""
    acme, other = add(any_catalog), add(any_catalog, "other")
    any_catalog.hosts.add(acme.id, CYRILLIC, by=SYSTEM)
    any_catalog.hosts.add(other.id, GREEK, by=SYSTEM)
    proved = Finding(Verdict.PROVED)
    assert any_catalog.host_checks.record(acme.id, CYRILLIC, proved, by=SYSTEM).is_served
    late = any_catalog.host_checks.record(other.id, GREEK, proved, by=SYSTEM)
    assert (late.is_served, late.failures) == (False, 1)
    assert late.problem.startswith(f"It is not served: it looks like {CYRILLIC} ")


def test_hosts_that_were_served_are_served_on(catalog: Catalog) -> None:
    """An operator has added each host of an older catalog: their word holds."""
    acme = add(catalog)
    config = schema._config()
    with catalog.store.engine.connect().execution_options(**WRITE) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0008-1")
        connection.execute(
            text("INSERT INTO hosts (name, tenant_id, created_at) VALUES (:name, :id, :at)"),
            {"name": SHOP, "id": acme.id, "at": "2026-01-01 00:00:00"},
        )
        command.upgrade(config, "head")
        connection.commit()

    assert catalog.tenants.get("acme").hosts == (SHOP,)
    (host,) = catalog.hosts.list()
    assert (host.state, host.proof) == (HostState.VERIFIED, "operator")
    assert host.verified_at == host.created_at
