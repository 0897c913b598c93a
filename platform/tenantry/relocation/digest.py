"""Digests of a table's rows, to compare two databases.

The order in which rows come does not matter: databases of two kinds do not sort alike.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.rows.codec import Sort

_BYTES = 16
_LIMIT = 1 << (8 * _BYTES)


@dataclass(slots=True)
class Digest:
    """So many rows, and the sum of their hashes."""

    rows: int = 0
    total: int = 0

    def add(self, rows: Iterable[Sequence[Any]], sorts: Sequence[Sort]) -> None:
        """Add rows of values as one and the same kind of driver takes them."""
        for row in rows:
            text = repr([_meant(*pair) for pair in zip(row, sorts, strict=True)])
            found = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest()
            self.total = (self.total + int.from_bytes(found, "big")) % _LIMIT
            self.rows += 1


def _meant(value: Any, sort: Sort) -> Any:  # noqa: C901, PLR0911 - one for each type
    """Return what a value means, whichever way a database has to say it."""
    match value:
        case None:
            return None
        case str():
            return _json(value) if sort == "json" else value
        case int():
            return _digits("-" if value < 0 else "", str(abs(int(value))), 0)
        case float():
            return _number(Decimal(repr(value))) if math.isfinite(value) else ("n", repr(value))
        case Decimal():
            return _number(value)
        case bytes() | bytearray() | memoryview():
            return bytes(value)
        case datetime():
            zoned = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
            return ("t", zoned.isoformat(timespec="microseconds"))
        case time():
            return ("t", value.isoformat(timespec="microseconds"))
        case date():
            return ("t", value.isoformat())
        case UUID():
            return value.hex
    raise ValueError(f"cannot compare a value of type {type(value).__name__}")


def _number(value: Decimal) -> tuple[str, ...]:
    if not value.is_finite():
        return ("n", str(value).lower())
    sign, digits, exponent = value.as_tuple()
    return _digits("-" if sign else "", "".join(map(str, digits)), int(exponent))


def _digits(sign: str, digits: str, exponent: int) -> tuple[str, ...]:
    """Return a number without the zeros around it; 0 has no sign."""
    digits = digits.lstrip("0")
    stripped = digits.rstrip("0")
    if not stripped:
        return ("n", "0")
    return ("n", sign, stripped, str(exponent + len(digits) - len(stripped)))


def _json(text: str) -> Any:
    """Return JSON without its blanks and the order of its keys, which some types do not keep."""
    try:
        content = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return text
    return ("j", json.dumps(content, sort_keys=True, default=_number))
