"""What a body must be before it is looked into: JSON, and text that can be stored."""

from __future__ import annotations

import json

from flask import request

from backend_app.api.problems import ProblemError

JSON = "application/json"


def check_body() -> None:
    """Before every request: refuse a body that is no JSON, or that no database could hold."""
    if not request.content_length:
        return
    if request.mimetype != JSON:
        raise ProblemError(415, f"Send the body as {JSON}, not as {request.mimetype!r:.60}.")
    if b"\\u" in request.get_data():
        try:
            json.dumps(request.get_json(silent=True), ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            sentence = "The body has half of a surrogate pair, which is no character."
            raise ProblemError(422, sentence) from error
