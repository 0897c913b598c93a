"""Tries whether a tenant's app runs on a placement, before its visitors depend on that."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tenantry.errors import TenantryError
from tenantry.pool.probe import Probe

if TYPE_CHECKING:
    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)


def find_failure(operations: Operations, tenant: Tenant) -> str:
    """Build the tenant's app on its placement, ask for its front page, and dispose of it.

    :returns: What failed, as part of a sentence; empty if the app runs. The traceback is logged.
    """
    factory = operations.factory
    try:
        app = factory.build(tenant)
        try:
            Probe(operations.settings)(app, tenant)
        finally:
            factory.dispose(app)
    except TenantryError as error:
        return str(error).rstrip(".")
    except Exception as error:
        log.exception(
            "the app of %s (%s) does not run on placement %s",
            tenant.slug,
            tenant.id,
            tenant.placement,
        )
        return f"{type(error).__name__}: {error}"
    return ""
