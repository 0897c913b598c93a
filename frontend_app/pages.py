"""The pages that everybody may see: the landing page and the directory of public sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, make_response, redirect, render_template, request
from markupsafe import escape

from frontend_app.context import front
from frontend_app.look import front_page, render_markdown
from tenantry import asset_url, let_caches_keep

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("pages", __name__)

SHOWN = 6
PAGE_SIZE = 24
MAX_PAGE = 100_000
MAX_SEARCH = 100
LEGAL_TITLES = {"privacy": "Privacy", "imprint": "Imprint"}
ROBOTS = "User-agent: *\nDisallow: /backend/\nDisallow: /account\nSitemap: {url}sitemap.xml\n"
SITEMAP = """<?xml version="1.0" encoding="utf-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<url><loc>{url}</loc></url>
<url><loc>{url}directory</loc></url>
</urlset>
"""


@bp.get("/")
def index() -> ResponseReturnValue:
    """Say what this is, and show some of the sites."""
    sites = front().catalog.tenants.list_public(size=SHOWN)
    return let_caches_keep(render_template("front/index.html", sites=sites))


@bp.get("/directory")
def directory() -> ResponseReturnValue:
    """List the public sites, searchable, in pages."""
    typed = "".join(char for char in request.args.get("search", "") if char.isprintable())
    search = typed.strip()[:MAX_SEARCH]
    number = min(max(request.args.get("page", 1, type=int), 1), MAX_PAGE)
    page = front().catalog.tenants.list_public(search=search, page=number, size=PAGE_SIZE)
    return let_caches_keep(render_template("front/directory.html", page=page, search=search))


@bp.get("/privacy", endpoint="privacy")
@bp.get("/imprint", endpoint="imprint")
def legal() -> ResponseReturnValue:
    """Show a legal page that the operators have written."""
    name = request.path[1:]
    text = getattr(front_page(), name)
    if not text:
        abort(404)
    title = LEGAL_TITLES[name]
    page = render_template("front/legal.html", title=title, text=render_markdown(text))
    return let_caches_keep(page)


@bp.get("/favicon.ico")
def favicon() -> ResponseReturnValue:
    """Lead programs that look nowhere else to the icon."""
    return redirect(asset_url("favicon.svg"))


@bp.get("/robots.txt")
def robots() -> ResponseReturnValue:
    """Keep search engines out of the backend."""
    text = ROBOTS.format(url=front().settings.apex_url)
    return make_response(text, {"Content-Type": "text/plain; charset=utf-8"})


@bp.get("/sitemap.xml")
def sitemap() -> ResponseReturnValue:
    """Name the platform's own pages; each site names its own."""
    text = SITEMAP.format(url=escape(front().settings.apex_url))
    return make_response(text, {"Content-Type": "application/xml; charset=utf-8"})
