"""Error handlers of a Flask app that answer problem+json to clients that ask for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from flask import g, make_response, request
from werkzeug.http import HTTP_STATUS_CODES

from tenantry.environ import REQUEST_ID
from tenantry.ui import problems

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask, Response

FIRST_ERROR = 400
SERVER_ERROR = 500


class Faulty(Protocol):
    """A form, as WTForms has it."""

    @property
    def errors(self) -> Mapping[Any, Any]:
        """The sentences about each field that has a fault."""
        ...


def init_problems(app: Flask) -> None:
    """Make sure that no client which asks for JSON gets an error as HTML.

    An app's own error handlers say more, with :func:`problem`; this is for all the other answers, as
    a form that comes back with what is wrong with it.
    """
    app.after_request(_replace_pages)


def prefers_json() -> bool:
    """Say whether the client of this request wants JSON rather than a page."""
    return problems.prefers_json(request.headers.get("Accept", ""))


def problem(status: int, title: str, detail: str, **members: object) -> Response:
    """Return an error as a problem document (RFC 9457).

    :param members: Further members; ``request_id`` is there already, and ``error_id``, under which
        the log has the cause, for every 5xx.
    """
    request_id = request.environ.get(REQUEST_ID)
    if status >= SERVER_ERROR:
        members.setdefault("error_id", request_id)
    body = problems.encode_problem(status, title, detail, request_id=request_id, **members)
    return make_response(body, status, {"Content-Type": problems.MEDIA_TYPE})


def note_faults(form: Faulty) -> None:
    """Let a client that asks for JSON learn what is wrong with a form; pages show it anyway."""
    g.faulty_form = form


def _replace_pages(response: Response) -> Response:
    if response.status_code < FIRST_ERROR:
        return response
    response.vary.add("Accept")
    if response.mimetype == "text/html" and prefers_json():
        phrase = HTTP_STATUS_CODES.get(response.status_code, "Error")
        form: Faulty | None = g.get("faulty_form")
        detail = "The form has invalid fields." if form else "The request was refused."
        document = problem(
            response.status_code, phrase, detail, errors=dict(form.errors) if form else None
        )
        response.set_data(document.get_data())
        response.content_type = problems.MEDIA_TYPE
    return response
