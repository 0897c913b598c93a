"""Finds shared mutable state: one tenant's data in it, and changes between visits."""

from __future__ import annotations

import contextvars
import itertools
import types
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenantry.doctor.findings import Finding, unsafe, warning
from tenantry.doctor.graph import Root, Walk, walk
from tenantry.doctor.neutral import is_neutral, modules
from tenantry.doctor.parts import (
    LRU,
    cached,
    children,
    class_values,
    instance_dict,
    module_values,
    slot_values,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tenantry.doctor.identity import Identity
    from tenantry.doctor.naming import Name
    from tenantry.doctor.neutral import Ownership

CHECK = "shared state"
SCALARS = frozenset({str, bytes, int, float, bool, complex, type(None)})
MUTABLE = frozenset({list, set, deque, bytearray, types.CellType, itertools.count})
MOST_NAMES = 64
PROXIES = frozenset({"LocalProxy", "SQLAlchemy", "TenantSQLAlchemy", "scoped_session"})
"""Types of module-level names that answer differently for each tenant."""

REACHED = "every tenant reaches it"
KEYING = "Key it by tenant id, store it in app.extensions, or remove it."


@dataclass(slots=True, eq=False)
class Look:
    """What was reachable at one moment by any tenant, but for one of them."""

    walk: Walk
    prints: dict[int, Any] = field(default_factory=dict)
    """What each mutable object looked like, by its id."""

    met: list[tuple[int, Any]] = field(default_factory=list)
    """What carries the tenant's mark, and the number of what holds it."""

    keyed: list[Any] = field(default_factory=list)
    """Containers with entries under the tenant's own key."""


def look(roots: list[Root], *, identity: Identity, ownership: Ownership) -> Look:
    """Walk through all that *roots* reach, but for what is kept under the tenant's own key."""
    prints: dict[int, Any] = {}
    met: list[tuple[int, Any]] = []
    keyed: list[Any] = []

    def expand(value: Any, own: bool) -> Iterable[Any]:  # noqa: FBT001 - a callback's shape
        if is_neutral(value):
            return ()
        found = list(_without_own(value, identity, keyed))
        shown = _print(value, found, own=own)
        if shown is not None:
            prints[id(value)] = shown
        return found

    def meet(number: int, value: Any) -> bool:
        if value is identity.app or identity.is_in(value):
            met.append((number, value))
        return False

    done = walk(
        roots,
        expand=expand,
        is_own=ownership.is_own,
        meets=meet,
        borders=frozenset({id(identity.app)}),
    )
    return Look(done, prints, met, keyed)


def roots_of(other: Any, *, ownership: Ownership) -> list[Root]:
    """Return where to begin: the operator's modules, then the rest, then the other tenant's app."""
    found = [Root(name, module, ownership.is_own_module(name)) for name, module in modules()]
    found.sort(key=lambda root: not root.own)
    values = {variable.name: value for variable, value in contextvars.copy_context().items()}
    return [*found, Root("app", other), Root("context variables", values)]


def left_behind(seen: Look, identity: Identity) -> Iterator[Finding]:
    """Yield what the tenant left where its neighbour can reach it."""
    for number, value in seen.met:
        name = seen.walk.name(number, value)
        what = "app" if value is identity.app else "data"
        yield unsafe(
            CHECK,
            name.subject,
            f"It holds the first tenant's {what}, and {REACHED}{_place(name)}.",
            KEYING,
        )


def changed(before: Look, after: Look) -> Iterator[Finding]:
    """Yield the shared state that the tenant's requests changed between two looks."""
    for identity, shown in after.prints.items():
        earlier = before.prints.get(identity)
        number = after.walk.numbers[identity]
        if earlier is None or earlier == shown:
            continue
        if not after.walk.own[number] and (
            type(after.walk.objects[number]) is LRU or not after.walk.root(number).own
        ):
            continue  # a library's own business: nothing of a tenant's was met there
        name = _changed_name(after.walk, number, earlier, shown)
        yield _changed(name, after.walk, number)


def unkeyed_caches(seen: Look, identity: Identity) -> Iterator[Finding]:
    """Yield the ``functools`` caches whose functions depend on the tenant, but not their keys."""
    for number, value in enumerate(seen.walk.objects):
        if type(value) is not LRU or not seen.walk.own[number]:
            continue
        asked = reads_context(value.__wrapped__)
        if asked and any(not identity.keys(key) for key, _ in cached(value)):
            name = seen.walk.name(number)
            yield unsafe(
                CHECK,
                name.subject,
                f"It returns the same results for every tenant, but its function reads {asked}.",
                "Make the tenant's id an argument, or remove the cache.",
            )


def reads_context(function: Any) -> str | None:
    """Return the name of something that a function asks and that is different for each tenant."""
    if type(function) is not types.FunctionType:
        return None
    names = (name for name in function.__code__.co_names if name in function.__globals__)
    return next(
        (name for name in names if type(function.__globals__[name]).__name__ in PROXIES), None
    )


def kept_entries(seen: Look) -> Iterator[Finding]:
    """Yield the operator's containers that keep an entry of a tenant whose app is disposed of."""
    for container in seen.keyed:
        number = seen.walk.numbers.get(id(container))
        if number is None or not seen.walk.own[number]:
            continue
        name = seen.walk.name(number)
        yield warning(
            CHECK,
            name.subject,
            "It keeps the tenant's entry after its instance was disposed of, so it grows with the "
            "number of tenants.",
            "Remove the entry in dispose(app), or limit the container.",
        )


def _without_own(value: Any, identity: Identity, keyed: list[Any]) -> Iterator[Any]:
    """Yield what *value* holds, but for what it keeps under the tenant's own key."""
    kind: Any = type(value)
    if kind is LRU:
        yield from _results(value, identity, keyed)
        return
    if not issubclass(kind, dict) and kind is not set:
        yield from children(value)
        return
    entries = list(dict.items(value)) if kind is not set else [(key,) for key in value]
    kept = [entry for entry in entries if not identity.keys(entry[0])]
    if len(kept) < len(entries):
        keyed.append(value)
    for entry in kept:
        yield from entry
    if kind not in (dict, set):
        yield instance_dict(value)


def _results(wrapper: Any, identity: Identity, keyed: list[Any]) -> Iterator[Any]:
    """Yield a cache's results that do not follow from what the tenant's visitors sent."""
    yield wrapper.__wrapped__
    skipped = False
    for key, result in cached(wrapper):
        if identity.keys(key):
            skipped = True
        elif not identity.marks(key):
            yield result
    if skipped:
        keyed.append(wrapper)


def _print(value: Any, found: list[Any], *, own: bool) -> Any:  # noqa: PLR0911 - a table of kinds
    """Return what *value* looks like, to be compared later; ``None`` if it cannot change."""
    kind = type(value)
    if kind is types.ModuleType:
        return {name: _face(item) for name, item in module_values(value).items()} if own else None
    if issubclass(kind, type):
        return {name: _face(item) for name, item in class_values(value).items()} if own else None
    if kind is itertools.count:
        return repr(value)
    if issubclass(kind, dict):
        return _print_table(value, found, own=own)
    if kind is LRU or kind is set:
        return sum(hash(_face(item)) for item in found)
    if kind in MUTABLE or issubclass(kind, list | deque):
        return hash(tuple(_face(item) for item in found))
    if own and (slots := dict(slot_values(value))):
        return {name: _face(item) for name, item in slots.items()}
    return None


def _print_table(value: Any, found: list[Any], *, own: bool) -> Any:
    pairs = zip(found[::2], found[1::2], strict=False)
    if own and len(value) <= MOST_NAMES:
        return {key if type(key) is str else id(key): _face(item) for key, item in pairs}
    return sum(hash((_face(key), _face(item))) for key, item in pairs)


def _face(value: Any) -> Any:
    """Return what tells one value from another: itself if it is simple, else its identity."""
    return (type(value), value) if type(value) in SCALARS else id(value)


def _changed_name(seen: Walk, number: int, earlier: Any, shown: Any) -> Name:
    """Return the name of the attribute that is another simple value now, or of its holder."""
    if isinstance(earlier, dict) and isinstance(shown, dict):
        for key in (*shown, *earlier):
            face = shown.get(key)
            if isinstance(key, str) and isinstance(face, tuple) and face != earlier.get(key):
                return seen.attribute(number, key, face[1])
    return seen.name(number)


def _changed(name: Name, seen: Walk, number: int) -> Finding:
    if type(seen.objects[number]) is LRU:
        return warning(
            CHECK,
            name.subject,
            "A request of the first tenant filled it, and its keys name no tenant. That is right "
            "only if its results depend only on its arguments.",
            "Make the tenant's id an argument if they do.",
        )
    if seen.own[number]:
        reached = "the second tenant's app has it" if name.path.startswith("app.") else REACHED
        return unsafe(
            CHECK,
            name.subject,
            f"The first tenant's requests changed it, and {reached}{_place(name)}.",
            KEYING,
        )
    return warning(
        CHECK,
        name.subject,
        "The first tenant's requests changed it. It belongs to a library and is shared by all "
        f"tenants{_place(name)}.",
        "Make sure that it holds no tenant's data.",
    )


def _place(name: Name) -> str:
    return "" if name.path == name.holder else f", at {name.path}"
