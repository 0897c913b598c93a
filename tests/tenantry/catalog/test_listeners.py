"""Libraries that listen on SQLAlchemy's classes do not reach the catalog."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.pool import Pool

from tenantry.catalog import SYSTEM, Catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVENTS: tuple[tuple[type, str], ...] = (
    (Session, "before_flush"),
    (Session, "after_begin"),
    (Session, "after_commit"),
    (Mapper, "before_insert"),
    (Mapper, "before_update"),
    (Engine, "before_cursor_execute"),
    (Engine, "begin"),
    (Engine, "connect"),
    (Engine, "checkout"),
    (Pool, "connect"),
)
"""What libraries and apps listen on: SQLAlchemy-Continuum's sessions, pragmas for each engine."""


@contextmanager
def listening(listener: Callable[..., Any]) -> Iterator[None]:
    """Listen on all classes, as a library does when it is imported."""
    for target, name in EVENTS:
        event.listen(target, name, listener)
    try:
        yield
    finally:
        for target, name in EVENTS:
            event.remove(target, name, listener)


def test_listeners_on_classes_do_not_reach_the_catalog(any_catalog: Catalog) -> None:
    """A library's listener knows its own app's tables; in the catalog it would raise."""
    heard: list[Any] = []

    def hear(*arguments: Any) -> None:
        heard.append(arguments)

    any_catalog.store.engine.dispose()  # connections of a new app's first visit
    with listening(hear):
        acme = any_catalog.tenants.add("acme", name="Acme", by=SYSTEM)
        any_catalog.provisioning.activate({acme.id: None}, by=SYSTEM)
        assert any_catalog.tenants.get("acme").id == acme.id
        assert heard == []

        engine = create_engine("sqlite://")  # an app's own engine is heard of
        with Session(engine) as session:
            session.execute(text("SELECT 1"))
        engine.dispose()
        assert len(heard) > 4
