"""The host decides what a request may be about: the platform, one tenant, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import abort, g, request

from backend_app.context import backend
from tenantry import TenantState
from tenantry.environ import HOST, TENANT
from tenantry.security.keys import PLATFORM

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from tenantry import Settings, Tenant

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


def find_scope(settings: Settings, environ: WSGIEnvironment) -> Scope | None:
    """Return the scope of a request, from what the front door found out about its host.

    A site that is routed by path has its backend below that path, on the apex's host.
    """
    tenant: Tenant | None = environ.get(TENANT)
    if tenant is not None:
        return Scope(tenant) if tenant.state in MANAGEABLE else None
    host = environ.get(HOST)
    return Scope() if host == (settings.backend_host or settings.domain) else None


def set_scope() -> None:
    """Before every request: set ``g.scope``, or answer 404.

    A guess could open one customer's site to another: there is no scope by default.
    """
    scope = find_scope(backend().settings, request.environ)
    if scope is None:
        abort(404)
    g.scope = scope
