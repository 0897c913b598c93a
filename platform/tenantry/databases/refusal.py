"""Translates the refusal of a closed, moved database into :class:`SiteMovingError`.

When its tenant has just left it, SQLite calls the refusal a broken constraint, which apps take for
their own visitors' mistake: a name that is taken, say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import event

from tenantry.errors import SiteMovingError

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import Dialect, ExceptionContext


def tell_moves(target: Engine | Dialect) -> None:
    """Raise ``SiteMovingError`` where a database refuses a write because its tenant has left."""
    if not event.contains(target, "handle_error", _tell):
        event.listen(target, "handle_error", _tell)


def _tell(context: ExceptionContext) -> None:
    if _is_closed(context.original_exception):
        raise SiteMovingError from context.original_exception


def _is_closed(error: BaseException) -> bool:
    # Never a part of what is said: in that, values of a visitor's may stand.
    if getattr(error, "sqlite_errorname", "") == "SQLITE_CONSTRAINT_TRIGGER":
        return str(error) == SiteMovingError.notice
    return getattr(error, "sqlstate", None) == SiteMovingError.sqlstate


def first_line(error: Exception) -> str:
    """Return what a database said, in one line."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
