"""Puts a stand-in in the place of an object, wherever the process holds that object.

What holds an object is asked of Python's garbage collector, so nothing has to be guessed: a closure
however deep, a decorator's ``__wrapped__``, a partial, a default, an attribute of an extension, a
module's global, a Jinja global, a middleware. What cannot be changed in place is returned.
"""

from __future__ import annotations

import gc
import sys
import types
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from tenantry.flask.app_proxies import method_of
from tenantry.flask.heap_search import PASSING

if TYPE_CHECKING:
    from collections.abc import Collection

DEPTH = 6
"""How many holders lie at most between an object and the tuple or method that is replaced."""


def rebind(target: Any, stand_in: Any, *, spared: Collection[int] = ()) -> list[Any]:
    """Replace *target* by *stand_in*; return the holders in which that is not possible.

    :param stand_in: One of :mod:`~tenantry.flask.app_proxies`, or what follows from one.
    :param spared: Ids of holders that shall keep the object.
    """
    return _rebind(target, stand_in, {*spared}, DEPTH)


def _rebind(target: Any, stand_in: Any, spared: set[int], depth: int) -> list[Any]:
    left = []
    holders = deque(gc.get_referrers(target))
    spared = {*spared, id(holders)}
    while holders:
        holder = holders.popleft()
        if id(holder) in spared or issubclass(type(holder), PASSING):
            continue
        if not _replace(holder, target, stand_in, spared, depth):
            left.append(holder)
    return left


def _replace(holder: Any, old: Any, new: Any, spared: set[int], depth: int) -> bool:  # noqa: C901, PLR0911 - a table of kinds
    """Put *new* in the place of *old* in one holder; say whether that was possible."""
    kind = type(holder)
    if kind is types.CellType:
        holder.cell_contents = new
        return True
    if kind is partial:
        return _replace_in_partial(holder, old, new)
    if issubclass(kind, dict):
        return _replace_in_dict(holder, old, new, spared)
    if issubclass(kind, (list, deque)):
        for place, item in enumerate(holder):
            if item is old:
                holder[place] = new
        return True
    if kind is types.FunctionType:  # its defaults are a tuple, which has been replaced
        if holder.__defaults__ is old:
            holder.__defaults__ = new
            return True
        return False
    if depth == 0:
        return False
    if kind is types.MethodType:
        call = method_of(new, holder.__func__)
        return not _rebind(holder, call, {*spared, id(new)}, depth - 1)
    if issubclass(kind, tuple):
        changed = tuple.__new__(kind, [new if item is old else item for item in holder])
        return not _rebind(holder, changed, spared, depth - 1)
    return _replace_attribute(holder, old, new)


def _replace_in_partial(holder: partial[Any], old: Any, new: Any) -> bool:
    partly: Any = holder
    function, arguments, keywords, attributes = partly.__reduce__()[2]
    given = new if arguments is old else arguments
    named = {name: new if value is old else value for name, value in keywords.items()}
    partly.__setstate__((new if function is old else function, given, named, attributes))
    return True


def _replace_in_dict(table: dict[Any, Any], old: Any, new: Any, spared: set[int]) -> bool:
    if any(key is old for key in list(dict.keys(table))):
        return False
    if "__module__" in table and (kind := _class_of(table, spared)) is not None:
        for name, value in list(table.items()):
            if value is old:
                setattr(kind, name, new)
        return True
    for key, value in list(dict.items(table)):
        if value is old:
            dict.__setitem__(table, key, new)
    return True


def _class_of(table: dict[Any, Any], spared: set[int]) -> type | None:
    """Return the class whose attributes these are; they are not to be written past it."""
    for owner in gc.get_referrers(table):
        if id(owner) not in spared and isinstance(owner, type) and owner.__dict__ == table:
            return owner
    return None


def _replace_attribute(holder: Any, old: Any, new: Any) -> bool:
    """Replace an attribute of an object that keeps its attributes in slots, or inline."""
    done = False
    attributes = getattr(holder, "__dict__", None)
    if type(attributes) is dict:
        for name, value in list(attributes.items()):
            if value is old:
                attributes[name] = new
                done = True
    for kind in type(holder).__mro__:
        for slot in list(vars(kind).values()):
            if type(slot) is not types.MemberDescriptorType:
                continue
            with suppress(AttributeError, TypeError):
                if slot.__get__(holder) is old:
                    slot.__set__(holder, new)
                    done = True
    return done


def describe(holder: Any, *, spared: Collection[int] = ()) -> str:
    """Return whose code an object belongs to: ``shop.views.home (/srv/shop/views.py:12)``.

    An object without a name of its own is told by the nearest one that holds it and has one.
    """
    seen = {*spared, id(holder)}
    near = deque([holder])
    for _ in range(200):
        if not near:
            break
        value = near.popleft()
        if (named := _named(value)) is not None:
            return named
        referrers = gc.get_referrers(value)
        seen.add(id(referrers))
        for referrer in referrers:
            if id(referrer) not in seen and not issubclass(type(referrer), PASSING):
                seen.add(id(referrer))
                near.append(referrer)
    return f"an object of type {type(holder).__qualname__}"


def _named(value: Any) -> str | None:
    kind = type(value)
    if kind is types.FunctionType:
        code = value.__code__
        return f"{value.__module__}.{value.__qualname__} ({code.co_filename}:{code.co_firstlineno})"
    if kind is types.MethodType:
        return _named(value.__func__)
    if issubclass(kind, dict) and type(value.get("__spec__", "")).__name__ == "ModuleSpec":
        return f"module {value['__name__']} ({value.get('__file__')})"
    module = kind.__module__
    if module in sys.stdlib_module_names or module.partition(".")[0] in _PLUMBING:
        return None
    file = getattr(sys.modules.get(module), "__file__", None)
    return f"{module}.{kind.__qualname__} ({file})"


_PLUMBING = sys.stdlib_module_names | {"werkzeug", "jinja2", "click", "blinker"}
"""Modules whose objects hold what others put in."""
