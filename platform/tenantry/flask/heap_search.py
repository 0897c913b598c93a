"""Finds objects in a process that serves requests, without holding what belongs to them.

``gc.get_objects`` holds every object for a moment, also the tuple in which uWSGI hands each thread its
requests. uWSGI drops a request that begins meanwhile. So the search here asks a class for its objects,
or follows what code can reach.
"""

from __future__ import annotations

import gc
import sys
import threading
from contextvars import copy_context
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

PASSING = (FrameType, TracebackType)
"""What holds an object only while code runs, as the code that looks for it does."""


def instances_of(kind: type) -> list[Any]:
    """Return all objects of a class written in Python and of its subclasses: each holds its class."""
    found = [one for one in gc.get_referrers(kind) if type(one) is kind]
    kinds: list[type] = type.__subclasses__(kind)
    return found + [one for inner in kinds for one in instances_of(inner)]


def holders_of_text(text: str, roots: Iterable[Any], *, spared: Collection[int]) -> Iterator[Any]:
    """Yield the objects that hold a text with *text* in it, as far as code can reach them.

    :param roots: Where to begin, beside all modules and what this thread keeps.
    :param spared: Ids of holders and texts that do not count.
    """
    encoded = text.encode()
    waiting = [*roots, sys.modules, copy_context()]
    seen = {id(one) for one in waiting}
    while waiting:
        holder = waiting.pop()
        for part in _held_by(holder):
            kind = type(part)
            if (kind is str and text in part) or (kind is bytes and encoded in part):
                if id(part) not in spared and id(holder) not in spared:
                    yield holder
            elif kind not in _PLAIN and id(part) not in seen:
                seen.add(id(part))
                waiting.append(part)


_PLAIN = frozenset({str, bytes, int, float, bool, type(None), *PASSING})
"""Kinds that lead no further."""


def _held_by(holder: Any) -> list[Any]:
    held = gc.get_referents(holder)
    return [*held, vars(holder)] if type(holder) is threading.local else held
