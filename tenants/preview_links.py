"""Links that show a draft to people without an account, for a week."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, current_app, make_response, redirect, render_template
from itsdangerous import BadSignature, URLSafeTimedSerializer

from tenants.addresses import url_of
from tenants.database import db
from tenants.look import public_url
from tenants.models import Post

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("preview_links", __name__)

LASTS = timedelta(days=7)


@bp.get("/preview/<token>")
def preview(token: str) -> ResponseReturnValue:
    """Show a draft; what is public by now has a page of its own."""
    post = _find_post(token)
    if post is None or post.deleted_at is not None:
        abort(404, "This link is wrong, or older than a week, or its post was deleted.")
    if post.is_published:
        return redirect(url_of(post))
    response = make_response(render_template("site/shared.html", post=post))
    # Neither search engines nor caches on the way are its readers.
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def preview_url(post: Post) -> str:
    """Return a link to the draft as it will be whenever it is opened, for a week."""
    return public_url("preview_links.preview", token=_serializer().dumps(_name(post)))


def _find_post(token: str) -> Post | None:
    try:
        name = _serializer().loads(token, max_age=int(LASTS.total_seconds()))
        post: Post | None = db.session.get(Post, name[0])
    except (BadSignature, TypeError):  # links of before had the number alone
        return None
    return post if post is not None and _name(post) == name else None


def _name(post: Post) -> list[Any]:
    """Return what no other post ever has: SQLite gives the number of an erased post again."""
    return [post.id, post.created_at.isoformat()]


def _serializer() -> URLSafeTimedSerializer:
    keys = [current_app.secret_key, *current_app.config["SECRET_KEY_FALLBACKS"]]
    return URLSafeTimedSerializer(
        keys[::-1],  # the newest last
        salt="tenants.preview",
        signer_kwargs={"digest_method": hashlib.sha256},
    )
