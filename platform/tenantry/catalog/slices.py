"""Pages of a listing, found by where the one before ended: the last one costs what the first does."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from sqlalchemy import asc, desc, func, literal, select, tuple_

from tenantry.catalog.models import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import InstrumentedAttribute

    from tenantry.catalog.store import Store

R = TypeVar("R")
T = TypeVar("T")

COUNTED = 1000
"""Rows that are counted at most: counting a million of them would cost more than showing fifty."""
BEFORE, AFTER = "b", "a"


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """One page of a listing, with the way to its neighbours."""

    items: tuple[T, ...]
    total: int
    """How many there are, up to :data:`COUNTED` and one more."""
    previous: str = ""
    """The cursor of the page before; empty on the first page."""
    following: str = ""

    @property
    def is_counted(self) -> bool:
        """Whether *total* is all."""
        return self.total <= COUNTED


class Order(NamedTuple):
    """Columns that no two rows share together, all in one direction."""

    columns: Sequence[InstrumentedAttribute[Any]]
    descending: bool = False


def read_slice(
    store: Store,
    query: Select[tuple[R]],
    order: Order,
    *,
    convert: Callable[[R], T],
    cursor: str = "",
    size: int = 50,
) -> Slice[T]:
    """Return the page of what *query* finds that *cursor* leads to; without one, the first.

    A cursor that is none, as of another order, also leads to the first page.
    """
    anchor = _read_cursor(cursor, order)
    backwards = anchor is not None and cursor.startswith(BEFORE)
    descending = order.descending != backwards
    ranged = query if anchor is None else query.where(_beyond(order, anchor, descending=descending))
    keys = [desc(column) if descending else asc(column) for column in order.columns]
    counted = query.with_only_columns(order.columns[-1]).limit(COUNTED + 1).subquery()
    with store.reading() as session:
        rows = list(session.scalars(ranged.order_by(*keys).limit(size + 1)))
        total = session.scalar(select(func.count()).select_from(counted)) or 0
        more = len(rows) > size
        shown = rows[:size][::-1] if backwards else rows[:size]
        found = tuple(convert(row) for row in shown)
        ends = [_make_cursor(row, order) for row in (shown[0], shown[-1])] if shown else ["", ""]
    has_previous, has_next = (more, True) if backwards else (anchor is not None, more)
    return Slice(
        found,
        total,
        previous=BEFORE + ends[0] if has_previous and found else "",
        following=AFTER + ends[1] if has_next and found else "",
    )


def _beyond(order: Order, anchor: Sequence[Any], *, descending: bool) -> ColumnElement[bool]:
    """Return a condition: the row lies behind the anchor."""
    values = [
        literal(value, column.type) for value, column in zip(anchor, order.columns, strict=True)
    ]
    left, right = tuple_(*order.columns), tuple_(*values)
    return left < right if descending else left > right


def _make_cursor(row: Any, order: Order) -> str:
    values = [getattr(row, column.key) for column in order.columns]
    text = json.dumps(values, default=datetime.isoformat, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str, order: Order) -> list[Any] | None:
    """Return the values of the row that a cursor names; nothing for what is no cursor of this order."""
    if cursor[:1] not in {BEFORE, AFTER}:
        return None
    padded = cursor[1:] + "=" * (-len(cursor[1:]) % 4)
    try:
        values = json.loads(base64.urlsafe_b64decode(padded))
        if not isinstance(values, list) or len(values) != len(order.columns):
            return None
        return [_read(value, column) for value, column in zip(values, order.columns, strict=True)]
    except (binascii.Error, ValueError, TypeError):
        return None


def _read(value: object, column: InstrumentedAttribute[Any]) -> Any:
    """Return a cursor's value as the column's own type.

    :raises TypeError: It is of another type.
    :raises ValueError: It is no moment.
    """
    if isinstance(column.type, UtcDateTime):
        return datetime.fromisoformat(value).astimezone(UTC)  # type: ignore[arg-type]
    kind: type[Any] = column.type.python_type
    if not isinstance(value, kind):
        raise TypeError(value)
    if isinstance(value, str) and "\0" in value:
        raise ValueError(value)  # PostgreSQL refuses it
    return value
