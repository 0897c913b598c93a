"""What the front app works with: handed in once, found again in every request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import current_app

if TYPE_CHECKING:
    from tenantry import Settings
    from tenantry.catalog import Catalog

EXTENSION = "tenantry.front"


@dataclass(frozen=True, slots=True)
class Front:
    """The collaborators of one front app."""

    settings: Settings
    catalog: Catalog


def front() -> Front:
    """Return the collaborators of the app that answers this request."""
    return cast("Front", current_app.extensions[EXTENSION])
