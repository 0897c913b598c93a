"""Names an object by its path from a module."""

from __future__ import annotations

import threading
import types
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantry.doctor.parts import (
    LRU,
    class_values,
    defaults,
    instance_dict,
    module_values,
    slot_values,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Name:
    """How an object is reached."""

    path: str
    """All the way: ``shop.views._cache['/'].body``."""

    holder: str
    """As far as names go: ``shop.views._cache``."""

    holder_object: Any
    """The object that *holder* names."""

    @property
    def subject(self) -> str:
        """The holder with its kind: ``shop.views._cache (dict)``."""
        if self.holder.endswith(")"):  # it tells its kind already
            return self.holder
        held = self.holder_object
        if type(held) is types.CellType:
            held = held.cell_contents
        kind = "lru_cache" if type(held) is LRU else type(held).__name__
        return f"{self.holder} ({kind})"


def spell(label: str, chain: Sequence[Any]) -> Name:
    """Return the name of the last object of *chain*, each of which holds the next."""
    path = holder = label
    holder_object = chain[0]
    named = True
    for parent, value, before in zip(chain, chain[1:], (None, *chain), strict=False):
        part, plain = _step(before, parent, value)
        path += part
        named = named and plain
        if not named and (own := _own_name(value)) is not None:
            path, named = own, True
        if named:
            holder, holder_object = path, value
    return Name(path, holder, holder_object)


def _step(before: Any, parent: Any, value: Any) -> tuple[str, bool]:  # noqa: PLR0911 - a table of kinds
    """Return how *value* is written after *parent*, and whether that is a name or a place."""
    kind = type(parent)
    if kind is types.CellType or kind is LRU:
        return "", kind is types.CellType
    if kind is types.FunctionType:
        return _step_in_function(parent, value), True
    if issubclass(kind, dict):
        return _step_in_dict(before, parent, value)
    if kind in (list, tuple, deque):
        return f"[{next((n for n, item in enumerate(parent) if item is value), '…')}]", False
    if kind in (set, frozenset):
        return "{…}", False
    if value is instance_dict(parent) or issubclass(kind, threading.local):
        return "", True
    return _step_in_object(parent, value)


def _own_name(value: Any) -> str | None:
    """Return the name that a function or class has from its definition, wherever it is kept."""
    if type(value) is types.FunctionType:
        return f"{value.__module__}.{value.__qualname__}"
    return f"{value.__module__}.{value.__qualname__}" if type(value) is type else None


def _step_in_function(function: types.FunctionType, value: Any) -> str:
    if value is vars(function):
        return ""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
    named = [*cells, *defaults(function)]
    return next((f".{name}" for name, held in named if held is value), "")


def _step_in_dict(before: Any, table: dict[Any, Any], value: Any) -> tuple[str, bool]:
    plain = before is not None and (
        table is instance_dict(before) or issubclass(type(before), threading.local)
    )
    for key, item in dict.items(table):
        if item is value:
            return (f".{key}", True) if plain else (f"[{_shown(key)}]", False)
    return "[…]", False


def _step_in_object(parent: Any, value: Any) -> tuple[str, bool]:
    kind = type(parent)
    if kind is types.ModuleType:
        named: Iterable[tuple[str, Any]] = module_values(parent).items()
    elif issubclass(kind, type):
        named = class_values(parent).items()
    elif kind is types.MethodType:
        named = [("__self__", parent.__self__), ("__func__", parent.__func__)]
    else:
        named = slot_values(parent)
    for name, item in named:
        if item is value:
            return ("" if name == "__func__" else f".{name}"), True
    return "", True


def _shown(key: Any) -> str:
    if type(key) in (str, int, bytes, bool, float):
        text = repr(key)
        return text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004 - a line's half
    return f"<{type(key).__name__}>"
