"""Builds docs/api-reference.md from the API's OpenAPI document. `make reference` runs it."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from backend_app.api import make_document
from backend_app.api.document import ERRORS
from backend_app.api_page import read_calls
from tenantry.values.api_scopes import PLATFORM_SCOPES, SCOPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backend_app.api_page import Call

PAGE = Path(__file__).with_name("api-reference.md")
WIDTH = 100
INTRODUCTION = """\
# API reference

All calls of the [API](api.md), built from its OpenAPI document. Paths begin with `/backend/api/v1`.
"""


def build_page() -> str:
    """Return the page."""
    document = make_document()
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
