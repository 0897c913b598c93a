"""Keeps each page to its host: accounts to that of the console, everything else to the apex.

They are one host, unless ``TENANTRY_BACKEND_HOST`` names another. Then path-routed sites may share the
apex's origin, and their scripts must not reach an account (R21).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import redirect, request

from frontend_app.context import front
from tenantry.environ import HOST

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

PUBLIC = "pages"
"""The blueprint of pages that need no account."""
EVERYWHERE = "look"
"""The blueprint of what all pages load."""


def keep_to_host() -> ResponseReturnValue | None:
    """Before every request: lead to the host that the page belongs to."""
    settings = front().settings
    if settings.accounts_host == settings.domain or request.blueprint in {None, EVERYWHERE}:
        return None
    host = request.environ.get(HOST)
    if request.blueprint == PUBLIC:
        if host != settings.accounts_host:
            return None
        return redirect(settings.backend_url) if request.path == "/" else _lead(settings.apex_url)
    return _lead(settings.accounts_url) if host != settings.accounts_host else None


def _lead(url: str) -> ResponseReturnValue:
    # A form that was sent to the wrong host is not sent again: nothing of ours has made it.
    return redirect(url + request.full_path.lstrip("/").rstrip("?"), 303)
