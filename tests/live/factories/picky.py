"""The shipped site's factory, except that it does not build a site whose tagline is ``broken``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tenants
from tenants import dispose, provision

if TYPE_CHECKING:
    from flask import Flask

    from tenantry import Tenant

__all__ = ["create_app", "dispose", "provision"]


def create_app(tenant: Tenant) -> Flask:
    """Build the site, if its tagline will do."""
    tagline = tenant.settings.get("tagline")
    if tagline == "broken":
        raise ValueError(f"The factory does not like the tagline {tagline!r}.")
    return tenants.create_app(tenant)
