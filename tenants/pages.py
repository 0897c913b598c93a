"""What every visitor sees: the front page, a post, and the files that dress them."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from flask import (
    Blueprint,
    Response,
    abort,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)

from tenantry import accent_tones, current_tenant, page_cache, read_accent
from tenants.access import find_member
from tenants.addresses import endpoint_of, url_of
from tenants.comment_rules import get_rules, is_closed, next_change
from tenants.comments import find_answered
from tenants.forms import CommentForm
from tenants.permissions import Permission
from tenants.publication import public_page
from tenants.reading import (
    find_post,
    list_comments,
    list_pages,
    list_published,
    list_titles,
    page_number,
)
from tenants.unsaved import comment_key, find_unsaved

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("pages", __name__)

YEAR = 365 * 24 * 3600
HOUR = 3600


@bp.get("/")
@public_page
def front() -> ResponseReturnValue:
    """Show a page of the newest posts."""
    page = list_published(page_number())
    return render_template("site/front.html", page=page)


@bp.get("/archive")
@public_page
def archive() -> str:
    """List the titles of all posts, by month."""
    page = list_titles(page_number())
    months = groupby(page.items, key=lambda row: row.moment.strftime("%B %Y"))
    return render_template(
        "site/archive.html",
        page=page,
        months=[(month, list(rows)) for month, rows in months],
        pages=list_pages() if page.number == 1 else (),
    )


@bp.get("/posts/<slug>")
@page_cache(vary=(), hooks=False, until=next_change)
def post(slug: str) -> ResponseReturnValue:
    """Show a post and its comments; a draft only to those who may edit it."""
    return _show(slug)


@bp.get("/pages/<slug>")
@public_page
def page(slug: str) -> ResponseReturnValue:
    """Show a page of the menu: it has neither date nor comments."""
    return _show(slug)


def _show(slug: str) -> ResponseReturnValue:
    found = find_post(slug)
    member = find_member()
    if found is None or not (found.is_published or (member and member.may_edit(found))):
        abort(404)
    number = page_number()
    if (found.slug, endpoint_of(found.is_page)) != (slug, request.endpoint):
        # Browsers ask each time: the post may go back to where it was.
        moved = redirect(url_of(found, page=number if number > 1 else None), 301)
        moved.headers["Cache-Control"] = "no-cache"
        return moved
    comments, form, answered = list_comments(found, number, member), None, None
    closed = is_closed(found, get_rules()) and not (member and member.may(Permission.MODERATE))
    if member and found.is_published and not found.is_page:
        unsaved, key = find_unsaved(comment_key(found)), comment_key(found)
        answered = find_answered(request.args.get("reply", type=int), found)
        text = unsaved.body if unsaved else ""
        form = CommentForm(
            formdata=None, data={"key": key, "text": text, "parent": answered and answered.id}
        )
    return render_template(
        "site/post.html",
        post=found,
        comments=comments,
        form=form,
        answered=answered,
        closed=closed,
    )


@bp.get("/theme.css")
def theme() -> ResponseReturnValue:
    """Serve the site's accent colour, for light and dark."""
    accent = read_accent(current_tenant.settings.get("accent"))
    css = render_template(
        "ui/colour.css",
        light=accent_tones(accent, dark=False),
        dark=accent_tones(accent, dark=True),
    )
    return _dressing(css, "text/css; charset=utf-8")


@bp.get("/favicon.svg")
def favicon() -> ResponseReturnValue:
    """Serve the site's icon: its first letter on its colour."""
    accent = accent_tones(read_accent(current_tenant.settings.get("accent")), dark=False)
    svg = render_template("site/favicon.svg", accent=accent, letter=current_tenant.name[:1].upper())
    return _dressing(svg, "image/svg+xml; charset=utf-8")


@bp.get("/favicon.ico")
def old_favicon() -> ResponseReturnValue:
    """Lead browsers that show a feed or a file, and guess, to the icon."""
    return redirect(url_for(".favicon"), 301)


def _dressing(text: str, content_type: str) -> Response:
    """Let browsers keep a file for as long as its address, which holds the site's revision."""
    response = make_response(text)
    response.headers["Content-Type"] = content_type
    response.cache_control.public = True
    if request.args.get("v") == str(current_tenant.revision):
        response.cache_control.max_age = YEAR
        response.cache_control.immutable = True
    else:
        response.cache_control.max_age = HOUR
    response.add_etag()
    response.make_conditional(request)
    return response
