"""Planted: one app for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:
    from tenantry import Tenant

app = Flask(__name__)


def create_app(_tenant: Tenant) -> Flask:
    """Return the one app."""
    return app
