"""Responses of a site whose database or disk fails.

That is a write for which its old database is closed and the new one not yet known, and a password while
as many are being checked as may be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import current_app
from werkzeug.exceptions import ServiceUnavailable

from tenantry.errors import HashingBusyError, SiteMovingError

if TYPE_CHECKING:
    from flask import Flask
    from flask.typing import ResponseReturnValue


def answer_unavailable(app: Flask) -> None:
    """Have *app* answer 503 with ``Retry-After``, unless it has an answer of its own.

    It looks as the app's other errors of HTTP do.
    """
    for kind in (SiteMovingError, HashingBusyError):
        if kind not in app.error_handler_spec[None][None]:
            app.register_error_handler(kind, _answer)


def _answer(error: SiteMovingError | HashingBusyError) -> ResponseReturnValue:
    refused = ServiceUnavailable(str(error), retry_after=error.retry_after)
    return current_app.handle_user_exception(refused)
