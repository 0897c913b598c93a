"""A search finds what code can reach, and asks a class for its objects."""

from __future__ import annotations

import gc
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tenantry.flask.heap_search import holders_of_text, instances_of

if TYPE_CHECKING:
    from collections.abc import Callable


class Parent:
    """A class with objects."""


class Child(Parent):
    """One of its subclasses, with slots."""

    __slots__ = ("text",)

    def __init__(self, text: Any) -> None:
        self.text = text


def ids(values: list[Any]) -> list[int]:
    return sorted(id(value) for value in values)


def find(mark: str, *roots: Any, spared: set[int] | None = None) -> list[int]:
    return ids(list(holders_of_text(mark, roots, spared=spared or set())))


def test_a_class_tells_its_objects_and_those_of_its_subclasses() -> None:
    """They need not be reachable from anywhere."""
    objects = [Parent(), Child("")]
    gc.collect()
    assert ids(instances_of(Parent)) == ids(objects)


@pytest.mark.parametrize("kind", [str, str.encode])
def test_a_text_is_found_in_containers_closures_and_slots(kind: Callable[[str], Any]) -> None:
    """The holder is what has the text itself, also if the collector does not list that."""
    mark = uuid4().hex
    text = kind(f"/srv/{mark}/media")
    inner, child = {"path": text}, Child(text)

    def closure() -> Any:
        return text

    cells = list(closure.__closure__ or ())
    assert find(mark, (inner, "x"), child, closure) == ids([inner, child, *cells])


def test_what_a_thread_and_its_context_keep_is_found() -> None:
    """A session that an app keeps for each thread is such a thing."""
    mark = uuid4().hex
    kept = threading.local()
    kept.paths = [f"/srv/{mark}"]
    variable: ContextVar[Any] = ContextVar("variable")
    token = variable.set({"path": f"/srv/{mark}"})
    try:
        assert find(mark, kept) == ids([kept.paths, variable.get()])
    finally:
        variable.reset(token)


def test_what_is_spared_does_not_count_but_leads_further() -> None:
    """The app's own dictionary is spared, and what is inside of it is searched."""
    mark = uuid4().hex
    text = f"/srv/{mark}"
    inner = [f"/var/{mark}"]
    root = {"own": text, "shared": [text], "inner": inner}
    assert find(mark, root, spared={id(root), id(text)}) == ids([inner])
