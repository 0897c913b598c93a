"""How the backend reaches into a tenant's own app: on a lease, in its app context, and no longer."""

from __future__ import annotations

import logging
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flask import g
from werkzeug.exceptions import HTTPException

from backend_app.context import backend
from tenantry.errors import PoolError, TenantryError
from tenantry.management import EXTENSION as MANAGEMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry import Tenant
    from tenantry.management import SiteManagement

log = logging.getLogger(__name__)

ANSWERS = (ValueError, LookupError, HTTPException, TenantryError)
"""What a site may raise to say no; anything else is a failure of its own."""


class SiteFailedError(TenantryError):
    """The tenant's app failed while the backend asked it for something."""

    message = "The app of {slug!r} failed (error {error_id})."
    remedy = "The log has the cause under that id."
    status = 503
    retry_after = 5
    slug: str
    error_id: str


@contextmanager
def open_management(tenant: Tenant) -> Iterator[SiteManagement | None]:
    """Lend what the tenant's app offers its owner, or ``None`` if it offers nothing.

    Inside, ``current_app`` and ``g`` are the tenant's: take values out, render afterwards.

    :raises PoolError: There is no instance to ask.
    :raises SiteFailedError: The app failed, as it does when its database is broken.
    """
    with backend().pool.acquire(tenant) as lease:
        app = lease.instance
        # Any WSGI app may be a tenant's; only a Flask app can offer something here.
        offered = getattr(app, "extensions", {}).get(MANAGEMENT)
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


def find_section_names() -> tuple[tuple[str, str], ...]:
    """Return name and label of the current tenant's sections, for the menu.

    A menu must not take the page down: if the app does not answer, it has no sections.
    """
    if "section_names" not in g:
        g.section_names = _read_section_names(g.scope.tenant)
    names: tuple[tuple[str, str], ...] = g.section_names
    return names


def _read_section_names(tenant: Tenant) -> tuple[tuple[str, str], ...]:
    try:
        with open_management(tenant) as offered:
            sections = offered.sections if offered else ()
            return tuple((section.name, section.label) for section in sections)
    except (PoolError, SiteFailedError) as error:
        log.warning("no sections of tenant %s in the menu: %s", tenant.id, error)
    return ()
