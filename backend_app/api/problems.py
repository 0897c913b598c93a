"""Every error of the API is a problem document (RFC 9457), from whichever code it comes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from tenantry import problem
from tenantry.errors import TenantryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask, Response

log = logging.getLogger(__name__)

FIRST_ERROR = 400
SERVER_ERROR = 500
UNPROCESSABLE = 422
KEPT_HEADERS = frozenset({"allow", "retry-after", "www-authenticate"})

SENTENCES = {
    400: "The request's body is not JSON.",
    404: "There is nothing here, or your token may not see it.",
    405: "This address does not take this method.",
    413: "The request's body is too large.",
    415: "Send the body as application/json.",
    500: "Something went wrong here. It is logged under the error's id.",
}


class ProblemError(Exception):
    """A refusal of the API itself."""

    def __init__(
        self,
        status: int,
        sentence: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(status, sentence)
        self.status, self.sentence = status, sentence
        self.headers, self.members = headers or {}, members


def init_problems(app: Flask) -> None:
    """Answer every error of *app* with a problem document."""
    app.register_error_handler(ProblemError, show_problem)
    app.register_error_handler(HTTPException, show_http_error)
    app.register_error_handler(TenantryError, show_refusal)


def show_problem(error: ProblemError) -> Response:
    """Show a refusal of the API itself."""
    return _answer(error.status, error.sentence, headers=error.headers, **error.members)


def show_http_error(error: HTTPException) -> Response:
    """Show an error of the router, the framework or the validation."""
    status = error.code or SERVER_ERROR
    if status < FIRST_ERROR:
        return error.get_response()  # type: ignore[return-value]  # a redirect of the router
    headers = {k: v for k, v in error.get_headers() if k.lower() in KEPT_HEADERS}
    data: Mapping[str, Any] = getattr(error, "data", None) or {}
    if status == UNPROCESSABLE and data.get("messages"):
        faults = _flatten(data["messages"])
        named = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in faults.items())
        return _answer(status, named, headers=headers, errors=faults)
    return _answer(status, SENTENCES.get(status, error.description or error.name), headers=headers)


def show_refusal(error: TenantryError) -> Response:
    """Show what an operation refuses, in its own sentence."""
    if error.status >= SERVER_ERROR:
        log.warning("the API answers %d: %s", error.status, error)
    wait = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
    members = {"error_id": error.error_id} if error.error_id else {}
    return _answer(error.status, str(error), headers=wait, **members)


def _answer(status: int, sentence: str, *, headers: Mapping[str, str], **members: Any) -> Response:
    response = problem(status, HTTP_STATUS_CODES.get(status, "Error"), sentence, **members)
    response.headers.update(headers)
    return response


def _flatten(messages: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the sentences by field: webargs has them by place, marshmallow by nesting."""
    found: dict[str, list[str]] = {}

    def visit(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                visit(f"{prefix}.{name}" if prefix else str(name), inner)
        else:
            found[prefix] = [str(text) for text in (value if isinstance(value, list) else [value])]

    for place in messages.values():
        visit("", place)
    return found
