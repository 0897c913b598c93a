"""Who may enter which backend, and the way there: a link for one use within a minute."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from flask import g

from backend_app.context import backend, catalog, current_actor
from backend_app.scope import MANAGEABLE
from tenantry.flask.leading import lead_to

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from backend_app.scope import Scope
    from tenantry import Tenant
    from tenantry.catalog import Account, AccountSession

ENTER = "enter"
"""The purpose of the links that lead to a tenant's backend."""
LINK_LIVES = timedelta(seconds=60)


def is_manageable(tenant: Tenant) -> bool:
    """Say whether the tenant has a backend to enter."""
    return tenant.state in MANAGEABLE


def may_enter(session: AccountSession, account: Account, scope: Scope) -> bool:
    """Say whether a session counts in a scope. Each request asks, not only the sign-in.

    A session holds for the one host that it was made on. On a tenant's host, an operator's session
    counts while the account is an operator's. Any other counts while the account owns or staffs the
    tenant.
    """
    if scope.tenant is None:
        return session.tenant_id is None
    if session.tenant_id != scope.tenant.id:
        return False
    if session.as_operator:
        return account.operator
    return catalog().memberships.find_role(account.id, scope.tenant.id) is not None


def go_to_backend_of(tenant: Tenant, *, reason: str = "") -> Response:
    """Make the link and lead the browser to it."""
    token = catalog().links.create(
        ENTER, account_id=g.account.id, tenant_id=tenant.id, lifetime=LINK_LIVES, by=current_actor()
    )
    if reason:
        detail = {"reason": reason}
        catalog().audit.record(
            "backend.visit", tenant_id=tenant.id, detail=detail, by=current_actor()
        )
    settings = backend().settings
    origin = settings.url_of(settings.host_of(tenant))
    return go_to(f"{origin}/backend/enter/{token}", name=tenant.name)


def go_to(url: str, *, name: str) -> Response:
    """Answer a form with a page that goes on to another host by itself."""
    return lead_to(url, name=name, layout="backend/base.html")
