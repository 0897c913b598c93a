"""The pages of moderators: comments that wait for them, and the rules that hold comments back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, flash, redirect, render_template, request, url_for
from sqlalchemy.exc import IntegrityError

from tenantry import is_local_path
from tenants.access import only
from tenants.comment_rules import get_rules
from tenants.comments import get_comment
from tenants.database import db
from tenants.forms import CommentRulesForm
from tenants.permissions import Permission
from tenants.reading import list_waiting, page_number

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenants.models import CommentRules

bp = Blueprint("moderation", __name__)


@bp.get("/moderation")
@only(Permission.MODERATE)
def waiting() -> str:
    """List the comments that wait, the oldest first."""
    return render_template("site/moderation.html", page=list_waiting(page_number()))


@bp.post("/comments/<int:comment_id>/approve")
@only(Permission.MODERATE)
def approve(comment_id: int) -> ResponseReturnValue:
    """Show a comment to everybody."""
    comment = get_comment(comment_id)
    comment.waits = False
    db.session.commit()
    flash(f"The comment of {comment.author.name} is shown now.", "success")
    back = request.form.get("page", "")
    return redirect(back if is_local_path(back) else url_for(".waiting"), 303)


@bp.route("/moderation/rules", methods=["GET", "POST"])
@only(Permission.MANAGE)
def rules() -> ResponseReturnValue:
    """Show and change the rules for comments."""
    found = get_rules()
    form = CommentRulesForm(obj=found)
    if not form.validate_on_submit():
        return render_template("site/comment_rules.html", form=form), 422 if form.errors else 200
    try:
        _save(found, form)
    except IntegrityError:  # the form was sent twice at once
        db.session.rollback()
        _save(get_rules(), form)
    flash("The rules are saved. They hold for new comments.", "success")
    return redirect(url_for(".rules"), 303)


def _save(found: CommentRules, form: CommentRulesForm) -> None:
    form.populate_obj(found)
    db.session.add(found)
    db.session.commit()
