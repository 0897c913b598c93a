"""Authors: a page for each with what they say of themselves and their posts, and following them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from tenantry import note_faults
from tenants.access import find_member, get_member, only
from tenants.database import db
from tenants.forms import ProfileForm
from tenants.models import Follow, Member, Profile
from tenants.permissions import Permission
from tenants.publication import public_page
from tenants.reading import has_posts, list_published, page_number
from tenants.room import FULL, find_fullness

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("authors", __name__)


@bp.get("/authors/<int:member_id>")
@public_page
def author(member_id: int) -> str:
    """Show an author and their posts. A member without posts has no page: they may stay unseen."""
    found = _get_author(member_id)
    reader = find_member()
    return render_template(
        "site/author.html",
        author=found,
        page=list_published(page_number(), author_id=found.id),
        follows=reader is not None and db.session.get(Follow, (reader.id, found.id)) is not None,
    )


@bp.get("/following")
@only(Permission.COMMENT)
def following() -> str:
    """Show a page of the newest posts of the authors whom the member follows."""
    page = list_published(page_number(), follower_id=get_member().id)
    return render_template("site/following.html", page=page)


@bp.post("/authors/<int:member_id>/follow")
@only(Permission.COMMENT)
def follow(member_id: int) -> ResponseReturnValue:
    """Have the author's posts on the member's own page from now on."""
    found = _get_author(member_id)
    if (full := find_fullness()) is not None:
        flash(full, "warning")
        return redirect(url_for(".author", member_id=found.id), 303)
    db.session.add(Follow(follower_id=get_member().id, author_id=found.id))
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()  # another tab was faster
    flash(f"You follow {found.name}. Their posts are on “Following”.", "success")
    return redirect(url_for(".author", member_id=found.id), 303)


@bp.post("/authors/<int:member_id>/unfollow")
@only(Permission.COMMENT)
def unfollow(member_id: int) -> ResponseReturnValue:
    """Follow the author no more."""
    found = _get_author(member_id)
    mine = Follow.follower_id == get_member().id
    db.session.execute(delete(Follow).where(mine, Follow.author_id == found.id))
    db.session.commit()
    flash(f"You follow {found.name} no more.", "success")
    return redirect(url_for(".author", member_id=found.id), 303)


@bp.route("/members/profile", methods=["GET", "POST"])
@only(Permission.COMMENT)
def profile() -> ResponseReturnValue:
    """Show and change what the member says of themselves."""
    member = get_member()
    found = member.profile or Profile(member_id=member.id, about="")
    form = ProfileForm(obj=found)
    if not form.validate_on_submit():
        return render_template("site/profile.html", form=form), 422 if form.errors else 200
    if (full := find_fullness()) is not None and len(form.about.data) > len(found.about):
        form.about.errors = [full]
        note_faults(form)
        return render_template("site/profile.html", form=form), FULL
    try:
        _save(found, form)
    except IntegrityError:  # the form was sent twice at once
        db.session.rollback()
        _save(db.session.get(Profile, member.id) or found, form)
    flash("Your profile is saved.", "success")
    return redirect(url_for(".profile"), 303)


def _save(found: Profile, form: ProfileForm) -> None:
    form.populate_obj(found)
    db.session.add(found)
    db.session.commit()


def _get_author(number: int) -> Member:
    # Larger numbers do not fit into PostgreSQL's, and no row has one.
    found = db.session.get(Member, number) if 0 < number < 2**31 else None
    if found is None or not has_posts(found):
        abort(404)
    return found
