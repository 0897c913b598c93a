"""Errors as pages in the backend's look, each with the id under which it is logged."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask import make_response, render_template, request
from werkzeug.exceptions import HTTPException, InternalServerError

from tenantry import init_problems, prefers_json, problem
from tenantry.errors import (
    CatalogFullError,
    CatalogUnavailableError,
    HashingBusyError,
    LookupLimitError,
    PoolError,
    SiteFailedError,
    TenantNotFoundError,
)

if TYPE_CHECKING:
    from flask import Flask, Response
    from flask.typing import ResponseReturnValue

log = logging.getLogger(__name__)

MESSAGES = {
    400: ("That form was not complete", "Go back, reload the page and try again."),
    403: ("Not for this account", "You are signed in, but your account may not use this page."),
    404: ("Nothing here", "This page does not exist, or your account may not see it."),
    405: ("Not possible like this", "This address works only from a form."),
    413: ("Too large", "Your request is larger than this page accepts."),
    429: ("Too many requests", "Wait a moment and try again."),
    500: ("Something went wrong here", "It is logged. The request's number helps to find it."),
}
FIRST_ERROR = 400
KEPT_HEADERS = frozenset({"allow", "retry-after"})


def init_errors(app: Flask) -> None:
    """Answer every error with a page, or a problem document for clients that ask for JSON."""
    init_problems(app)
    app.register_error_handler(HTTPException, show_http_error)
    app.register_error_handler(TenantNotFoundError, show_no_tenant)
    app.register_error_handler(PoolError, show_pool_error)
    app.register_error_handler(SiteFailedError, show_pool_error)
    app.register_error_handler(LookupLimitError, show_limit)
    app.register_error_handler(HashingBusyError, show_busy)
    app.register_error_handler(CatalogUnavailableError, show_catalog_error)
    app.register_error_handler(CatalogFullError, show_full_catalog)


def show_http_error(error: HTTPException) -> ResponseReturnValue:
    """Show an error by its status."""
    if error.code is None or error.code < FIRST_ERROR:
        return error  # A redirect of the router.
    title, message = MESSAGES.get(error.code, (error.name, error.description or ""))
    # After an unforeseen error the page must not depend on what may have caused it.
    response = _page(error.code, title, message, bare=error.code == InternalServerError.code)
    for name, value in error.get_headers(request.environ):
        if name.lower() in KEPT_HEADERS:
            response.headers[name] = value
    return response


def show_no_tenant(error: TenantNotFoundError) -> ResponseReturnValue:  # noqa: ARG001
    """Answer as for any page that does not exist."""
    return _page(404, *MESSAGES[404])


def show_pool_error(error: PoolError | SiteFailedError) -> ResponseReturnValue:
    """Say that the site's app does not run; the backend around it does."""
    log.warning("cannot manage %s: %s", error.slug, error)
    return _page(
        error.status,
        "This site's app does not answer",
        "Its settings and its activity are still here. Try again in a moment; if it stays like "
        "this, tell the platform's operator the error's number.",
        error_id=error.error_id,
        retry_after=error.retry_after,
    )


def show_limit(error: LookupLimitError) -> ResponseReturnValue:
    """Ask to come back: too many unknown hosts are being asked for."""
    return _page(error.status, *MESSAGES[error.status], retry_after=error.retry_after, bare=True)


def show_busy(error: HashingBusyError) -> ResponseReturnValue:
    """Ask to come back: a password cannot be checked or set just now."""
    return _page(error.status, "Try again in a moment", str(error), retry_after=error.retry_after)


def show_catalog_error(error: CatalogUnavailableError) -> ResponseReturnValue:
    """Say that nothing can be looked up now; without the catalog nobody is known."""
    log.error("catalog unavailable: %s", error)
    message = "The platform's catalog cannot be read now. Try again in a moment."
    title = "Not available at the moment"
    return _page(error.status, title, message, retry_after=error.retry_after, bare=True)


def show_full_catalog(error: CatalogFullError) -> ResponseReturnValue:
    """Say that nothing can be kept now (RFC 4918, section 11.5); what is there can be read."""
    log.error("catalog full: %s", error)
    message = (
        "What you sent was not saved: the disk of the platform's records is full. Reading works as "
        "before."
    )
    return _page(error.status, "Nothing can be saved now", message, bare=True)


def _page(
    status: int,
    title: str,
    message: str,
    *,
    error_id: str | None = None,
    retry_after: int | None = None,
    bare: bool = False,
) -> Response:
    """Return the answer; a *bare* page has no menu, so it asks neither the catalog nor a site."""
    if prefers_json():
        response = problem(status, title, message, **({"error_id": error_id} if error_id else {}))
    else:
        page = render_template(
            "backend/error.html",
            layout="ui/base.html" if bare else "backend/base.html",
            status=status,
            title=title,
            message=message,
            error_id=error_id,
        )
        response = make_response(page, status)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response
