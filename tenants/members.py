"""Members: signing up, in and out, and what they may change about themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    abort,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from sqlalchemy.exc import IntegrityError

from tenantry import (
    claim_sign_up,
    hash_password,
    is_local_path,
    prefers_json,
    problem,
    verify_password,
)
from tenantry.errors import HashingBusyError, LinkError, TooManyTriesError
from tenants.access import find_member, get_member, login, only
from tenants.carrying import deliver, find_carried
from tenants.database import db
from tenants.forms import NameForm, PasswordForm, SignInForm, SignUpForm
from tenants.models import Member
from tenants.permissions import Permission
from tenants.room import ENOUGH, FULL, find_crowd, find_fullness
from tenants.sessions import end_session, end_sessions, list_sessions, start_session
from tenants.sign_in import authenticate, use_entry

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenants.carrying import Carried

bp = Blueprint("members", __name__, url_prefix="/members")

REFUSED = "Wrong e-mail or password."
WELCOME = (
    "Sign in with your password. If you had an account with this address already, it is unchanged "
    "and its password still works."
)


@bp.route("/sign-up", methods=["GET", "POST"])
def sign_up() -> ResponseReturnValue:
    """Become a member. The answer never tells whether the address has an account (R34)."""
    if find_member() is not None:
        return redirect(url_for("pages.front"), 303)
    form = SignUpForm()
    if not form.validate_on_submit():
        return render_template("site/sign_up.html", form=form), 422 if form.errors else 200
    # Before the address is looked at, so that the answer tells nothing about it.
    full = find_fullness()
    if (problem := full or find_crowd()) is not None:
        form.email.errors = [problem]
        return render_template("site/sign_up.html", form=form), FULL if full else ENOUGH
    try:
        claim_sign_up()
    except TooManyTriesError as error:
        form.email.errors = [str(error)]
        page = render_template("site/sign_up.html", form=form)
        return page, error.status, {"Retry-After": str(error.retry_after)}
    hashed = hash_password(form.password.data)
    db.session.add(Member(name=form.name.data, email=form.email.data, password_hash=hashed))
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
    flash(WELCOME, "success")
    return redirect(url_for(".sign_in", next=_next()), 303)


@bp.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> ResponseReturnValue:
    """Sign in with a password; text that waits for it goes to the editor that it came from."""
    carried = find_carried()
    if (member := find_member()) is not None:
        page = deliver(carried, member) if carried else _next()
        return redirect(page or url_for("pages.front"), 303)
    form = SignInForm()
    if not form.validate_on_submit():
        return _show_sign_in(form, 422 if form.errors else 200, carried)
    try:
        member = authenticate(form.email.data, form.password.data)
    except (TooManyTriesError, HashingBusyError) as error:
        return _refuse(form, error.status, str(error), carried, retry_after=error.retry_after)
    if member is None:
        return _refuse(form, 422, REFUSED, carried)
    start_session(member)
    if carried is not None:
        return redirect(deliver(carried, member) or url_for("pages.front"), 303)
    return redirect(_next() or url_for("pages.front"), 303)


@login.unauthorized_handler
def ask_to_sign_in() -> ResponseReturnValue:
    """Show the sign-in page for a page that only members see; text that was sent stays on it."""
    if prefers_json():
        return problem(401, "Not signed in", "Only members may do this: sign in first.")
    if request.headers.get("HX-Request"):
        # htmx would put the sign-in page where the preview belongs.
        return "You are no longer signed in.", 401
    if (carried := find_carried()) is not None:
        return ask_for_carried(carried)
    flash("Sign in to continue.", "info")
    # What was sent without a text can be sent again from the page that its button stands on.
    sent_from = urlsplit(request.referrer or "").path
    wanted = _path() if request.method in {"GET", "HEAD"} else sent_from
    return redirect(url_for("members.sign_in", next=wanted if is_local_path(wanted) else None))


def ask_for_carried(carried: Carried) -> ResponseReturnValue:
    """Show the sign-in page with text that was sent without a session."""
    flash(
        "You are signed out. Nothing is lost: sign in, and your text is in the editor.", "warning"
    )
    return _show_sign_in(SignInForm(formdata=None), 401, carried)


def _refuse(
    form: SignInForm,
    status: int,
    why: str,
    carried: Carried | None,
    *,
    retry_after: int | None = None,
) -> ResponseReturnValue:
    headers = {"Retry-After": str(retry_after)} if retry_after else {}
    if prefers_json():
        return problem(status, "Not signed in", why), headers
    flash(why, "danger")
    response = make_response(_show_sign_in(form, status, carried))
    response.headers.update(headers)
    return response


@bp.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End this session, also for a copy of its cookie. The member's others go on."""
    if (member := find_member()) is not None:
        end_session(member, member.session_id)
    flash("You are signed out.", "success")
    return redirect(url_for("pages.front"), 303)


@bp.get("/enter/<token>")
def enter(token: str) -> ResponseReturnValue:
    """Sign in by a link that the platform made a moment ago, and that works once."""
    if request.method == "HEAD":  # a look at a link does not use it up
        return ""
    member = use_entry(token)
    if member is None and find_member() is None:
        abort(403, f"{LinkError.message} Open the site from its backend again.")
    if member is None:
        flash(f"{LinkError.message} You are signed in already.", "info")
    else:
        start_session(member)
    return redirect(url_for("pages.front"), 303)


@bp.get("/me")
@only(Permission.COMMENT)
def me() -> str:
    """Show what the member may change."""
    return _profile()


@bp.post("/me/name")
@only(Permission.COMMENT)
def rename() -> ResponseReturnValue:
    """Change the member's name."""
    form = NameForm()
    if not form.validate_on_submit():
        return _profile(name_form=form), 422
    get_member().name = form.name.data
    db.session.commit()
    flash("Your name is changed.", "success")
    return redirect(url_for(".me"), 303)


@bp.post("/me/password")
@only(Permission.COMMENT)
def change_password() -> ResponseReturnValue:
    """Set a new password; all other sessions of the member end (R25)."""
    member, form = get_member(), PasswordForm()
    valid = form.validate_on_submit()
    if (
        valid
        and member.password_hash
        and not verify_password(member.password_hash, form.current.data or "")
    ):
        form.current.errors = ["This is not your current password."]
        valid = False
    if not valid:
        return _profile(password_form=form), 422
    member.password_hash = hash_password(form.password.data)
    end_sessions(member)
    start_session(member)
    flash("Your password is changed. All your other sessions have ended.", "success")
    return redirect(url_for(".me"), 303)


@bp.post("/me/sign-out-everywhere")
@only(Permission.COMMENT)
def sign_out_everywhere() -> ResponseReturnValue:
    """End all sessions of the member but this one."""
    member = get_member()
    end_sessions(member, but=member.session_id)
    db.session.commit()
    flash("All your other sessions have ended.", "success")
    return redirect(url_for(".me"), 303)


@bp.post("/me/sessions/end")
@only(Permission.COMMENT)
def end_other_session() -> ResponseReturnValue:
    """End another session of the member; another member's is not found."""
    member, session_id = get_member(), request.form.get("session", "")
    if session_id == member.session_id:
        abort(404)  # that is what signing out is for
    end_session(member, session_id)
    flash("That session is ended.", "success")
    return redirect(url_for(".me"), 303)


def _profile(
    *, name_form: NameForm | None = None, password_form: PasswordForm | None = None
) -> str:
    member = get_member()
    return render_template(
        "site/me.html",
        member=member,
        sessions=list_sessions(member),
        name_form=name_form or NameForm(formdata=None, data={"name": member.name}),
        password_form=password_form or PasswordForm(formdata=None),
    )


def _show_sign_in(form: SignInForm, status: int, carried: Carried | None) -> ResponseReturnValue:
    return render_template("site/sign_in.html", form=form, carried=carried), status


def _path() -> str:
    query = f"?{request.query_string.decode('latin-1')}" if request.query_string else ""
    return request.root_path + request.path + query


def _next() -> str | None:
    """Return the page to go on to; only a path of this host (R12)."""
    target = request.args.get("next")
    return target if is_local_path(target) else None
