"""Errors for programs, as RFC 9457 describes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flask import make_response, request

if TYPE_CHECKING:
    from flask import Response

JSON_TYPES = frozenset({"application/json", "application/problem+json"})


def prefers_json() -> bool:
    """Say whether the client asked for JSON rather than for a page; HTML in doubt."""
    wanted = request.accept_mimetypes.best_match(["text/html", *sorted(JSON_TYPES)])
    return wanted in JSON_TYPES


def problem(status: int, title: str, detail: str) -> Response:
    """Return the error as a problem document."""
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if request_id := request.environ.get("tenantry.request_id"):
        document["request_id"] = request_id
    return make_response(
        json.dumps(document) + "\n", status, {"Content-Type": "application/problem+json"}
    )
