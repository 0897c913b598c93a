"""What templates and URL rules compile to: the same in all the apps that tests build."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from jinja2 import BytecodeCache
from werkzeug.routing import Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from jinja2.bccache import Bucket


class _Templates(BytecodeCache):
    """Keeps templates' code in memory, apart for environments that compile differently."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._kept.get(self._key(bucket))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[self._key(bucket)] = bucket.code

    def _key(self, bucket: Bucket) -> Hashable:
        environment = bucket.environment
        # A filter may be called with constants when a template is compiled.
        return (
            bucket.key,
            bucket.checksum,
            frozenset(environment.extensions),
            frozenset(environment.filters.items()),
        )


def _once(compile_builder: Callable[[Rule, bool], Any]) -> Callable[..., Any]:
    """Return the method of rules that compiles how their URLs are built, with a memory."""
    kept: dict[Hashable, Any] = {}

    def compile_or_find(rule: Rule, append_unknown: bool = True) -> Any:  # noqa: FBT001, FBT002
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        key = (rule.rule, append_unknown, *rule._trace)
        if key not in kept:
            kept[key] = compile_builder(rule, append_unknown)
        return kept[key]

    return compile_or_find


@contextmanager
def compiling_once() -> Iterator[None]:
    """Let the apps of the block share code: half of the time of building one is spent on compiling."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "jinja_options", {"bytecode_cache": _Templates()})
        patch.setattr(Rule, "_compile_builder", _once(Rule._compile_builder))
        yield
