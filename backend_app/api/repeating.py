"""Calls that may be repeated: with an ``Idempotency-Key``, the second one gets the first one's answer.

The key is claimed before the view runs and kept with the answer, so of two calls at once one is made.
An answer that blames the platform (5xx) is not kept: the call may be made again.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from flask import Response, g, request

from backend_app.api.access import current_token
from backend_app.api.problems import SERVER_ERROR, ProblemError
from backend_app.context import catalog
from tenantry.flask.security import SAFE_METHODS

if TYPE_CHECKING:
    from flask import Flask

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT_HEADERS = ("Content-Type", "ETag", "Location", "Retry-After")

_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")


def init_repeating(app: Flask) -> None:
    """Let calls of *app* be repeated; it comes after the check of who calls."""
    app.before_request(answer_again)
    app.after_request(keep_answer)


def answer_again() -> Response | None:
    """Before a call that changes something: return the answer that it had before, if it had one."""
    key = request.headers.get(HEADER)
    if key is None or request.method in SAFE_METHODS or "token" not in g:
        return None
    if not _KEY.match(key):
        raise ProblemError(
            422, f"{HEADER} has 1 to 255 printable ASCII characters without spaces, as a UUID has."
        )
    said = "\n".join((request.method, request.path, request.query_string.decode("latin-1")))
    fingerprint = hashlib.sha256(said.encode() + b"\n" + request.get_data()).hexdigest()
    reply = catalog().api_replies.claim(current_token().id, key, fingerprint)
    if reply is None:
        g.claimed_key = key
        return None
    return Response(reply.body, reply.status, {**reply.headers, REPLAYED: "true"})


def keep_answer(response: Response) -> Response:
    """After a call that has a key: keep its answer, or let it be made again."""
    key = g.pop("claimed_key", None)
    if key is None:
        return response
    replies, token = catalog().api_replies, current_token()
    if response.status_code >= SERVER_ERROR:
        replies.release(token.id, key)
        return response
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    body = response.get_data(as_text=True)
    replies.keep(token.id, key, status=response.status_code, headers=headers, body=body)
    return response
