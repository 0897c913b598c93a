"""The pages with the earlier texts of a post."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from sqlalchemy.orm.exc import StaleDataError

from tenants.access import only
from tenants.database import db
from tenants.permissions import Permission
from tenants.posts import get_own
from tenants.revisions import Before, compare, find_revision, list_revisions, note_revision
from tenants.room import FULL, find_fullness

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenants.models import Post, PostRevision

bp = Blueprint("history", __name__)

MEANWHILE = "This post was saved again just now. Look at the newest text first."


@bp.get("/posts/<slug>/revisions")
@only(Permission.WRITE)
def revisions(slug: str) -> str:
    """List the earlier texts of a post."""
    post = get_own(slug)
    return render_template("site/revisions.html", post=post, revisions=list_revisions(post))


@bp.get("/posts/<slug>/revisions/<int:version>")
@only(Permission.WRITE)
def revision(slug: str, version: int) -> str:
    """Show an earlier text, and how the present one differs from it."""
    post = get_own(slug)
    return _show(post, _get(post, version))


@bp.post("/posts/<slug>/revisions/<int:version>/restore")
@only(Permission.WRITE)
def restore(slug: str, version: int) -> ResponseReturnValue:
    """Let the post say again what it said; what it says now stays among its earlier texts."""
    post = get_own(slug)
    found = _get(post, version)
    if (found.title, found.body) == (post.title, post.body):
        return redirect(url_for("pages.post", slug=slug), 303)
    if len(found.body) > len(post.body) and (full := find_fullness()) is not None:
        flash(full, "warning")
        return _show(post, found), FULL
    before = Before.of(post)
    post.title = found.title
    post.write(found.body)
    try:
        db.session.flush()
        note_revision(post, before)
        db.session.commit()
    except StaleDataError:
        db.session.rollback()  # another request saved since the version was read
        flash(MEANWHILE, "warning")
        return redirect(url_for(".revisions", slug=slug), 303)
    flash(f"Version {version} is restored.", "success")
    return redirect(url_for("pages.post", slug=slug), 303)


def _get(post: Post, version: int) -> PostRevision:
    found = find_revision(post, version)
    if found is None:
        abort(404)
    return found


def _show(post: Post, found: PostRevision) -> str:
    lines = list(compare(found.body, post.body))
    return render_template("site/revision.html", post=post, revision=found, lines=lines)
