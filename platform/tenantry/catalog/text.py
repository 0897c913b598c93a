"""Normalises text for storage and search in any of the catalog's databases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import false, or_

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

MAX_TOLD = 2000
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"]{1,64}@[^\s<>()\[\],;:\"]+")


def storable(text: str, most: int = 200) -> str:
    """Return a text as people meant it: PostgreSQL stores no NUL, and no column is endless."""
    return text.replace("\0", "").strip()[:most]


def without_addresses(text: str) -> str:
    """Return a mail server's words without the e-mail addresses in them."""
    return _ADDRESS.sub("(address)", text[:MAX_TOLD])


def contains(text: str, *columns: Any) -> ColumnElement[bool]:
    """Return a condition: one of the columns contains *text*, wildcards taken literally."""
    if "\0" in text:
        return false()  # PostgreSQL refuses it, SQLite would stop reading there and find everything
    return or_(*(column.icontains(text, autoescape=True) for column in columns))
