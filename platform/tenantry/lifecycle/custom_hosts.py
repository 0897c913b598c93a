"""Brings a tenant's own domain: adds, proves, chooses and removes its custom hosts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tenantry.catalog import HostState
from tenantry.domains.resolvers import Resolvers
from tenantry.errors import HostNotServedError
from tenantry.lifecycle.everywhere import obeyed_everywhere
from tenantry.lifecycle.host_news import HostEvent, find_news, tell_people
from tenantry.values.domain_proof import judge
from tenantry.values.hosts import canonical_host

if TYPE_CHECKING:
    from tenantry.catalog import Actor, Catalog, Host, HostProof
    from tenantry.lifecycle.operations import Operations
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

CHECK_PAUSE = timedelta(seconds=10)
"""Within which a host is not checked again on request: its DNS will not have changed."""


def add_host(
    operations: Operations,
    slug: str,
    host: str,
    *,
    proof: HostProof | None = None,
    take_over: bool = False,
) -> Host:
    """Give a tenant a custom host, and check its DNS at once; it is served when that proves it.

    :param proof: ``operator`` serves it on the actor's word, without a check.
    :param take_over: Also if another tenant had it a short time ago.
    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadHostError: Not a full host name, or one that mixes scripts.
    :raises HostTakenError: Another tenant has it, or it is the platform's.
    :raises HostRestingError: Another tenant had it a short time ago.
    :raises HostLimitError: Too many of the tenant's hosts wait for their proof.
    """
    tenant = operations.catalog.tenants.get(slug)
    hosts = operations.catalog.hosts
    hosts.add(tenant.id, host, proof=proof, take_over=take_over, by=operations.actor)
    found = hosts.get(tenant.id, host)
    return found if found.is_served else check_host(operations, slug, host)


def check_host(operations: Operations, slug: str, host: str) -> Host:
    """Check a host's DNS now, and return what became of it. An expired one gets a new attempt.

    If it was checked within the last ten seconds, it is returned as it is.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises HostNotFoundError: The tenant has no such host.
    """
    catalog, actor = operations.catalog, operations.actor
    found = catalog.hosts.get(catalog.tenants.get(slug).id, host)
    if found.state is HostState.EXPIRED:
        found = catalog.host_checks.renew(found.tenant_id, found.name, by=actor)
    elif found.checked_at is not None and datetime.now(UTC) - found.checked_at < CHECK_PAUSE:
        return found
    checked = look_up(catalog, found, settings=operations.settings, by=actor)
    news = find_news(found, checked)
    if news is not None and news.event is not HostEvent.WARNING:  # that one comes by itself
        tell_people(catalog, settings=operations.settings)(news)
    return checked


def make_host_primary(operations: Operations, slug: str, host: str | None) -> Tenant:
    """Let the tenant's other hosts redirect to this one; ``None`` ends that.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises HostNotFoundError: The tenant has no such host.
    :raises HostNotServedError: It is not verified.
    """
    tenant = operations.catalog.tenants.get(slug)
    return operations.catalog.hosts.set_primary(tenant.id, host, by=operations.actor)


def preview_host_primary(operations: Operations, slug: str, host: str | None) -> Tenant:
    """Return the tenant as it is now if :func:`make_host_primary` would succeed."""
    tenant = operations.catalog.tenants.get(slug)
    if host is not None:
        found = operations.catalog.hosts.get(tenant.id, host)
        if not found.is_served:
            raise HostNotServedError(found.name, found.state)
    return tenant


@obeyed_everywhere
def remove_host(operations: Operations, slug: str, host: str) -> Tenant:
    """Take a host from a tenant. If it was served, no other tenant gets it for 30 days.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises HostNotFoundError: The tenant has no such host.
    """
    tenant = operations.catalog.tenants.get(slug)
    return operations.catalog.hosts.remove(tenant.id, host, by=operations.actor)


def preview_remove_host(operations: Operations, slug: str, host: str) -> Host:
    """Return the host as it is now if :func:`remove_host` would succeed."""
    tenant = operations.catalog.tenants.get(slug)
    return operations.catalog.hosts.get(tenant.id, canonical_host(host))


def look_up(catalog: Catalog, host: Host, *, settings: Settings, by: Actor) -> Host:
    """Ask the resolvers for a host's records, note what they say, and return the host.

    :raises HostNotFoundError: It was removed meanwhile.
    """
    targets = settings.domain_targets
    views = Resolvers(settings.dns_resolvers).look_up(host.name, targets)
    finding = judge(views, host=host.name, token=host.token, targets=targets)
    return catalog.host_checks.record(host.tenant_id, host.name, finding, by=by)
