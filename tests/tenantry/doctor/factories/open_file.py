"""Planted: a file in the tenant's folder that ``dispose`` does not close."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flask import Flask

from tenantry import current_settings

if TYPE_CHECKING:
    from tenantry import Tenant


def create_app(tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    folder = current_settings.tenant_dir(tenant.id)
    folder.mkdir(parents=True, exist_ok=True)
    os.open(folder / "journal", os.O_CREAT | os.O_WRONLY)
    app = Flask(__name__)
    app.add_url_rule("/", "home", lambda: "Welcome.")
    return app
