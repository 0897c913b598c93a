"""Where people go from here: to a site, signed in there, or to its backend."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from flask import redirect, request

from frontend_app.context import catalog, current_actor, front
from tenantry import TenantState, is_local_path
from tenantry.errors import PoolError, SiteFailedError
from tenantry.flask.leading import lead_to
from tenantry.flask.site_management import find_entry_path

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from tenantry import Tenant
    from tenantry.catalog import Account

log = logging.getLogger(__name__)

ENTER_LIVES = timedelta(seconds=60)
MANAGEABLE = frozenset({TenantState.ACTIVE, TenantState.MAINTENANCE, TenantState.SUSPENDED})
"""The states in which a tenant has a backend."""
LAYOUT = "front/base.html"


def go_to_site(tenant: Tenant, account: Account) -> Response:
    """Lead to the site, signed in as its owner; where the site offers no such way, to its backend."""
    url = None
    if tenant.state is TenantState.ACTIVE and account.email in tenant.owners:
        try:
            path = find_entry_path(front().pool, tenant, account)
        except (PoolError, SiteFailedError) as error:
            log.warning("cannot ask tenant %s to let its owner in: %s", tenant.id, error)
            path = None
        if path is not None:
            url = front().settings.site_url(tenant).rstrip("/") + path
            who = current_actor(account)
            catalog().audit.record("site.opened", tenant_id=tenant.id, by=who)
    return go_on(url or make_backend_url(tenant, account), name=tenant.name)


def go_to_backend(tenant: Tenant, account: Account, *, page: str = "") -> Response:
    """Lead to the tenant's backend by a link for one use within a minute."""
    return go_on(make_backend_url(tenant, account, page=page), name=tenant.name)


def make_backend_url(tenant: Tenant, account: Account, *, page: str = "") -> str:
    """Return that link.

    :param page: A page of the backend to go on to.
    """
    token = catalog().links.create(
        "enter",
        account_id=account.id,
        tenant_id=tenant.id,
        lifetime=ENTER_LIVES,
        by=current_actor(account),
    )
    settings = front().settings
    query = f"?{urlencode({'next': page})}" if is_local_path(page) else ""
    return f"{settings.url_of(settings.host_of(tenant))}/backend/enter/{token}{query}"


def go_on(url: str, *, name: str) -> Response:
    """Redirect to another host; after a form was sent, by a page that does."""
    if request.method == "GET":
        return redirect(url, 303)
    return lead_to(url, name=name, layout=LAYOUT)
