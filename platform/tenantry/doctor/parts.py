"""Reads what a live object holds, without running its code.

Proxies, properties and ``__getattr__`` are stepped around: types are compared with ``type()``, and
attributes are read below their classes.
"""

from __future__ import annotations

import functools
import gc
import threading
import types
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LRU = type(functools.lru_cache(lambda: None))
LEAVES = frozenset(
    {
        int, float, complex, bool, type(None), type(Ellipsis), type(NotImplemented), range, slice,
        types.CodeType, types.BuiltinFunctionType, types.WrapperDescriptorType,
        types.MethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType,
        types.FrameType, types.TracebackType, types.ModuleType, weakref.ref,
    }
)  # fmt: skip
"""Types whose objects are not followed: modules are roots of their own."""


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
    attributes = instance_dict(value)  # makes it, so that it is one object from now on
    held = [part for part in gc.get_referents(value) if part is not kind]
    if not attributes or any(part is attributes for part in held):
        return held
    # Python 3.13 shows an object's values in the place of the dictionary that names them.
    named = set(map(id, attributes.values()))
    return [attributes, *(part for part in held if id(part) not in named)]


def module_values(module: types.ModuleType) -> dict[str, Any]:
    """Return what a module's own code has put into it: not what the import system does."""
    return {
        name: value
        for name, value in list(vars(module).items())
        if not (name.startswith("__") and name.endswith("__"))
        and not _is_elsewhere(value, module.__name__)
    }


LATE = frozenset({"_abc_impl", "_unbound_fields", "_wtforms_meta"})
"""Attributes that a metaclass of a library sets at the class's first use, from the class alone."""


def class_values(kind: type) -> dict[str, Any]:
    """Return a class's attributes, without those that Python or a metaclass makes."""
    return {
        name: value
        for name, value in list(type.__dict__["__dict__"].__get__(kind).items())
        if not (name.startswith("__") and name.endswith("__")) and name not in LATE
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
    yield from (value for _, value in defaults(function))
    if vars(function):
        yield vars(function)
    # Compiled templates have globals that are no module's.
    if "__name__" not in function.__globals__:
        yield function.__globals__


def defaults(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the function's parameters that have a default, which is made once for all calls."""
    values = function.__defaults__ or ()
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    yield from zip(names[len(names) - len(values) :], values, strict=True)
    yield from (function.__kwdefaults__ or {}).items()
