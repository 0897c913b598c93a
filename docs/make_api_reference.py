"""Builds docs/api-reference.md from the API's OpenAPI document. `make reference` runs it."""

from __future__ import annotations

import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from backend_app.api import create_api
from backend_app.api.document import DOCUMENT, ERRORS
from backend_app.api_page import read_calls
from backend_app.context import Backend
from tenantry.catalog import open_catalog
from tenantry.factory import Factory
from tenantry.pool import InstancePool
from tenantry.settings import Settings
from tenantry.values.api_scopes import PLATFORM_SCOPES, SCOPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backend_app.api_page import Call
    from tenantry import Tenant

PAGE = Path(__file__).with_name("api-reference.md")
WIDTH = 100
INTRODUCTION = """\
# API reference

All calls of the [API](api.md), built from its OpenAPI document. Paths begin with `/backend/api/v1`.
"""


def build_page() -> str:
    """Return the page."""
    document = read_document()
    groups: dict[str, list[Call]] = {}
    for call in read_calls(document):
        groups.setdefault(call.group, []).append(call)
    parts = [INTRODUCTION, "## Scopes\n", *_list_scopes(), ""]
    parts += ["## Errors\n", *(_item(f"{status}: {text}") for status, text in ERRORS.items())]
    for group, calls in groups.items():
        parts.append(f"\n## {group.capitalize()}")
        for call in calls:
            parts += ["", *_show(call)]
    return "\n".join(parts) + "\n"


def read_document() -> dict[str, Any]:
    """Return the document of an API that serves nobody."""

    def build(tenant: Tenant) -> Any:
        raise NotImplementedError(tenant)

    with tempfile.TemporaryDirectory() as folder:
        key = SecretStr("0123456789abcdef" * 2)
        settings = Settings(data_dir=Path(folder), secret_keys=(key,))
        catalog, pool = open_catalog(settings), InstancePool(build)
        try:
            api = create_api(Backend(settings, catalog, Factory(build=build), pool))
            document: dict[str, Any] = api.extensions[DOCUMENT]
        finally:
            pool.close()
            catalog.close()
    return document


def _list_scopes() -> Iterator[str]:
    for name, text in SCOPES.items():
        only = " Platform tokens only." if name in PLATFORM_SCOPES else ""
        yield _item(f"`{name}`: {text}.{only}")


def _show(call: Call) -> Iterator[str]:
    yield f"### `{call.method} {call.path}`\n"
    yield textwrap.fill(f"{call.summary}. {' '.join(call.text.split())}", WIDTH)
    if call.values:
        yield ""
    for value in call.values:
        place = f"{value.place}, required" if value.is_required else value.place
        yield _item(f"`{value.name}` ({place}): {value.text}".rstrip(": "))


def _item(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="- ", subsequent_indent="  ")


if __name__ == "__main__":
    PAGE.write_text(build_page(), encoding="utf-8")
