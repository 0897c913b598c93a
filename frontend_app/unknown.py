"""The page for a name that nobody has: always 404, whatever was asked for on it.

It asks the catalog nothing and leads nowhere by itself, so that random names cost the platform no
more than the page (R6, R26).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import make_response, render_template, request

from frontend_app.context import front
from tenantry.flask import prefers_json, problem
from tenantry.hosts import judge_name

if TYPE_CHECKING:
    from flask import Response

ENVIRON_KEY = "tenantry.unknown_slug"


def answer_unknown() -> Response | None:
    """Before every request: answer it here if its host names no tenant."""
    slug = request.environ.get(ENVIRON_KEY)
    if slug is None:
        return None
    verdict = judge_name(slug, backend_label=front().settings.backend_label)
    if prefers_json():
        free = "Nobody has this name yet."
        detail = f"No site can have this name: {verdict.problem}." if verdict.problem else free
        return problem(404, "No such site", detail)
    return make_response(render_template("front/unknown.html", slug=slug, verdict=verdict), 404)
