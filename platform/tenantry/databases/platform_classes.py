"""SQLAlchemy's classes as the platform uses them for itself.

A library can listen on a class of SQLAlchemy, and then hears of every object of it in the process:
SQLAlchemy-Continuum listens on ``Session``, and apps on ``Engine`` to set pragmas. Such a listener
knows its own app's tables only, and would raise in the catalog's transactions. SQLAlchemy leaves out
the classes that say so.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.pool import QueuePool


class PlatformSession(Session):
    """A session that listeners on ``Session`` do not hear of."""

    _sa_propagate_class_events = False


class PlatformMapper(Mapper[Any]):
    """A mapper that listeners on ``Mapper`` do not hear of."""

    _sa_propagate_class_events = False


class PlatformPool(QueuePool):
    """A pool that listeners on ``Pool`` do not hear of, nor those on ``Engine`` for its connections."""

    _sa_propagate_class_events = False


class PlatformEngine(Engine):
    """An engine that listeners on ``Engine`` do not hear of."""

    _sa_propagate_class_events = False


def create_platform_engine(
    url: str | URL, *, query_cache_size: int = 500, **options: Any
) -> Engine:
    """Return an engine that only listeners on itself hear of.

    :param options: Those of ``create_engine`` that belong to the pool and the driver.
    """
    made = create_engine(url, poolclass=PlatformPool, **options)
    # People's data is none of the log's.
    return PlatformEngine(
        made.pool, made.dialect, made.url, query_cache_size=query_cache_size, hide_parameters=True
    )
