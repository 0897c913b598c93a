"""The front page: its look, its texts and the legal pages."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from flask import Response, request
from marshmallow import ValidationError, fields, validate

from backend_app.api.access import needs, operations
from backend_app.api.blueprint import Blueprint, Schema
from backend_app.api.matching import HEADER
from backend_app.api.paging import PageSchema, list_of, read_number, show_piece
from backend_app.api.problems import ProblemError
from backend_app.api.schemas import told
from backend_app.context import catalog
from tenantry.errors import FrontPageConflictError
from tenantry.values.front_page import TEXTS, limit_of
from tenantry.values.png import MAX_BYTES

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.values.front_page import FrontPage, FrontPageRevision

bp = Blueprint("front_page", __name__, description="The front page and the legal pages.")

TAGGED = {"ETag": {"schema": {"type": "string"}}}
LONG = 1000
"""Characters: the limit of a longer text is told in words, and its own check refuses what is beyond."""


def _is_base64(value: str) -> None:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValidationError("It is not Base64.") from error


def _content() -> dict[str, Any]:
    """Return a field for each part of the page, which a change may leave out."""
    found: dict[str, Any] = {}
    for name, text in TEXTS.items():
        limit = limit_of(name)
        if limit <= LONG:
            checks, shown = [validate.Length(max=limit)], f"{text}."
        else:
            checks, shown = [], f"{text}. {limit} characters at most."
        found[name] = fields.String(validate=checks, metadata=told(shown))
    size = f"{MAX_BYTES // 1024} KiB at most"
    found["logo"] = fields.String(
        validate=_is_base64,
        metadata=told(f"A PNG in Base64, {size}; empty for Tenantry's mark."),
    )
    return found


FrontPageChangeSchema = Schema.from_dict(_content(), name="FrontPageChangeSchema")
FrontPageSchema = Schema.from_dict(
    {"revision": fields.Integer(required=True), **_content()}, name="FrontPageSchema"
)


class FrontPageRevisionSchema(Schema):
    """That the front page was changed."""

    revision = fields.Integer(required=True)
    at = fields.AwareDateTime(required=True)
    by = fields.String(required=True)
    changed = fields.List(fields.String(), required=True)


@bp.route("/front-page")
@needs("front-page:read", platform=True)
@bp.response(200, FrontPageSchema, headers=TAGGED)
def show() -> ResponseReturnValue:
    """Show the front page.

    `ETag` is its revision, which a change sends back as `If-Match`.
    """
    page = operations().get_front_page(catalog().front_pages.get().revision)
    if request.if_none_match.contains_weak(str(page.revision)):
        return Response(status=304, headers={"ETag": f'"{page.revision}"'})
    return show_page(page), {"ETag": f'"{page.revision}"'}


@bp.route("/front-page", methods=["PATCH"])
@needs("front-page:write", platform=True, match=True)
@bp.arguments(FrontPageChangeSchema)
@bp.response(200, FrontPageSchema, headers=TAGGED)
def change(wanted: dict[str, Any]) -> ResponseReturnValue:
    """Change parts of the front page.

    What is left out stays. Each change is a revision, and visitors see it at their next request.
    """
    newest = catalog().front_pages.get().revision
    _check_match(newest)
    if "logo" in wanted:
        wanted["logo"] = base64.b64decode(wanted["logo"])
    try:
        page = operations().change_front_page(wanted, after=newest)
    except FrontPageConflictError as error:
        raise ProblemError(412, str(error)) from error
    return show_page(page), {"ETag": f'"{page.revision}"'}


@bp.route("/front-page/revisions")
@needs("front-page:read", platform=True)
@bp.arguments(PageSchema, location="query")
@bp.response(200, list_of(FrontPageRevisionSchema))
def list_revisions(wanted: dict[str, Any]) -> ResponseReturnValue:
    """List the revisions.

    The newest first.
    """
    after = read_number(wanted, "revisions")
    piece = catalog().scans.read_front_pages(after=after, size=wanted["size"])
    return show_piece(piece, "revisions", lambda item: item.number, _show_revision)


@bp.route("/front-page/revisions/<int(max=2147483647):revision>")
@needs("front-page:read", platform=True)
@bp.response(200, FrontPageSchema)
def show_revision(revision: int) -> ResponseReturnValue:
    """Show a revision.

    0 is what Tenantry comes with. Send its parts as a change to use it again.
    """
    return show_page(operations().get_front_page(revision))


def _check_match(newest: int) -> None:
    """Hold a change to the revision that its author has read.

    :raises ProblemError: It is not the newest, with 412, or the request names none, with 428.
    """
    if request.headers.get(HEADER) is None:
        sentence = "Send If-Match with the ETag that you have read, so that no change is lost."
        raise ProblemError(428, sentence)
    if not request.if_match.star_tag and not request.if_match.contains(str(newest)):
        sentence = f"The front page has changed: it is at revision {newest}. Read it again."
        raise ProblemError(412, sentence)


def _show_revision(found: FrontPageRevision) -> dict[str, Any]:
    return {
        "revision": found.number,
        "at": found.at,
        "by": found.by,
        "changed": list(found.changed),
    }


def show_page(page: FrontPage) -> dict[str, Any]:
    """Return a revision as its schema has it."""
    texts = {name: getattr(page, name) for name in TEXTS}
    logo = base64.b64encode(page.logo).decode()
    return {"revision": page.revision, **texts, "logo": logo}
