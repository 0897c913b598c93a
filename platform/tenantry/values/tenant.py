"""A tenant: the immutable value that all modules share, its states and their transitions."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tenantry.values.location import Location

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class TenantState(StrEnum):
    """Where a tenant stands in its life."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    MAINTENANCE = "maintenance"
    SUSPENDED = "suspended"
    ARCHIVED = "archived"
    DELETED = "deleted"


_S = TenantState

TRANSITIONS: Mapping[TenantState, frozenset[TenantState]] = MappingProxyType(
    {
        _S.PROVISIONING: frozenset({_S.ACTIVE, _S.DELETED}),
        _S.ACTIVE: frozenset({_S.MAINTENANCE, _S.SUSPENDED, _S.ARCHIVED}),
        _S.MAINTENANCE: frozenset({_S.ACTIVE, _S.SUSPENDED, _S.ARCHIVED}),
        _S.SUSPENDED: frozenset({_S.ACTIVE, _S.ARCHIVED}),
        _S.ARCHIVED: frozenset({_S.ACTIVE, _S.SUSPENDED, _S.DELETED}),
        _S.DELETED: frozenset({_S.ARCHIVED}),
    }
)
"""The allowed transitions.

A site that was served is archived before it is deleted: nobody writes to it any more when its last copy
is taken. What is deleted comes back to *archived*, from where an operator serves it again, and
only until its purge date; the catalog refuses it after that. Purging is no transition: a purged tenant
stays *deleted* for ever, and its id and slug are never used again.
"""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Tenant:
    """One customer and its site at one revision."""

    id: str
    """32 hexadecimal digits; opaque, never changed, never reused."""

    slug: str
    """The DNS label that names the tenant under the platform's domain; it can change."""

    name: str
    """What people call the site."""

    state: TenantState = TenantState.ACTIVE
    plan: str = "free"

    placement: str = "local"
    """Name of the database server that holds the tenant's data."""

    quiet: bool = False
    """A copy that must not speak for the original: no mail, no webhooks, no jobs, until released."""

    held_until: datetime | None = None
    """Until when a site that its owner signed up for waits for a confirmed address. It is quiet
    meanwhile, and afterwards it is removed and its slug is free again."""

    revision: int = 1
    """Grows with every change of this tenant; an instance belongs to one revision."""

    hosts: tuple[str, ...] = ()
    """Custom hosts, canonical; the first one is in the site's links. The host under the platform's
    domain follows from :attr:`slug` and is not listed."""

    primary: str = ""
    """The custom host to which the tenant's other hosts redirect; empty if none does."""

    owners: tuple[str, ...] = ()
    """E-mail addresses of the accounts that own the tenant, by address. Nothing but the catalog makes
    an owner."""

    notice: str = ""
    """What visitors read while the site is in maintenance; empty for the usual sentence."""

    reopens_at: datetime | None = None
    """When the maintenance should be over, as far as anybody knows."""

    settings: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, hash=False)
    """What the site's owner chose (JSON values)."""

    @property
    def location(self) -> Location:
        """Where its data is."""
        return Location(self.id, self.placement)

    @property
    def key(self) -> tuple[str, int]:
        """Everything that decides what an instance looks like."""
        return (self.id, self.revision)
