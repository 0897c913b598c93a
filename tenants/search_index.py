"""Keeps SQLite's index of the words of posts: each change of a post changes it in the same transaction.

PostgreSQL keeps its own. Triggers would do on SQLite, if its connections trusted what stands in a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import column, event, table, text
from sqlalchemy.orm.attributes import get_history

from tenants.models import Post

if TYPE_CHECKING:
    from sqlalchemy import Connection

INDEX = table("post_search", column("rowid"))

_ADD = text("INSERT INTO post_search (rowid, title, body) VALUES (:id, :title, :body)")
_REMOVE = text(
    "INSERT INTO post_search (post_search, rowid, title, body) VALUES ('delete', :id, :title, :body)"
)


@event.listens_for(Post, "after_insert")
def _add(_mapper: object, connection: Connection, post: Post) -> None:
    if _is_sqlite(connection):
        connection.execute(_ADD, {"id": post.id, "title": post.title, "body": post.body})


@event.listens_for(Post, "after_update")
def _change(mapper: object, connection: Connection, post: Post) -> None:
    if _before(post, "title") != post.title or _before(post, "body") != post.body:
        _remove(mapper, connection, post)
        _add(mapper, connection, post)


@event.listens_for(Post, "after_delete")
def _remove(_mapper: object, connection: Connection, post: Post) -> None:
    """Take the words out that are in the index; it has to be told which."""
    if _is_sqlite(connection):
        words = {name: _before(post, name) for name in ("title", "body")}
        connection.execute(_REMOVE, {"id": post.id, **words})


def _before(post: Post, name: str) -> Any:
    """Return what the column had before this transaction changed it."""
    deleted = get_history(post, name).deleted
    return deleted[0] if deleted else getattr(post, name)


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"
