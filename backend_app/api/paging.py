"""Cursors: where the next piece of a list begins. They name a key, so changes do not disturb them."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

import marshmallow as ma

from backend_app.api.blueprint import Schema
from backend_app.api.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog.scans import Piece

MAX_SIZE = 200


class PageSchema(Schema):
    """What every list takes."""

    cursor = ma.fields.String(
        validate=ma.validate.Length(max=200),
        metadata={"description": "The `next_cursor` of the answer before; without it, the start."},
    )
    size = ma.fields.Integer(
        load_default=50,
        validate=ma.validate.Range(1, MAX_SIZE),
        metadata={"description": "How many items at most."},
    )


def list_of(item: type[Schema]) -> type[Schema]:
    """Return the schema of a piece of a list."""
    fields: Any = {
        "items": ma.fields.List(ma.fields.Nested(item), required=True),
        "next_cursor": ma.fields.String(
            required=True,
            allow_none=True,
            metadata={"description": "Where the next piece begins; null at the end of the list."},
        ),
    }
    return type(item.__name__.replace("Schema", "ListSchema"), (Schema,), fields)


def read_cursor(arguments: dict[str, Any], kind: str) -> str | None:
    """Take the cursor out of a list's arguments, and return the key that it names.

    :param kind: Which list it is.
    :raises ProblemError: It is no cursor of this list.
    """
    cursor = arguments.pop("cursor", None)
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode("ascii")
    except (ValueError, binascii.Error):
        text = ""
    found, _, key = text.partition(":")
    if found != kind or not key.isalnum():
        sentence = f"cursor: {cursor!r:.60} is not a cursor of this list. Start without one."
        errors = {"cursor": ["It is not a cursor of this list."]}
        raise ProblemError(422, sentence, errors=errors)
    return key


def read_number(arguments: dict[str, Any], kind: str) -> int | None:
    """Like :func:`read_cursor`, for a list whose keys are numbers."""
    key = read_cursor(arguments, kind)
    if key is None:
        return None
    if not key.isdecimal() or len(key) > 18:  # noqa: PLR2004 - what a database's integer holds
        raise ProblemError(422, "cursor: It is not a cursor of this list. Start without one.")
    return int(key)


def show_piece(
    piece: Piece[Any], kind: str, key: Callable[[Any], object], show: Callable[[Any], Any]
) -> dict[str, Any]:
    """Return a piece of a list as its schema has it."""
    cursor = None
    if piece.has_more:
        text = f"{kind}:{key(piece.items[-1])}"
        cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return {"items": [show(item) for item in piece.items], "next_cursor": cursor}
