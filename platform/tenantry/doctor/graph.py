"""Walks the graph of live objects from named roots, and records each object's path."""

from __future__ import annotations

import types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenantry.doctor.naming import Name, spell
from tenantry.doctor.parts import LEAVES, instance_dict, slot_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_OBJECTS = 3_000_000


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
        return spell(self.roots[number].label, chain)

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
