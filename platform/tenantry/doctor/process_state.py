"""Compares what builds leave in the process: log handlers, loggers, listeners of SQLAlchemy."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Pool
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Mapper, Session

from tenantry.doctor.findings import Finding, unsafe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOGS = "logs"
LISTENERS = "listeners"
KINDS: tuple[Any, ...] = (Engine, Pool, Session, Mapper)


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What the process had at one moment."""

    handlers: Mapping[str, int]
    """How many handlers each logger has."""

    disabled: frozenset[str]
    listeners: Mapping[str, tuple[Any, ...]]
    """The functions that listen to an event of all engines, pools, sessions or mappers."""

    @classmethod
    def take(cls) -> ProcessState:
        """Look at the process as it is now."""
        known = logging.root.manager.loggerDict.items()
        loggers = {name: each for name, each in known if isinstance(each, logging.Logger)}
        loggers["root"] = logging.root
        return cls(
            handlers={name: len(each.handlers) for name, each in loggers.items()},
            disabled=frozenset(name for name, each in loggers.items() if each.disabled),
            listeners=dict(_listeners()),
        )

    def switched_off(self, later: ProcessState) -> Iterator[Finding]:
        """Yield the loggers that builds switched off."""
        for name in sorted(later.disabled - self.disabled):
            yield unsafe(
                LOGS,
                f"{name} (logger)",
                "A build switched it off, so its lines are lost.",
                "Configure logging outside of the factory, or with disable_existing_loggers=False.",
            )

    def grown(self, later: ProcessState, *, builds: int) -> Iterator[Finding]:
        """Yield what grew by each of so many builds.

        :param later: The state after them. One that adds something once, at its first build, is right.
        """
        for name, number in later.handlers.items():
            if number - self.handlers.get(name, 0) >= builds:
                yield unsafe(
                    LOGS,
                    f"{name} (logger)",
                    "Each build adds a handler to it: lines of all tenants go to all handlers, and are "
                    "written once for each build.",
                    "Add the handler once, when the module is imported.",
                )
        for name, functions in later.listeners.items():
            if len(functions) - len(self.listeners.get(name, ())) >= builds:
                code = getattr(functions[-1], "__code__", None)
                place = (
                    f" The function is at {code.co_filename}:{code.co_firstlineno}." if code else ""
                )
                yield unsafe(
                    LISTENERS,
                    f"{name} (listener)",
                    f"Each build adds one, and it is called for every tenant.{place}",
                    "Add it once, when the module is imported.",
                )


def _listeners() -> Iterator[tuple[str, tuple[Any, ...]]]:
    for kind in KINDS:
        for event in kind.dispatch._event_names:  # noqa: SLF001 - SQLAlchemy lists them nowhere else
            by_class = getattr(kind.dispatch, event)._clslevel  # noqa: SLF001
            found = [function for functions in by_class.values() for function in functions]
            yield f"{kind.__name__}.{event}", tuple(found)
