"""The test kit: a pytest plugin for authors of factories; see docs/testing.md.

The fixtures are in :mod:`tenantry.testing.plugin`, which pytest loads wherever Tenantry is installed.
It must cost other people's tests nothing, so each name below is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenantry.testing.clients import SiteClient
    from tenantry.testing.isolation import assert_isolated
    from tenantry.testing.platform import Platform

__all__ = ["Platform", "SiteClient", "assert_isolated"]

_HOMES = {
    "Platform": "tenantry.testing.platform",
    "SiteClient": "tenantry.testing.clients",
    "assert_isolated": "tenantry.testing.isolation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
