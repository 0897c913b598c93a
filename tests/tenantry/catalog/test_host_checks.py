"""The schedule of a custom host's checks, and the states it goes through."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from tenantry.catalog import SYSTEM, HostState
from tenantry.catalog.host_checks import needs_warning
from tenantry.catalog.models import HostRecord
from tenantry.errors import HostNotFoundError
from tenantry.values.domain_proof import Finding, Verdict
from tenantry.values.tenant import TenantState
from tests.tenantry.catalog.test_custom_hosts import add

if TYPE_CHECKING:
    from tenantry.catalog import Catalog, Host

SHOP = "shop.example.org"
PROVED = Finding(Verdict.PROVED)
FAILED = Finding(Verdict.FAILED, "There is no TXT record.")
UNKNOWN = Finding(Verdict.UNKNOWN, "No resolver answered.")


@pytest.fixture
def shop(any_catalog: Catalog) -> Host:
    """Return a host that waits for its proof."""
    acme = add(any_catalog)
    any_catalog.hosts.add(acme.id, SHOP, by=SYSTEM)
    return any_catalog.hosts.get(acme.id, SHOP)


def record(catalog: Catalog, host: Host, *findings: Finding) -> Host:
    """Note what checks have found, one after the other."""
    for finding in findings:
        host = catalog.host_checks.record(host.tenant_id, host.name, finding, by=SYSTEM)
    return host


def set_back(catalog: Catalog, **ago: timedelta) -> None:
    """Let something of every host have been so long ago."""
    values: dict[str, Any] = {name: datetime.now(UTC) - time for name, time in ago.items()}
    with catalog.store.engine.begin() as connection:
        connection.execute(update(HostRecord).values(**values))


def pause(host: Host) -> float:
    """Return the minutes until the next check."""
    assert host.check_at is not None
    return (host.check_at - datetime.now(UTC)).total_seconds() / 60


def test_a_proved_host_is_served_and_checked_daily(any_catalog: Catalog, shop: Host) -> None:
    """R30: from the moment of its proof on, and the proof has to hold."""
    epoch = any_catalog.changes.read_epoch()
    host = record(any_catalog, shop, PROVED)
    assert (host.state, host.proof, host.problem) == (HostState.VERIFIED, "dns", "")
    assert any_catalog.tenants.find_by_host(SHOP) is not None
    assert 21 * 60 < pause(host) < 27 * 60
    assert any_catalog.changes.read_epoch() == epoch + 1
    assert record(any_catalog, host, PROVED).verified_at == host.verified_at
    assert any_catalog.changes.read_epoch() == epoch + 1  # nothing new: no instance is rebuilt


def test_pauses_grow(any_catalog: Catalog, shop: Host) -> None:
    """A domain that was just set up is found in minutes, and one that never is costs little."""
    pauses = [pause(shop := record(any_catalog, shop, FAILED)) for _ in range(9)]
    assert 0.8 < pauses[0] < 1.2
    assert 25 < pauses[5] < 37
    assert max(pauses) < 67
    assert shop.problem == FAILED.problem
    host = record(any_catalog, shop, UNKNOWN)
    assert (host.failures, 8 < pause(host) < 11) == (9, True)


def test_an_unproved_host_expires_and_can_begin_anew(any_catalog: Catalog, shop: Host) -> None:
    """R30: after seven days, with another token then."""
    set_back(any_catalog, waiting_since=timedelta(days=6.9))
    assert record(any_catalog, shop, FAILED).state is HostState.PENDING
    set_back(any_catalog, waiting_since=timedelta(days=7.1))
    host = record(any_catalog, shop, UNKNOWN)
    assert (host.state, host.check_at) == (HostState.EXPIRED, None)
    assert any_catalog.host_checks.claim_due(limit=10) == ()
    host = any_catalog.host_checks.renew(host.tenant_id, SHOP, by=SYSTEM)
    assert (host.state, host.failures) == (HostState.PENDING, 0)
    assert host.token != shop.token
    assert any_catalog.host_checks.renew(host.tenant_id, SHOP, by=SYSTEM) == host


def test_a_host_is_lost_late_and_not_without_a_warning(any_catalog: Catalog, shop: Host) -> None:
    """Three checks that fail, over two days, and owners that know: then it is served no more."""
    host = record(any_catalog, shop, PROVED, FAILED)
    assert not needs_warning(host)
    host = record(any_catalog, host, FAILED, FAILED)
    set_back(any_catalog, failing_since=timedelta(days=3))
    host = record(any_catalog, host, FAILED)
    assert needs_warning(host)  # nobody was told: it stays
    assert host.is_served
    any_catalog.host_checks.note_warning(host.tenant_id, SHOP)
    set_back(any_catalog, failing_since=timedelta(hours=47))
    host = record(any_catalog, host, FAILED, UNKNOWN)
    assert (host.is_served, needs_warning(host)) == (True, False)
    set_back(any_catalog, failing_since=timedelta(hours=49))
    assert record(any_catalog, host, UNKNOWN).is_served  # an outage of resolvers takes nothing
    host = record(any_catalog, host, FAILED)
    assert (host.state, host.proof, host.verified_at) == (HostState.LOST, "", None)
    assert any_catalog.tenants.find_by_host(SHOP) is None

    bolt = add(any_catalog, "bolt")
    any_catalog.hosts.add(bolt.id, SHOP, by=SYSTEM)
    assert record(any_catalog, any_catalog.hosts.get(bolt.id, SHOP), FAILED).failures == 1
    host = record(any_catalog, host, PROVED)
    assert (host.state, host.failures, host.warned_at) == (HostState.VERIFIED, 0, None)


def test_a_warning_is_for_each_trouble(any_catalog: Catalog, shop: Host) -> None:
    """A domain that was set right begins from nothing."""
    host = record(any_catalog, shop, PROVED, FAILED, FAILED)
    any_catalog.host_checks.note_warning(host.tenant_id, SHOP)
    host = record(any_catalog, host, PROVED, FAILED)
    assert (host.failures, host.warned_at, needs_warning(host)) == (1, None, False)
    assert needs_warning(record(any_catalog, host, FAILED))


def test_a_lost_host_expires(any_catalog: Catalog, shop: Host) -> None:
    """It can come back for thirty days."""
    host = record(any_catalog, shop, PROVED, FAILED, FAILED)
    any_catalog.host_checks.note_warning(host.tenant_id, SHOP)
    set_back(any_catalog, failing_since=timedelta(days=3))
    host = record(any_catalog, host, FAILED)
    assert host.state is HostState.LOST
    set_back(any_catalog, waiting_since=timedelta(days=31))
    assert record(any_catalog, host, FAILED).state is HostState.EXPIRED


def test_who_proves_a_host_gets_it(any_catalog: Catalog, shop: Host) -> None:
    """R30: asking for a domain first keeps nobody from it; the other one is told who has it."""
    bolt = add(any_catalog, "bolt")
    any_catalog.hosts.add(bolt.id, SHOP, by=SYSTEM)
    theirs = any_catalog.hosts.get(bolt.id, SHOP)
    assert theirs.token != shop.token
    assert record(any_catalog, theirs, PROVED).is_served
    host = record(any_catalog, shop, PROVED)
    assert (host.is_served, host.failures) == (False, 1)
    assert "Another site has this domain" in host.problem
    found = any_catalog.tenants.find_by_host(SHOP)
    assert found is not None
    assert found.id == bolt.id


def test_an_operators_word_is_not_checked(any_catalog: Catalog, shop: Host) -> None:
    """What an operator vouches for is served, whatever its DNS says."""
    any_catalog.hosts.add(shop.tenant_id, SHOP, proof="operator", by=SYSTEM)
    assert any_catalog.host_checks.claim_due(limit=10) == ()
    assert record(any_catalog, shop, FAILED, FAILED, FAILED).failures == 0


def test_each_due_host_is_checked_by_one(any_catalog: Catalog, shop: Host) -> None:
    """What one worker has taken no other takes, until it must have died."""
    assert [host.name for host in any_catalog.host_checks.claim_due(limit=10)] == [SHOP]
    assert any_catalog.host_checks.claim_due(limit=10) == ()
    set_back(any_catalog, check_at=timedelta(0))
    assert len(any_catalog.host_checks.claim_due(limit=10)) == 1
    set_back(any_catalog, check_at=timedelta(0))
    any_catalog.tenants.transition(shop.tenant_id, TenantState.ARCHIVED, by=SYSTEM)
    any_catalog.tenants.transition(shop.tenant_id, TenantState.DELETED, by=SYSTEM)
    assert any_catalog.host_checks.claim_due(limit=10) == ()


def test_a_removed_host_has_no_result(any_catalog: Catalog, shop: Host) -> None:
    """A check that ends after its host was removed changes nothing."""
    any_catalog.hosts.remove(shop.tenant_id, SHOP, by=SYSTEM)
    with pytest.raises(HostNotFoundError):
        record(any_catalog, shop, PROVED)


def test_served_hosts_are_read_at_once(any_catalog: Catalog, shop: Host) -> None:
    """R29: those of a deleted tenant are not among them, and no pending one is."""
    record(any_catalog, shop, PROVED)
    any_catalog.hosts.add(shop.tenant_id, "late.example.org", by=SYSTEM)
    gone = add(any_catalog, "gone")
    any_catalog.hosts.add(gone.id, "gone.example.org", proof="operator", by=SYSTEM)
    any_catalog.tenants.transition(gone.id, TenantState.ARCHIVED, by=SYSTEM)
    any_catalog.tenants.transition(gone.id, TenantState.DELETED, by=SYSTEM)
    epoch, served = any_catalog.hosts.read_served()
    assert dict(served) == {shop.tenant_id: (SHOP,)}
    assert epoch == any_catalog.changes.read_epoch()
