"""Writing posts: drafts, publication, changes, the end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.exc import StaleDataError

from tenantry import accept_body, ask_first, is_local_path, note_faults, prefers_json, problem
from tenants import markdown
from tenants.access import get_member, only
from tenants.addresses import url_of
from tenants.database import db, now
from tenants.embedding import embed
from tenants.forms import POST_LENGTH, TOO_MUCH_MARKUP, PostForm
from tenants.models import Post, UnsavedText
from tenants.permissions import Permission
from tenants.post_facts import (
    TEXT,
    choose_slug,
    facts_of,
    find_changes,
    find_fault,
    take_facts,
    take_tags,
)
from tenants.reading import find_deleted, find_post, list_deleted, list_drafts, page_number
from tenants.revisions import Before, note_revision
from tenants.room import FULL, find_fullness
from tenants.text import clean_line, clean_text
from tenants.unsaved import (
    drop_unsaved,
    find_named,
    find_unsaved,
    is_new,
    keep_unsaved,
    list_begun,
    new_key,
    note_saved,
    post_key,
)

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenants.models import Member

bp = Blueprint("posts", __name__)

LONGEST_MB = 2
"""MiB of a form with a post: of 100,000 characters each may take twelve bytes in a URL's encoding."""
LAYOUT = "site/base.html"
RESTORABLE_FOR = timedelta(days=30)
CONFLICT = "This post was saved after you opened it. Nothing was overwritten."


@bp.get("/drafts")
@only(Permission.WRITE)
def drafts() -> str:
    """List what the member may go on with: unsaved texts, drafts, deleted posts."""
    member = get_member()
    author_id = None if member.may(Permission.EDIT_ALL) else member.id
    return render_template(
        "site/drafts.html",
        page=list_drafts(author_id, page_number()),
        begun=list_begun(),
        deleted=list_deleted(author_id),
    )


@bp.route("/write", methods=["GET", "POST"])
@accept_body(megabytes=LONGEST_MB)
@only(Permission.WRITE)
def write() -> ResponseReturnValue:
    """Write a new post."""
    if request.method == "GET":
        begun, key = _find_begun(), request.args.get("key", "")
        form = _fill_form(begun, key if is_new(key) else new_key())
        return show_editor(form, restored=begun)
    form = PostForm()
    if not _is_valid(form):
        return show_editor(form), 422
    if (full := find_fullness()) is not None:
        return _refuse(form, None, full)
    return _save(Post(author_id=get_member().id), form)


@bp.route("/posts/<slug>/edit", methods=["GET", "POST"])
@accept_body(megabytes=LONGEST_MB)
@only(Permission.WRITE)
def edit(slug: str) -> ResponseReturnValue:
    """Change a post; a text that another editor has saved meanwhile is not overwritten unseen."""
    post, has_moved = _get_opened(slug)
    if request.method == "GET":
        unsaved = find_unsaved(post_key(post))
        form = _fill_form(unsaved or post, post_key(post), post)
        return show_editor(form, post, restored=unsaved)
    form = PostForm()
    if not _is_valid(form, post):
        return show_editor(form, post), 422
    if (has_moved or form.version.data != post.version) and find_changes(form, post):
        return _show_conflict(post, form)
    grows = len(form.body.data) > len(post.body)
    if grows and (full := find_fullness()) is not None:
        return _refuse(form, post, full)
    return _save(post, form)


@bp.post("/unsaved")
@only(Permission.COMMENT)
def keep() -> ResponseReturnValue:
    """Keep what is in a form while its member is still typing; the page's script sends it."""
    if (full := find_fullness()) is not None:
        return problem(FULL, "Not kept", full)
    title = clean_line(request.form.get("title"))
    body = clean_text(request.form.get("body") or request.form.get("text"))
    version = request.form.get("version", 0, type=int)
    tags = clean_line(request.form.get("tags"))
    excerpt = clean_line(request.form.get("excerpt"))
    key = request.form.get("key", "")
    kept = keep_unsaved(key, title=title, body=body, version=version, tags=tags, excerpt=excerpt)
    if not kept:
        abort(404)
    return "", 204


@bp.post("/unsaved/discard")
@only(Permission.COMMENT)
def discard() -> ResponseReturnValue:
    """Forget a text that was not saved."""
    key = request.form.get("key", "")
    page = request.form.get("page", "")
    back = page if is_local_path(page) else url_for("pages.front")
    question = "Discard your text? It has not been saved."
    if ask := ask_first(question, button="Discard it", back=back, layout=LAYOUT):
        return ask
    drop_unsaved(key)
    db.session.commit()
    note_saved(key)
    return redirect(back, 303)


@bp.post("/posts/<slug>/delete")
@only(Permission.WRITE)
def delete(slug: str) -> ResponseReturnValue:
    """Delete a post with its comments; for a while it can be restored."""
    post = get_own(slug)
    back = url_for("pages.post", slug=slug)
    question = f"Delete “{post.title}” and its comments?"
    if ask := ask_first(question, button="Delete", back=back, layout=LAYOUT):
        return ask
    if delete_post(post):
        return redirect(url_for(".deleted", slug=post.slug), 303)
    flash(f"“{post.title}” is deleted for good: this site is full.", "success")
    return redirect(url_for("pages.front"), 303)


@bp.get("/posts/<slug>/deleted")
@only(Permission.WRITE)
def deleted(slug: str) -> str:
    """Show that a post is deleted, and how to get it back."""
    post = _get_deleted(slug)
    assert post.deleted_at is not None
    return render_template("site/deleted.html", post=post, ends_at=post.deleted_at + RESTORABLE_FOR)


@bp.post("/posts/<slug>/restore")
@only(Permission.WRITE)
def restore(slug: str) -> ResponseReturnValue:
    """Bring a deleted post back, with its comments."""
    post = _get_deleted(slug)
    post.deleted_at = None
    db.session.commit()
    flash(f"“{post.title}” is restored.", "success")
    return redirect(url_of(post), 303)


@bp.post("/posts/<slug>/erase")
@only(Permission.WRITE)
def erase(slug: str) -> ResponseReturnValue:
    """Delete a post for good before its time."""
    post = _get_deleted(slug)
    back = url_for(".deleted", slug=slug)
    question = f"Delete “{post.title}” for good?"
    if ask := ask_first(question, button="Delete for good", back=back, layout=LAYOUT):
        return ask
    db.session.delete(post)
    db.session.commit()
    flash(f"“{post.title}” is deleted for good.", "success")
    return redirect(url_for(".drafts"), 303)


@bp.post("/write/preview")
@accept_body(megabytes=LONGEST_MB)
@only(Permission.WRITE)
def preview() -> str:
    """Return the text as HTML, for the writing page to show."""
    text = clean_text(request.form.get("body"))[:POST_LENGTH]
    if markdown.measure_markup(text) > markdown.MAX_MARKUP:
        text = TOO_MUCH_MARKUP
    return render_template("site/preview.html", html=embed(markdown.render(text)))


def show_editor(
    form: PostForm, post: Post | None = None, *, restored: UnsavedText | None = None
) -> str:
    """Return the page on which a post is written.

    :param restored: The unsaved text that the form was filled with.
    """
    form.key.data = post_key(post) if post else form.key.data or new_key()
    return render_template("site/write.html", form=form, post=post, restored=restored)


def delete_post(post: Post) -> bool:
    """Delete a post; a full site has no room to keep it.

    :return: Whether it can be restored, for :data:`RESTORABLE_FOR`.
    """
    over = Post.deleted_at < now() - RESTORABLE_FOR
    for old in db.session.scalars(select(Post).where(over)):
        db.session.delete(old)
    restorable = find_fullness() is None
    if restorable:
        post.deleted_at = now()
    else:
        db.session.delete(post)
    db.session.commit()
    return restorable


def _find_begun() -> UnsavedText | None:
    """Return the unsaved text to go on with: the one asked for, or the newest."""
    if "new" in request.args:
        return None
    if key := request.args.get("key", ""):
        return find_unsaved(key) if is_new(key) else None
    return next(iter(list_begun()), None)


def _say(post: Post) -> dict[str, Any]:
    """Return all that the form of a saved post says."""
    text = {"version": post.version, "title": post.title, "body": post.body, "tags": post.tag_line}
    return text | facts_of(post)


def _fill_form(text: UnsavedText | Post | None, key: str, post: Post | None = None) -> PostForm:
    if text is None:
        return PostForm(formdata=None, data={"key": key, "version": 0} | facts_of(None))
    key = text.key if isinstance(text, UnsavedText) else key
    facts = facts_of(post) | {"title": text.title, "body": text.body, "version": text.version}
    facts |= {"tags": text.tag_line, "excerpt": text.excerpt}
    return PostForm(formdata=None, data={"key": key, **facts})


def _is_valid(form: PostForm, post: Post | None = None) -> bool:
    if not form.validate():
        return False
    if (fault := find_fault(form, post)) is not None:
        name, why = fault
        form[name].errors = [why]
        note_faults(form)
        return False
    return True


def _refuse(form: PostForm, post: Post | None, full: str) -> ResponseReturnValue:
    """Say that there is no room; what was typed stays in the form."""
    form.body.errors = [full]
    note_faults(form)
    return show_editor(form, post), FULL


def _show_conflict(post: Post, form: PostForm) -> ResponseReturnValue:
    """Show both texts: what was saved meanwhile, and what was to overwrite it."""
    if prefers_json():
        saved = _say(post)
        if post.is_scheduled:
            saved["publish_at"] = saved["publish_at"].isoformat()
        return problem(409, "Saved in the meantime", CONFLICT, saved=saved)
    if find_fullness() is None:  # after leaving the page, the editor has the text
        keep_unsaved(
            post_key(post),
            title=form.title.data,
            body=form.body.data,
            version=form.version.data or 0,
            tags=form.tags.data,
            excerpt=form.excerpt.data,
        )
    sent = {name: said for name, said in form.data.items() if name in request.form}
    facts = _say(post) | sent | {"key": post_key(post), "version": post.version}
    facts["address"] = choose_slug(form, post)
    return render_template(
        "site/conflict.html",
        form=PostForm(formdata=None, data=facts),
        saved=PostForm(formdata=None, data=_say(post)),
        post=post,
        intent=request.form.get("intent"),
    ), 409


def _save(post: Post, form: PostForm) -> ResponseReturnValue:
    post_id = post.id
    before = Before.of(post) if post_id else None
    changes = find_changes(form, post)
    key = form.key.data or ""
    try:
        take_facts(post, form)  # its questions can flush what is set already
        if changes & TEXT:
            post.title = form.title.data
            post.write(form.body.data)
        elif changes:
            post.raise_version()  # an editor that was opened before is told
        db.session.add(post)
        drop_unsaved(post_key(post) if post_id else key)
        if changes:
            db.session.flush()  # it has an id and a version now
            note_revision(post, before)
        take_tags(post, form)
        db.session.commit()
    except StaleDataError:
        db.session.rollback()  # another request saved since the version was read
        newer = db.session.get(Post, post_id)
        if newer is None or newer.deleted_at is not None:
            abort(404)
        return _show_conflict(newer, form)
    except IntegrityError:
        # Another request took the slug or a tag at the same moment; the text is still in the form.
        db.session.rollback()
        flash(
            "Another post with this title or tag was saved just now. Save yours again.", "warning"
        )
        return show_editor(form, db.session.get(Post, post_id) if post_id else None), 409
    note_saved(key)
    flash(_describe_state(post), "success")
    return redirect(url_of(post), 303)


def _describe_state(post: Post) -> str:
    if post.is_scheduled:
        return f"Scheduled: it is published on {post.published_at:%-d %B %Y at %H:%M} UTC."
    return "Published." if post.is_published else "Saved as a draft."


def get_own(slug: str) -> Post:
    """Return a post that the member may change: 404 for what they may not even see."""
    return _check_own(find_post(slug))


def _get_opened(slug: str) -> tuple[Post, bool]:
    """Return the post that the editor was opened for, and whether it has another address now.

    The address of a draft follows its title: another post may be where this one was.
    """
    key, found = request.form.get("key", ""), find_post(slug)
    if not key.startswith("post-") or (found is not None and post_key(found) == key):
        return _check_own(found), False
    return _check_own(find_named(key)), True


def _check_own(post: Post | None) -> Post:
    member: Member = get_member()
    if post is None:
        abort(404)
    if not member.may_edit(post):
        abort(403 if post.is_published else 404)
    return post


def _get_deleted(slug: str) -> Post:
    post = find_deleted(slug)
    if post is None or not get_member().may_edit(post):
        abort(404)
    return post
