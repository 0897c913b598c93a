"""What a site does with data that came out of a file, which anybody may have made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Table, select, update

from tenantry import tenant_database
from tenants import markdown
from tenants.models import Comment, Post

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from tenantry import Settings, Tenant

AT_ONCE = 200
"""Texts that are kept in memory, and made anew in one transaction."""


def receive(tenant: Tenant, settings: Settings | None = None) -> None:
    """Make the HTML of every post and comment again of its Markdown: none from a file is shown."""
    engine = tenant_database(tenant, settings).open_engine()
    try:
        for kind, render in ((Post, markdown.render), (Comment, markdown.render_comment)):
            table = kind.__table__
            assert isinstance(table, Table)
            last = _render_some(engine, table, render, after=None)
            while last is not None:
                last = _render_some(engine, table, render, after=last)
    finally:
        engine.dispose()


def _render_some(
    engine: Engine, table: Table, render: Callable[[str], str], *, after: int | None
) -> int | None:
    """Make some texts anew; return the id of the last one, ``None`` if there are no more."""
    # These columns alone: the data may be of an older revision, and lack what came later.
    texts = select(table.c.id, table.c.body).order_by(table.c.id).limit(AT_ONCE)
    if after is not None:
        texts = texts.where(table.c.id > after)
    last = None
    with engine.begin() as connection:
        for last, body in connection.execute(texts).tuples().all():
            made = {"body_html": render(str(body)), "renderer": markdown.RENDERER}
            connection.execute(update(table).where(table.c.id == last).values(made))
    return last
