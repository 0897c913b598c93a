"""The page for a name that nobody has: always 404, whatever was asked for on it.

It asks the catalog nothing and leads nowhere by itself, so that random names cost the platform no
more than the page (R6, R26).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import make_response, render_template, request

from tenantry.errors import BadSlugError
from tenantry.flask import prefers_json, problem
from tenantry.hosts import check_slug

if TYPE_CHECKING:
    from flask import Response

ENVIRON_KEY = "tenantry.unknown_slug"


def answer_unknown() -> Response | None:
    """Before every request: answer it here if its host names no tenant."""
    slug = request.environ.get(ENVIRON_KEY)
    if slug is None:
        return None
    can_be_claimed = _can_be_claimed(slug)
    if prefers_json():
        detail = "Nobody has this name yet." if can_be_claimed else "This name cannot be claimed."
        return problem(404, "No such site", detail)
    page = render_template("front/unknown.html", slug=slug, can_be_claimed=can_be_claimed)
    return make_response(page, 404)


def _can_be_claimed(slug: str) -> bool:
    try:
        check_slug(slug)
    except BadSlugError:
        return False
    return True
