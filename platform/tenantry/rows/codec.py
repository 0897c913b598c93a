"""Encodes database values as JSON, exactly, for every kind of database.

Text, whole numbers, truth values, ordinary floats and ``null`` stand for themselves. Everything else
is an object with one key that says what it is, as ``{"bytes": "AAE="}``.
"""

from __future__ import annotations

import json
import math
import re
from base64 import b64decode, b64encode
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from sqlalchemy import types

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

Sort = Literal["boolean", "datetime", "date", "time", "json", "numeric", "plain", "other"]
"""What a column is for, as far as it matters for its values."""

_SORTS: tuple[tuple[type[TypeEngine[Any]], Sort], ...] = (
    (types.Boolean, "boolean"),
    (types.DateTime, "datetime"),
    (types.Date, "date"),
    (types.Time, "time"),
    (types.JSON, "json"),
    (types.Enum, "other"),
    (types.Integer, "plain"),
    (types.Float, "plain"),
    (types.Numeric, "numeric"),
    (types.LargeBinary, "plain"),
    (types.Uuid, "plain"),
    (types.String, "plain"),
)

_DATE, _TIME = r"\d{4}-\d\d-\d\d", r"\d\d:\d\d:\d\d(\.\d{1,6})?"
_SHAPES = {
    "datetime": re.compile(f"{_DATE} {_TIME}", re.ASCII),
    "date": re.compile(_DATE, re.ASCII),
    "time": re.compile(_TIME, re.ASCII),
}


def sort_of(type_: TypeEngine[Any]) -> Sort:
    """Return the sort of a column of this type."""
    return next((sort for kind, sort in _SORTS if isinstance(type_, kind)), "other")


def dump_row(values: list[Any]) -> bytes:
    """Return a row as one line."""
    return json.dumps(values, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def from_sqlite(value: Any, sort: Sort) -> Any:
    """Return what SQLite keeps as JSON. It has five types; the column tells what is meant."""
    if isinstance(value, str):
        return _from_text(value, sort)
    if sort == "boolean" and isinstance(value, int) and value in (0, 1):
        return bool(value)
    return _from_python(value)


def from_postgresql(value: Any, sort: Sort) -> Any:
    """Return what the driver gives as JSON; columns of sort ``other`` are read as text."""
    if sort == "json" and isinstance(value, str):
        return {"json": value}
    return _from_python(value)


def _from_text(value: str, sort: Sort) -> Any:
    """Return a text, or what it stands for if it is written as that is always written."""
    if sort == "json":
        return {"json": value}
    shape = _SHAPES.get(sort)
    if shape is not None and shape.fullmatch(value):
        return {sort: value.replace(" ", "T")}
    return value


def _from_python(value: Any) -> Any:  # noqa: PLR0911 - one for each type
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else {"float": repr(value)}
        case bytes() | bytearray() | memoryview():
            return {"bytes": b64encode(value).decode()}
        case Decimal():
            return {"decimal": str(value)}
        case datetime():
            if value.tzinfo is not None:
                value = value.astimezone(UTC)
            return {"datetime": value.isoformat(timespec="microseconds")}
        case date():
            return {"date": value.isoformat()}
        case time():
            return {"time": value.isoformat(timespec="microseconds")}
        case UUID():
            return {"uuid": str(value)}
    raise ValueError(f"cannot write a value of type {type(value).__name__}")


def load_row(line: bytes) -> list[Any]:
    """Return the values of a line; :func:`to_sqlite` and :func:`to_postgresql` take each.

    :raises ValueError: It is not a row.
    """
    try:
        row = json.loads(line, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(row, list):
        raise ValueError("a row must be a list")  # noqa: TRY004 - content, not a type of ours
    return row


def to_sqlite(value: Any, _sort: Sort) -> Any:
    """Return what to give to SQLite's driver.

    :raises ValueError: It cannot be kept there exactly.
    """
    value = _to_python(value)
    match value:
        case bool():
            return int(value)
        case float() if math.isnan(value):
            raise ValueError("SQLite cannot store NaN")
        case Decimal():
            return _number(value)
        case datetime():
            return value.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
        case UUID():
            return value.hex
        case _Written():
            return value.text.replace("T", " ")
    return value


def to_postgresql(value: Any, sort: Sort) -> Any:
    """Return what to give to PostgreSQL's driver.

    :raises ValueError: It cannot be kept there exactly.
    """
    value = _to_python(value)
    if isinstance(value, _Written):
        return value.read()
    if sort == "numeric" and isinstance(value, float):
        return Decimal(repr(value))  # the server itself would keep fifteen digits
    if isinstance(value, str) and "\0" in value:
        raise ValueError("PostgreSQL cannot store a text with NUL")
    return value


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def canonical(value: Any, sort: Sort) -> Any:  # noqa: PLR0911 - one for each type
    """Return what a value of a row means, the same whichever database it was read from.

    :param sort: Of the column that is compared.
    :raises ValueError: It is no value.
    """
    value = _to_python(value)
    match value:
        case None | bytes():
            return value
        case str():
            return _canonical_json(value) if sort == "json" else value
        case int():
            return _digits("-" if value < 0 else "", str(abs(int(value))), 0)
        case float():
            return _canonical_number(Decimal(repr(value)))
        case Decimal():
            return _canonical_number(value)
        case UUID():
            return value.hex
        case _Written():
            value = value.read()
    if isinstance(value, datetime):
        value = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        return value.isoformat(sep=" ", timespec="microseconds")
    return (
        value.isoformat() if isinstance(value, date) else value.isoformat(timespec="microseconds")
    )


def _canonical_number(value: Decimal) -> Any:
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


def _canonical_json(text: str) -> Any:
    """Return JSON without its blanks and the order of its keys, which some types do not keep."""
    try:
        content = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return text
    return ("j", json.dumps(content, sort_keys=True, default=_canonical_number))


def check_value(value: Any) -> None:
    """Make sure that a value of a row is one.

    :raises ValueError: It is not.
    """
    _to_python(value)


class _Written:
    """A moment, a day or a time as it was written; SQLite gets it back to the letter."""

    def __init__(self, text: str, kind: type[datetime | date | time]) -> None:
        self.text = text
        self._kind = kind
        self.read()  # what is none is refused

    def read(self) -> datetime | date | time:
        return self._kind.fromisoformat(self.text)


def _to_python(value: Any) -> Any:
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise ValueError("a value cannot be a list")  # noqa: TRY004 - content, not a type of ours
        return value
    if len(value) != 1:
        raise ValueError("a value must be an object with one key")
    ((name, content),) = value.items()
    reader = _READERS.get(name)
    if reader is None or not isinstance(content, str):
        raise ValueError(f"there is no value of type {name[:40]!r}")
    return reader(content)


def _bytes(text: str) -> bytes:
    return b64decode(text, validate=True)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError as error:
        raise ValueError(f"{text[:40]!r} is not a number") from error


def _datetime(text: str) -> datetime | _Written:
    if text.endswith("+00:00"):
        return datetime.fromisoformat(text)
    return _Written(text, datetime)


def _number(value: Decimal) -> int | float:
    """Return a decimal as SQLite keeps numbers, if that is the same number."""
    if value.is_finite() and value == value.to_integral_value() and abs(value) < 2**63:
        return int(value)
    number = float(value)
    if not value.is_finite() or Decimal(repr(number)) != value:
        raise ValueError(f"SQLite cannot store a number as exact as {str(value)[:60]}")
    return number


_READERS: dict[str, Any] = {
    "bytes": _bytes,
    "float": float,
    "decimal": _decimal,
    "datetime": _datetime,
    "date": lambda text: _Written(text, date),
    "time": lambda text: _Written(text, time),
    "json": str,
    "uuid": UUID,
}
