"""Errors as pages in the platform's look, or as problem documents for programs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask import make_response, render_template, request
from werkzeug.exceptions import HTTPException

from frontend_app.context import front
from tenantry import init_problems, prefers_json, problem
from tenantry.errors import (
    CatalogFullError,
    CatalogUnavailableError,
    HashingBusyError,
    SignUpClosedError,
)

if TYPE_CHECKING:
    from flask import Flask
    from flask.typing import ResponseReturnValue

log = logging.getLogger(__name__)

MESSAGES = {
    400: ("That form was not complete", "Go back, reload the page and try again."),
    403: ("Not for this account", "Your account may not do this, or another site sent the form."),
    404: ("No such page", "There is no page at this address. Check its spelling."),
    405: ("Not possible like this", "This address only shows a page."),
    413: ("Too large", "Your request is larger than this page accepts."),
    500: ("Something went wrong here", "It is logged. The request's number helps to find it."),
}
FIRST_ERROR = 400
KEPT_HEADERS = frozenset({"allow", "retry-after"})


def init_errors(app: Flask) -> None:
    """Answer every error in the platform's look."""
    init_problems(app)
    app.register_error_handler(HTTPException, show_http_error)
    app.register_error_handler(SignUpClosedError, show_closed)
    app.register_error_handler(HashingBusyError, show_busy)
    app.register_error_handler(CatalogUnavailableError, show_catalog_error)
    app.register_error_handler(CatalogFullError, show_full_catalog)


def show_http_error(error: HTTPException) -> ResponseReturnValue:
    """Show an error by its status."""
    if error.code is None or error.code < FIRST_ERROR:
        return error  # A redirect of the router.
    title, message = MESSAGES.get(error.code, (error.name, error.description or ""))
    response = make_response(_show(error.code, title, message))
    for name, value in error.get_headers(request.environ):
        if name.lower() in KEPT_HEADERS:
            response.headers[name] = value
    return response


def show_closed(error: SignUpClosedError) -> ResponseReturnValue:
    """Say who may sign up."""
    return _show(error.status, "You cannot sign up here", str(error))


def show_busy(error: HashingBusyError) -> ResponseReturnValue:
    """Ask to come back: a password cannot be checked or set just now."""
    response = make_response(_show(error.status, "Try again in a moment", str(error)))
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def show_catalog_error(error: CatalogUnavailableError) -> ResponseReturnValue:
    """Say that the list of sites cannot be read now; the sites themselves go on."""
    log.error("catalog unavailable: %s", error)
    message = "The list of sites cannot be read now. The sites themselves work as before."
    response = make_response(_show(error.status, "Not available at the moment", message))
    response.headers["Retry-After"] = str(error.retry_after)
    return response


def show_full_catalog(error: CatalogFullError) -> ResponseReturnValue:
    """Say that nothing can be kept now (RFC 4918, section 11.5); what is there can be read."""
    log.error("catalog full: %s", error)
    message = "What you sent was not saved: there is no room left. Reading works as before."
    return make_response(_show(error.status, "Nothing can be saved now", message))


def _show(status: int, title: str, message: str) -> ResponseReturnValue:
    if prefers_json():
        return problem(status, title, message)
    page = render_template(
        "ui/error.html",
        layout="front/base.html",
        home_url=front().settings.apex_url,
        status=status,
        title=title,
        message=message,
    )
    return page, status
