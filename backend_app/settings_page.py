"""Operators read the settings: each value, and where it comes from. Secrets are never shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Blueprint, render_template
from pydantic import BaseModel

from backend_app.access import OPERATORS, open_to
from backend_app.context import backend
from tenantry import Settings
from tenantry.settings import PREFIX, SECRET_FIELDS, find_source

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("settings_page", __name__)

HIDDEN = SECRET_FIELDS | {"pin", "factory_args"}
"""What is not shown: the values that an app is given may be secrets of its own."""


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """A setting as the page shows it."""

    name: str
    value: str
    source: str
    """Empty for the default."""
    meaning: str
    is_hidden: bool


@bp.get("/settings/all")
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """List every setting."""
    return render_template("backend/settings.html", settings=list_settings(backend().settings))


def list_settings(settings: Settings) -> list[ShownSetting]:
    """Return all settings of a platform, the ones that somebody has set first."""
    found = [
        ShownSetting(
            f"{PREFIX}{name}".upper(),
            _show_secret(getattr(settings, name))
            if name in HIDDEN
            else _show(getattr(settings, name)),
            _find_source(settings, name),
            field.description or "",
            name in HIDDEN,
        )
        for name, field in Settings.model_fields.items()
    ]
    return sorted(found, key=lambda one: not one.source)


def _find_source(settings: Settings, name: str) -> str:
    source = find_source(name)
    if not source and name == "secret_keys" and settings.secret_keys:
        return "the file secret_keys in the data folder"
    return source


def _show_secret(value: Any) -> str:
    return "set, not shown" if value else "not set"


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return json.dumps({key: _plain(one) for key, one in value.items()}) if value else ""
    if isinstance(value, (tuple, list)):
        return ", ".join(str(one) for one in value)
    return "" if value is None else str(value)


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_none=True) if isinstance(value, BaseModel) else str(value)
