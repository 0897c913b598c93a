"""Error documents of RFC 9457, and the choice between them and a page."""

from __future__ import annotations

import json

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

MEDIA_TYPE = "application/problem+json"

# HTML stands first: it is what a client gets that likes all of them as well.
_OFFERS = ("text/html", MEDIA_TYPE, "application/json")


def prefers_json(accept: str) -> bool:
    """Say whether a client wants JSON rather than a page, by its ``Accept`` (RFC 9110, 12.5.1).

    Quality values count, and the more specific of two equal ones: ``application/json, */*`` asks for
    JSON. A client that says nothing gets a page.

    >>> prefers_json("text/html;q=0.5, application/json"), prefers_json("*/*")
    (True, False)
    """
    # Most requests for unknown hosts come from browsers and robots, and parsing costs ten times this.
    if "json" not in accept:
        return False
    return parse_accept_header(accept, MIMEAccept).best_match(_OFFERS, "text/html") != "text/html"


def encode_problem(status: int, title: str, detail: str, **members: object) -> bytes:
    """Return the body of an answer whose type is :data:`MEDIA_TYPE`.

    :param detail: A sentence about this one request.
    :param members: Further members, as ``request_id``; empty ones are left out.
    """
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    problem.update({name: value for name, value in members.items() if value})
    return json.dumps(problem).encode() + b"\n"
