"""The pages of uploaded files, and the files themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    jsonify,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from sqlalchemy import true

from tenantry import accept_body, ask_first, current_tenant, note_faults, prefers_json
from tenants.access import get_member, only
from tenants.database import db
from tenants.embedding import markdown_of, path_of_file
from tenants.forms import DescriptionForm, UploadForm
from tenants.media_library import (
    DOWNLOAD,
    EmptyFileError,
    NoRoomError,
    add_file,
    delete_media,
    find_media,
    list_media,
    list_uses,
)
from tenants.media_store import open_store
from tenants.models import Post
from tenants.permissions import Permission
from tenants.pictures import BadPictureError, PicturesBusyError
from tenants.publication import is_public
from tenants.reading import page_number
from tenants.room import FULL
from tenants.text import clean_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask.typing import ResponseReturnValue
    from sqlalchemy import ColumnElement

    from tenants.media_models import Media

bp = Blueprint("media", __name__)

YEAR = 365 * 24 * 3600
BUSY, RETRY_SECONDS = 503, "3"
REFUSALS: Mapping[type[Exception], int] = {
    BadPictureError: 422,
    EmptyFileError: 422,
    NoRoomError: FULL,
    PicturesBusyError: BUSY,
}
"""Why a file is not taken, and the status that says so."""
QUERY_LENGTH = 100
CONTAINED = "default-src 'none'; sandbox"
"""The policy of each file: opened by itself, it runs nothing and loads nothing (R46)."""

_VERSION = re.compile(r"[0-9]{1,5}\.webp|picture\.(?:jpg|png)")
_TYPES = {"webp": "image/webp", "jpg": "image/jpeg", "png": "image/png"}


@bp.route("/media", methods=["GET", "POST"])
@accept_body()
@only(Permission.UPLOAD)
def library() -> ResponseReturnValue:
    """Show what was uploaded, and take further files."""
    if request.method == "GET":
        return _show_library(UploadForm(formdata=None))
    form = UploadForm()
    if not form.validate():
        return _show_library(form), 422
    try:
        media = add_file(
            form.file.data.stream,
            name=form.file.data.filename or "",
            alt=form.alt.data,
            uploader_id=get_member().id,
        )
    except tuple(REFUSALS) as error:
        form.file.errors = [str(error)]
        note_faults(form)
        status = REFUSALS[type(error)]
        retry = {"Retry-After": RETRY_SECONDS} if status == BUSY else {}
        return _show_library(form), status, retry
    if prefers_json():
        facts = {"key": media.key, "name": media.file_name, "is_picture": media.is_picture}
        return jsonify(facts | {"alt": media.alt, "markdown": markdown_of(media)}), 201
    flash(f"“{media.file_name}” is uploaded.", "success")
    return redirect(url_for(".item", key=media.key), 303)


@bp.get("/media/<key>")
@only(Permission.UPLOAD)
def item(key: str) -> str:
    """Show a file with what to write in a post."""
    media = _get(key)
    return _show_item(media, DescriptionForm(formdata=None, data={"alt": media.alt}))


@bp.post("/media/<key>/description")
@only(Permission.UPLOAD)
def describe(key: str) -> ResponseReturnValue:
    """Change what a picture's description says."""
    media, form = _get_own(key), DescriptionForm()
    if not form.validate():
        return _show_item(media, form), 422
    media.alt = form.alt.data
    db.session.commit()
    flash("The description is saved.", "success")
    return redirect(url_for(".item", key=key), 303)


@bp.post("/media/<key>/delete")
@only(Permission.UPLOAD)
def delete(key: str) -> ResponseReturnValue:
    """Delete a file, for good."""
    media = _get_own(key)
    uses = len(list_uses(media, true()))
    used = f" {uses} post{'' if uses == 1 else 's'} will show its description instead." * bool(uses)
    if ask := ask_first(
        f"Delete “{media.file_name}” for good?{used}",
        button="Delete for good",
        back=url_for(".item", key=key),
        layout="site/base.html",
    ):
        return ask
    delete_media(media)
    flash(f"“{media.file_name}” is deleted.", "success")
    return redirect(url_for(".library"), 303)


@bp.get("/media/<key>/<name>")
def file(key: str, name: str) -> Response:
    """Serve a size of a picture, or a file to download: never as a page of this site (R46)."""
    if _VERSION.fullmatch(name):
        kind = _TYPES[name.rpartition(".")[2]]
        try:
            return _send(key, name, kind)
        except FileNotFoundError:
            pass  # a file to download can have such a name
    media = find_media(key)
    if media is None or media.is_picture or media.file_name != name:
        abort(404)
    try:
        return _send(key, DOWNLOAD, "application/octet-stream", download_name=name)
    except FileNotFoundError:
        abort(404)


def _send(key: str, name: str, kind: str, *, download_name: str | None = None) -> Response:
    """Answer with a file, a part of it or a 304.

    :raises FileNotFoundError: It is not there.
    """
    response = send_file(
        open_store().path_of(key, name),
        mimetype=kind,
        as_attachment=download_name is not None,
        download_name=download_name,
        etag=f"{key}-{name.partition('.')[0]}",  # nothing else ever has this address
        max_age=YEAR,
    )
    response.cache_control.immutable = True
    response.headers["Content-Security-Policy"] = CONTAINED
    if current_tenant.quiet:
        response.headers["X-Robots-Tag"] = "noindex"
    return response


def _show_library(form: UploadForm) -> str:
    query = clean_line(request.args.get("q"))[:QUERY_LENGTH]
    page = list_media(query, page_number())
    return render_template("site/media.html", page=page, query=query, form=form)


def _show_item(media: Media, form: DescriptionForm) -> str:
    member = get_member()
    visible = true() if member.may(Permission.EDIT_ALL) else is_public() | _is_by(member.id)
    return render_template(
        "site/media_item.html",
        media=media,
        form=form,
        uses=list_uses(media, visible),
        markdown=markdown_of(media),
        path=path_of_file(media),
        may_change=_may_change(media),
    )


def _is_by(member_id: int) -> ColumnElement[bool]:
    mine: ColumnElement[bool] = Post.author_id == member_id
    return mine


def _get(key: str) -> Media:
    media = find_media(key)
    if media is None:
        abort(404)
    return media


def _get_own(key: str) -> Media:
    """Return a file that the member may change."""
    media = _get(key)
    if not _may_change(media):
        abort(403)
    return media


def _may_change(media: Media) -> bool:
    member = get_member()
    return media.uploader_id == member.id or member.may(Permission.EDIT_ALL)
