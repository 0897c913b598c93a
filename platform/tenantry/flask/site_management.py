"""How the platform's apps reach into a tenant's own app: on a lease, in its app context, no longer."""

from __future__ import annotations

import logging
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException

from tenantry.errors import SiteFailedError, TenantryError
from tenantry.flask.security import is_local_path
from tenantry.management import EXTENSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.catalog import Account
    from tenantry.management import SiteManagement
    from tenantry.pool import InstancePool
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)

ANSWERS = (ValueError, LookupError, HTTPException, TenantryError)
"""What a site may raise to say no; anything else is a failure of its own."""


@contextmanager
def lend_management(pool: InstancePool[Any], tenant: Tenant) -> Iterator[SiteManagement | None]:
    """Lend what the tenant's app offers its owner, or ``None`` if it offers nothing.

    Inside, ``current_app`` and ``g`` are the tenant's: take values out, render afterwards.

    :raises PoolError: There is no instance to ask.
    :raises SiteFailedError: The app failed, as it does when its database is broken.
    """
    with pool.acquire(tenant) as lease:
        app = lease.instance
        # Any WSGI app may be a tenant's; only a Flask app can offer something here.
        offered = getattr(app, "extensions", {}).get(EXTENSION)
        if offered is None:
            yield None
            return
        try:
            with app.app_context():
                yield offered
        except ANSWERS:
            raise
        except Exception as error:
            error_id = secrets.token_hex(4)
            log.exception("the app of %s (%s) failed, error %s", tenant.slug, tenant.id, error_id)
            raise SiteFailedError(tenant.slug, error_id) from error


def find_entry_path(pool: InstancePool[Any], tenant: Tenant, account: Account) -> str | None:
    """Return a path of the site that signs its owner in there once; ``None`` if it has none.

    :raises PoolError: There is no instance to ask.
    :raises SiteFailedError: The app failed.
    """
    with lend_management(pool, tenant) as offered:
        if offered is None:
            return None
        path = offered.entry_path(email=account.email, name=account.name)
    return path if is_local_path(path) else None
