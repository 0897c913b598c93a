"""The front door: from a request's host or path to the app that answers it."""

from __future__ import annotations

from tenantry.dispatch.door import build_door
from tenantry.dispatch.path import PathDispatcher
from tenantry.dispatch.serving import InstanceServer
from tenantry.dispatch.subdomain import SubdomainDispatcher
from tenantry.ui.error_pages import Pages

__all__ = [
    "InstanceServer",
    "Pages",
    "PathDispatcher",
    "SubdomainDispatcher",
    "build_door",
]
