"""The bundled site as a full app for each tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenants import demonstrate, dispose, provision
from tenants.site import build_site

if TYPE_CHECKING:
    from flask import Flask

    from tenantry import Tenant

__all__ = ["create_app", "demonstrate", "dispose", "provision"]


def create_app(_tenant: Tenant) -> Flask:
    """Build one tenant's app; the platform binds it."""
    return build_site()
