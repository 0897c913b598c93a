"""How the backend reaches into a tenant's own app: on a lease, in its app context, and no longer."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flask import g

from backend_app.context import backend
from tenantry.errors import PoolError
from tenantry.flask.management import EXTENSION as MANAGEMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.flask.management import SiteManagement
    from tenantry.tenant import Tenant

log = logging.getLogger(__name__)


@contextmanager
def open_management(tenant: Tenant) -> Iterator[SiteManagement | None]:
    """Lend what the tenant's app offers its owner, or ``None`` if it offers nothing.

    Inside, ``current_app`` and ``g`` are the tenant's: take values out, render afterwards.

    :raises PoolError: There is no instance to ask.
    """
    with backend().pool.acquire(tenant) as lease:
        app = lease.instance
        # Any WSGI app may be a tenant's; only a Flask app can offer something here.
        offered = getattr(app, "extensions", {}).get(MANAGEMENT)
        if offered is None:
            yield None
            return
        with app.app_context():
            yield offered


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
    except PoolError as error:
        log.warning("no sections of tenant %s in the menu: %s", tenant.id, error)
    except Exception:
        log.exception("no sections of tenant %s in the menu: its app failed", tenant.id)
    return ()
