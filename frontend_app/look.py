"""The look of the front app, which operators edit in the console: logo, colours and texts.

Its logo and its colours have addresses that answer on each host where the front app does: also on that
of a name that nobody has.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Blueprint, abort, make_response, render_template, request
from markdown_it import MarkdownIt
from markupsafe import Markup

from frontend_app.context import catalog
from tenantry import accent_tones, read_accent
from tenantry.ui import digest
from tenantry.values.png import Size, read_size

if TYPE_CHECKING:
    from flask import Response
    from flask.typing import ResponseReturnValue

    from tenantry.values.front_page import FrontPage

bp = Blueprint("look", __name__)

LOGO, COLOURS = "/look/logo.png", "/look/colours.css"
PATHS = frozenset({LOGO, COLOURS})
"""The addresses that answer on every host."""
FOR_EVER = "public, max-age=31536000, immutable"
"""Of an address that changes with what it leads to."""


def front_page() -> FrontPage:
    """Return the look as it is now."""
    return catalog().front_pages.get()


def has_colours(page: FrontPage) -> bool:
    """Say whether the page has another colour than the look's own."""
    return bool(page.accent or page.dark_accent)


def colours_url(page: FrontPage) -> str:
    """Return the address of the page's colours."""
    return f"{COLOURS}?v={digest(f'{page.accent} {page.dark_accent}'.encode())}"


def logo_url(page: FrontPage) -> str:
    """Return the address of the page's logo."""
    return f"{LOGO}?v={digest(page.logo)}"


def logo_size(page: FrontPage) -> Size:
    """Return the logo's size, which pages say so that nothing jumps when it comes."""
    return read_size(page.logo)


@lru_cache(maxsize=16)
def render_markdown(text: str) -> Markup:
    """Return an operator's text as HTML. It is trusted, but a pasted tag should not break the page."""
    html = MarkdownIt("commonmark", {"html": False}).render(text)
    return Markup(html)  # noqa: S704 - rendered without HTML of its own


@bp.get(LOGO)
def logo() -> ResponseReturnValue:
    """Serve the platform's logo."""
    page = front_page()
    if not page.logo:
        abort(404)
    return _kept(make_response(page.logo), "image/png", is_current=logo_url(page))


@bp.get(COLOURS)
def colours() -> ResponseReturnValue:
    """Serve the platform's colours, for light and dark."""
    page = front_page()
    css = render_template(
        "ui/colour.css",
        light=accent_tones(read_accent(page.accent), dark=False),
        dark=accent_tones(read_accent(page.dark_accent or page.accent), dark=True),
    )
    return _kept(make_response(css), "text/css; charset=utf-8", is_current=colours_url(page))


def _kept(response: Response, content_type: str, *, is_current: str) -> Response:
    """Let caches keep it, if the address was that of what is there now."""
    response.headers["Content-Type"] = content_type
    current = request.full_path == is_current
    response.headers["Cache-Control"] = FOR_EVER if current else "no-cache"
    return response
