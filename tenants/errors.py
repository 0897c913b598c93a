"""Pages for requests that fail, in the site's look."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from flask import current_app, g, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, InternalServerError

from tenantry import (
    current_tenant,
    init_problems,
    is_disk_full,
    prefers_json,
    problem,
    tenant_database,
)
from tenantry.errors import (
    LostPlaceError,
    PlacementError,
    SiteMovingError,
    UnknownPlacementError,
)
from tenants.access import find_member
from tenants.carrying import find_carried
from tenants.database import db
from tenants.menu import list_menu
from tenants.recovery import show_again

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask, Response
    from flask.typing import ResponseReturnValue

RETRY_SECONDS = 30
NO_ROOM = 507
"""Insufficient Storage (RFC 4918, section 11.5). Unlike 503 it tells programs not to send a form again
by themselves; nothing says when there will be room, so there is no Retry-After."""
READ_ONLY = "25006"
"""PostgreSQL's SQLSTATE for a write in a transaction that only reads."""

TITLES = {
    400: (
        "This request could not be understood",
        "The browser sent something that this site does not understand.",
    ),
    403: (
        "You may not use this page",
        "Your account may not do this. If it should, ask the site's owner.",
    ),
    404: (
        "There is no such page",
        "It may have been moved or deleted, or the address is misspelled.",
    ),
    405: (
        "This page cannot be used like this",
        "This page cannot be used in this way. Go back and try again.",
    ),
    413: (
        "That is too large",
        "Your request is larger than this site accepts.",
    ),
    500: (
        "Something went wrong here",
        "The error was logged. You did not cause it.",
    ),
}
STALE_FORM = (
    "The form was open for too long, or was sent from another site. "
    "Go back, reload the page and try again."
)
DOWN = (
    "This site is not available right now",
    "Its database does not answer. Try again soon. The platform's operator finds the cause in the log.",
)
NOT_SAVED = (
    "Nothing can be saved now",
    "What you sent was not saved. Reading works as before; try again later.",
)
MOVING = (
    "Nothing was saved yet",
    "This site is being moved, which takes a moment. Go back and send the form again.",
)


def init_app(app: Flask) -> None:
    """Register the pages, and the problem documents for clients that ask for JSON."""
    init_problems(app)
    app.register_error_handler(HTTPException, _show_http_error)
    app.register_error_handler(CSRFError, _show_stale_form)
    app.register_error_handler(InternalServerError, _show_crash)
    app.register_error_handler(DBAPIError, _show_database_error)
    app.register_error_handler(PoolTimeoutError, _show_database_error)
    app.register_error_handler(PlacementError, _show_resting)
    app.register_error_handler(UnknownPlacementError, _show_resting)
    app.register_error_handler(LostPlaceError, _show_resting)
    app.register_error_handler(OSError, _show_full_disk)
    app.register_error_handler(SiteMovingError, _show_moving)


def _show_http_error(error: HTTPException) -> Response | HTTPException:
    """Say in words what the status means; the error's own sentence is better than ours."""
    if error.code is None or error.code < 400:  # noqa: PLR2004 - redirects are exceptions, too
        return error
    # For the menu; here, because templates must not fail.
    if (trouble := _find_trouble(find_member)) is not None:
        return trouble
    _find_trouble(list_menu)  # without the site's pages it is a menu still
    title, message = TITLES.get(error.code, (error.name, ""))
    if error.description and error.description != type(error).description:
        message = error.description
    response = error.get_response()
    return _page(error.code, title, message or error.description or "", response)  # type: ignore[arg-type]


def _find_trouble(ask: Callable[[], object]) -> Response | None:
    """Ask the database something; return the page that says that it does not answer."""
    try:
        ask()
    except SQLAlchemyError as failure:
        return _show_database_error(failure)
    except (PlacementError, UnknownPlacementError, LostPlaceError) as failure:
        return _show_resting(failure)
    return None


def _show_stale_form(error: CSRFError) -> ResponseReturnValue:
    """Show the form again where it had text; the token of an ended session fits no more."""
    if not prefers_json() and (carried := find_carried()) is not None:
        try:
            return show_again(carried)
        except HTTPException as refusal:
            return _show_http_error(refusal)
    error.description = STALE_FORM
    return _show_http_error(error)


def _show_crash(error: InternalServerError) -> Response | HTTPException:
    """Answer a bug, without the database, which may be the reason."""
    cause = error.original_exception
    if isinstance(cause, (DBAPIError, PoolTimeoutError)) and not isinstance(cause, IntegrityError):
        return _show_database_error(cause)
    g.without_database = True
    return _page(500, *TITLES[500])


def _show_database_error(error: SQLAlchemyError) -> Response:
    """Answer 503 and leave nothing broken behind for the next request."""
    if isinstance(error, IntegrityError):
        raise error  # our mistake, not the database's: a 500 with a traceback in the log
    database = tenant_database()
    _log(database.shown, getattr(error, "orig", None) or error)
    full = _changes() and is_disk_full(error)
    db.session.remove()
    # An open connection would hold on to a file that has been put back in the meantime.
    db.engine.dispose()
    if full:
        return _refuse_for_room()
    return _rest(*(NOT_SAVED if _is_refused_write(error) else DOWN))


def _show_full_disk(error: OSError) -> Response:
    """Answer for what was to be written beside the database, as the parts of a large form are."""
    if not is_disk_full(error):
        raise error
    _log(error.filename or "folder for temporary files", error)
    # Who is still sending would not see the answer.
    with suppress(OSError, HTTPException):
        while request.stream.read(1 << 16):
            pass
    return _refuse_for_room()


def _refuse_for_room() -> Response:
    g.without_database = True
    return _page(NO_ROOM, *NOT_SAVED)


def _show_resting(error: PlacementError | UnknownPlacementError | LostPlaceError) -> Response:
    """Answer 503 for a site whose placement is not there, or must not be used."""
    _log(current_tenant.placement, error)
    return _rest(*DOWN)


def _show_moving(error: SiteMovingError) -> Response:
    """Answer 503 for a write that came just when the site's database went to another place."""
    db.session.remove()
    return _rest(*MOVING, retry_after=error.retry_after)


def _rest(title: str, message: str, *, retry_after: int = RETRY_SECONDS) -> Response:
    g.without_database = True
    response = _page(503, title, message)
    response.retry_after = retry_after
    return response


def _log(place: str, error: BaseException) -> None:
    current_app.logger.error(
        "site %s (tenant %s): database %s: %s", current_tenant.slug, current_tenant.id, place, error
    )


def _is_refused_write(error: SQLAlchemyError) -> bool:
    if not _changes():
        return False
    cause = getattr(error, "orig", None)
    name: str = getattr(cause, "sqlite_errorname", "")
    return name.startswith("SQLITE_READONLY") or getattr(cause, "sqlstate", "") == READ_ONLY


def _changes() -> bool:
    return request.method not in {"GET", "HEAD"}


def _page(status: int, title: str, message: str, response: Response | None = None) -> Response:
    response = response or make_response()
    response.status_code = status
    if prefers_json():
        document = problem(status, title, message)
        response.set_data(document.get_data())
        response.content_type = document.content_type
    else:
        page = render_template("site/error.html", status=status, title=title, message=message)
        response.set_data(page)
        response.content_type = "text/html; charset=utf-8"
    return response
