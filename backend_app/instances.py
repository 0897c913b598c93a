"""What the backend asks a tenant's own app."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask import g

from backend_app.context import backend
from tenantry.errors import PoolError, SiteFailedError
from tenantry.flask.site_management import lend_management

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tenantry import Tenant
    from tenantry.management import SiteManagement

log = logging.getLogger(__name__)


def open_management(tenant: Tenant) -> AbstractContextManager[SiteManagement | None]:
    """Lend what the tenant's app offers its owner, as :func:`lend_management` does."""
    return lend_management(backend().pool, tenant)


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
