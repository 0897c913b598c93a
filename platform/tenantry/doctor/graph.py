"""Walks through live objects from named roots, and tells by which names each one is reached.

Looking must change nothing and run no code of the objects: proxies, properties and ``__getattr__``
are stepped around. So types are compared with ``type()``, and attributes read below their classes.
"""

from __future__ import annotations

import functools
import gc
import threading
import types
import weakref
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MAX_OBJECTS = 3_000_000
LRU = type(functools.lru_cache(lambda: None))
LEAVES = frozenset(
    {
        int, float, complex, bool, type(None), type(Ellipsis), type(NotImplemented), range, slice,
        types.CodeType, types.BuiltinFunctionType, types.WrapperDescriptorType,
        types.MethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType,
        types.FrameType, types.TracebackType, types.ModuleType, weakref.ref,
    }
)  # fmt: skip
"""Types that lead nowhere, or where nobody should go: modules are roots of their own."""


@dataclass(frozen=True, slots=True)
class Root:
    """Where a walk begins."""

    label: str
    value: Any
    own: bool = True
    """Whether it belongs to the operator's code, not to a library."""


@dataclass(slots=True, eq=False)
class Walk:
    """What a walk came by; an object's number is its place in *objects*."""

    roots: Sequence[Root]
    objects: list[Any] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    own: list[bool] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)
    complete: bool = True

    def root(self, number: int) -> Root:
        """Return from where the object is reached."""
        while number >= len(self.roots):
            number = self.parents[number]
        return self.roots[number]

    def name(self, number: int, last: object = None) -> Name:
        """Return by which names the object is reached, and *last* inside it, if that is given."""
        chain = [last] if last is not None else []
        while number >= len(self.roots):
            chain.append(self.objects[number])
            number = self.parents[number]
        chain.append(self.objects[number])
        chain.reverse()
        return _spell(self.roots[number].label, chain)

    def attribute(self, number: int, key: str, value: object) -> Name:
        """Return the name of an attribute of the object, or the object's own if it has none."""
        name = self.name(number)
        holder, parent = self.objects[number], self.parents[number]
        whole = type(holder) is types.ModuleType or issubclass(type(holder), type)
        plain = parent >= 0 and holder is instance_dict(self.objects[parent])
        plain = plain or any(name == key for name, _ in slot_values(holder))
        if (whole or plain) and name.path == name.holder:
            path = f"{name.path}.{key}"
            return Name(path, path, value)
        return name


@dataclass(frozen=True, slots=True)
class Name:
    """How an object is reached."""

    path: str
    """All the way: ``shop.views._cache['/'].body``."""

    holder: str
    """As far as names go: ``shop.views._cache``."""

    holding: Any
    """The object that *holder* names."""

    @property
    def subject(self) -> str:
        """The holder with its kind: ``shop.views._cache (dict)``."""
        if self.holder.endswith(")"):  # it tells its kind already
            return self.holder
        held = self.holding.cell_contents if type(self.holding) is types.CellType else self.holding
        kind = "lru_cache" if type(held) is LRU else type(held).__name__
        return f"{self.holder} ({kind})"


def walk(
    roots: Sequence[Root],
    *,
    expand: Callable[[Any, bool], Iterable[Any]],
    is_own: Callable[[Any, bool], bool] = lambda _value, own: own,
    meets: Callable[[int, Any], bool] = lambda _number, _value: False,
    borders: frozenset[int] = frozenset(),
) -> Walk:
    """Go breadth first, so that the shortest way gives an object its name.

    :param expand: Returns what an object leads to; it is told whether the object is the operator's.
    :param is_own: Says whether an object is the operator's, knowing what its holder is.
    :param meets: Called with the number of a holder, and each text or border that it holds. It says
        whether that was what the walk was for.
    :param borders: Ids of objects that are met and never entered.
    """
    done = Walk(roots)
    objects, parents, own, numbers = done.objects, done.parents, done.own, done.numbers
    for number, root in enumerate(roots):
        numbers[id(root.value)] = number
        objects.append(root.value)
        parents.append(-1)
        own.append(root.own)
    number = 0
    while number < len(objects):
        for child in expand(objects[number], own[number]):
            kind = type(child)
            identity = id(child)
            if identity in borders or issubclass(kind, str | bytes):
                if meets(number, child):
                    return done
                continue
            if kind in LEAVES or identity in numbers:
                continue
            numbers[identity] = len(objects)
            objects.append(child)
            parents.append(number)
            own.append(is_own(child, own[number]))
        number += 1
        if len(objects) > MAX_OBJECTS:
            done.complete = False
            break
    return done


def children(value: Any) -> Iterable[Any]:  # noqa: PLR0911 - a table of kinds
    """Return what *value* holds."""
    kind = type(value)
    if kind is dict:
        return _interleaved(value)
    if issubclass(kind, dict):
        return (*_interleaved(value), instance_dict(value))
    if kind in (list, tuple, set, frozenset, deque):
        return tuple(value)
    if kind is types.ModuleType:
        return module_values(value).values()
    if kind is types.FunctionType:
        return _of_function(value)
    if issubclass(kind, type):
        return class_values(value).values()
    if kind is LRU:
        return (part for entry in cached(value) for part in entry)
    if issubclass(kind, threading.local):
        return (local_values(value),)
    instance_dict(value)  # makes it, so that it is one object from now on
    return [held for held in gc.get_referents(value) if held is not kind]


def module_values(module: types.ModuleType) -> dict[str, Any]:
    """Return what a module's own code has put into it: not what the import system does."""
    return {
        name: value
        for name, value in list(vars(module).items())
        if not (name.startswith("__") and name.endswith("__"))
        and not _is_elsewhere(value, module.__name__)
    }


def class_values(kind: type) -> dict[str, Any]:
    """Return a class's attributes, without those that Python makes."""
    return {
        name: value
        for name, value in list(type.__dict__["__dict__"].__get__(kind).items())
        if not (name.startswith("__") and name.endswith("__")) and name != "_abc_impl"
    }


def instance_dict(value: Any) -> dict[str, Any] | None:
    """Return an object's attributes as they are, without asking the object."""
    for base in type.__dict__["__mro__"].__get__(type(value)):
        slot = type.__dict__["__dict__"].__get__(base).get("__dict__")
        if type(slot) is types.GetSetDescriptorType:
            found = slot.__get__(value)
            return found if type(found) is dict else None
    return None


def slot_values(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes that have a slot of their own."""
    for base in type.__dict__["__mro__"].__get__(type(value)):
        for name, slot in type.__dict__["__dict__"].__get__(base).items():
            if type(slot) is types.MemberDescriptorType:
                try:
                    yield name, slot.__get__(value)
                except AttributeError:
                    continue


def local_values(value: threading.local) -> dict[str, Any]:
    """Return what a thread-local object keeps for this thread."""
    found: dict[str, Any] = threading.local.__getattribute__(value, "__dict__")
    return found


def cached(wrapper: Any) -> list[tuple[Any, Any]]:
    """Return the arguments and results that an ``lru_cache`` keeps.

    Of a bounded cache the collector sees key, result and type for each entry, in this order; an
    unbounded one has a dictionary.
    """
    held = gc.get_referents(wrapper)
    size = wrapper.cache_info().currsize
    if wrapper.cache_parameters()["maxsize"] is None:
        tables = [part for part in held if type(part) is dict and len(part) == size]
        return list(tables[0].items()) if tables else []
    places = [n for n, part in enumerate(held) if _is_link(part)]
    return [(held[place - 2], held[place - 1]) for place in places if place >= 2]  # noqa: PLR2004


def _is_link(value: Any) -> bool:
    return type(value) is type and value.__name__ == "_lru_list_elem"


def _interleaved(table: dict[Any, Any]) -> Iterator[Any]:
    for key, value in list(dict.items(table)):
        yield key
        yield value


def _is_elsewhere(value: Any, module: str) -> bool:
    """Say whether *value* is imported here: then the module that made it gives it its name."""
    kind = type(value)
    if kind is types.ModuleType:
        return True
    if kind is types.FunctionType or issubclass(kind, type):
        home: Any = (
            value.__module__
            if kind is types.FunctionType
            else type.__dict__["__dict__"].__get__(value).get("__module__")
        )
        return isinstance(home, str) and home != module
    return False


def _of_function(function: types.FunctionType) -> Iterator[Any]:
    yield from function.__closure__ or ()
    yield from (value for _, value in _defaults(function))
    if vars(function):
        yield vars(function)
    # Compiled templates have globals that are no module's.
    if "__name__" not in function.__globals__:
        yield function.__globals__


def _defaults(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the function's parameters that have a default, which is made once for all calls."""
    values = function.__defaults__ or ()
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    yield from zip(names[len(names) - len(values) :], values, strict=True)
    yield from (function.__kwdefaults__ or {}).items()


def _spell(label: str, chain: Sequence[Any]) -> Name:
    path = holder = label
    holding = chain[0]
    named = True
    for parent, value, before in zip(chain, chain[1:], (None, *chain), strict=False):
        part, plain = _step(before, parent, value)
        path += part
        named = named and plain
        if not named and (own := _own_name(value)) is not None:
            path, named = own, True
        if named:
            holder, holding = path, value
    return Name(path, holder, holding)


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
    named = [*cells, *_defaults(function)]
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
