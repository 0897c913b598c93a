"""Finds what a factory makes for one app, and what its views would then share between tenants.

A full app has variables of its own in each run of its factory: a counter that a view changes, a
dictionary that fills. A prototype's factory runs once, so these are refused. What fills later in
objects of the application's own classes cannot be seen here: ``tenantry doctor`` visits two tenants.
"""

from __future__ import annotations

import dis
import functools
import itertools
import types
from collections import deque
from typing import TYPE_CHECKING, Any

from flask import views

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

FUNCTIONS_BY_SCOPE = (
    "before_request_funcs",
    "after_request_funcs",
    "teardown_request_funcs",
    "template_context_processors",
    "url_value_preprocessors",
    "url_default_functions",
)
FUNCTIONS = ("url_build_error_handlers", "teardown_appcontext_funcs", "shell_context_processors")

CONTAINERS = (dict, list, set, deque, bytearray)
ENDLESS = (itertools.count, itertools.cycle, types.GeneratorType)
_LRU = type(functools.lru_cache(lambda: None))
_STORE = dis.opmap["STORE_DEREF"]


def functions_of(app: Flask) -> Iterator[Any]:
    """Yield every function of an app that runs for a request, a page or a command."""
    yield from app.view_functions.values()
    for name in FUNCTIONS_BY_SCOPE:
        for functions in getattr(app, name).values():
            yield from functions
    for name in FUNCTIONS:
        yield from getattr(app, name)
    for codes in app.error_handler_spec.values():
        for handlers in codes.values():
            yield from handlers.values()
    environment = app.jinja_env
    for table in (environment.filters, environment.globals, environment.tests):
        yield from table.values()
    yield from (command.callback for command in app.cli.commands.values())


def find_state(app: Flask) -> Iterator[str]:
    """Yield what each function keeps between requests, in words."""
    waiting = list(functions_of(app))
    seen: set[int] = set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        kind = type(value)
        if kind is types.MethodType:
            waiting.append(value.__func__)
        elif kind is functools.partial:
            waiting += [value.func, *value.args, *value.keywords.values()]
        elif kind is types.FunctionType:
            if value.__code__.co_filename != views.__file__:  # a view's keywords may be none
                yield from _state_of(value)
            waiting += [held for _, held in _cells(value)]
            waiting.append(getattr(value, "__wrapped__", None))


def _cells(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue


def _state_of(function: types.FunctionType) -> Iterator[str]:
    code = function.__code__
    where = (
        f"{function.__module__}.{function.__qualname__} ({code.co_filename}:{code.co_firstlineno})"
    )
    for name in sorted(_written(code)):
        yield f"{where} changes {name!r}, a variable of its factory that all tenants would share"
    for name, held in _cells(function):
        kind = type(held)
        if (issubclass(kind, CONTAINERS) and not held) or kind in ENDLESS:
            what = f"a {kind.__name__} of its factory"
            yield f"{where} uses {name!r}, {what} that all tenants would share"
        elif kind is _LRU and "<locals>" in getattr(held, "__qualname__", ""):
            yield f"{where} uses {name!r}, whose results all tenants would share"


def _written(code: types.CodeType) -> set[str]:
    """Return the variables of an enclosing function that the code assigns."""
    found = set()
    if _STORE in code.co_code[::2]:
        found = {
            step.argval
            for step in dis.get_instructions(code)
            if step.opname in {"STORE_DEREF", "DELETE_DEREF"}
        }
    for inner in code.co_consts:
        if type(inner) is types.CodeType:
            found |= _written(inner)
    return found & set(code.co_freevars)
