"""The host decides what a request may be about: the platform, one tenant, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import abort, g, request

from backend_app.context import backend
from tenantry.secrets import PLATFORM
from tenantry.tenant import TenantState

if TYPE_CHECKING:
    from backend_app.context import Backend
    from tenantry.tenant import Tenant

MANAGEABLE = frozenset({TenantState.ACTIVE, TenantState.MAINTENANCE, TenantState.SUSPENDED})
"""The states in which a tenant has a backend. The others have no site to manage."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The whole platform, or one tenant and nothing beyond it."""

    tenant: Tenant | None = None

    @property
    def key(self) -> str:
        """What a session must carry to count here."""
        return self.tenant.id if self.tenant else PLATFORM


def find_scope(parts: Backend, host: str) -> Scope | None:
    """Return the scope of a canonical *host*."""
    settings = parts.settings
    if host == (settings.backend_host or settings.domain):
        return Scope()
    tenant = parts.find_tenant(host)
    if tenant is None or tenant.state not in MANAGEABLE:
        return None
    return Scope(tenant)


def set_scope() -> None:
    """Before every request: set ``g.scope``, or answer 404.

    The host comes from the platform's own parser. Without it nothing says which scope this is, and
    a guess could open one customer's site to another.
    """
    host = request.environ.get("tenantry.host")
    scope = find_scope(backend(), host) if host else None
    if scope is None:
        abort(404)
    g.scope = scope
