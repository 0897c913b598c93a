"""An account's own pages: profile, address, password, sessions, its data, and its end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

from flask import (
    Blueprint,
    abort,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_wtf import FlaskForm

from frontend_app import mails
from frontend_app.context import catalog, current_actor
from frontend_app.forms import ChangePasswordForm, DeleteForm, NewAddressForm, ProfileForm
from frontend_app.sessions import (
    current_account,
    current_session,
    load_session,
    recently_proved,
    require_account,
    start_session,
)
from tenantry import claim_sign_in
from tenantry.catalog import canonical_email, check_account_password
from tenantry.catalog.accounts import RESET_LIVES
from tenantry.errors import (
    AccountExistsError,
    HashingBusyError,
    LastOperatorError,
    LastOwnerError,
    LinkError,
    TooManyTriesError,
    WeakPasswordError,
)

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog.account_changes import WhichAddress

bp = Blueprint("own_account", __name__, url_prefix="/account")
bp.before_request(require_account)
links = Blueprint("email_links", __name__)
links.before_request(load_session)


@bp.route("/", methods=["GET", "POST"], strict_slashes=False)
def index() -> ResponseReturnValue:
    """Show and change name, language and time zone."""
    account = current_account()
    form = ProfileForm(
        data={
            "name": account.name,
            "language": account.language,
            "time_zone": account.time_zone,
        }
    )
    if form.validate_on_submit():
        catalog().account_changes.configure(
            account.id,
            name=form.name.data or "",
            language=form.language.data,
            time_zone=form.time_zone.data or "",
            by=current_actor(),
        )
        flash("Saved.", "success")
        return redirect(url_for(".index"), 303)
    zones = sorted(available_timezones())
    page = render_template("front/account/profile.html", form=form, zones=zones)
    return page, 422 if form.errors else 200


# --- address --------------------------------------------------------------------------------------


@bp.route("/email", methods=["GET", "POST"])
@recently_proved
def email() -> ResponseReturnValue:
    """Ask for another address; both have to confirm it."""
    account, form = current_account(), NewAddressForm()
    if form.validate_on_submit():
        if canonical_email(form.email.data) == account.email:
            form.email.errors = ["This is your address already."]
        else:
            _ask_both(form.email.data)
            flash("A link went to both addresses. Open both to make the change.", "success")
            return redirect(url_for(".email"), 303)
    page = render_template("front/account/email.html", form=form, plain_form=FlaskForm())
    return page, 422 if form.errors else 200


@bp.post("/email/withdraw")
def withdraw_email() -> ResponseReturnValue:
    """End a change of address that is not confirmed."""
    if not current_account().is_provisional:
        catalog().account_changes.withdraw_email(current_account().id, by=current_actor())
        flash("Your address stays as it is.", "success")
    return redirect(url_for(".email"), 303)


def _ask_both(address: str) -> None:
    account = catalog().account_changes.ask_for_email(
        current_account().id, address, by=current_actor()
    )
    tokens = {
        side: catalog().links.create(
            f"email-{side}", account_id=account.id, lifetime=RESET_LIVES, by=current_actor()
        )
        for side in ("old", "new")
    }
    mails.send_email_change(account, tokens)


@links.route("/confirm-<any(old, new):side>/<token>", methods=["GET", "POST"])
def confirm_email(side: WhichAddress, token: str) -> ResponseReturnValue:
    """Confirm a change of address from one of the two mailboxes."""
    try:
        account = catalog().links.peek(f"email-{side}", token)
        if request.method == "GET":
            return render_template(
                "front/confirm_email.html", holder=account, side=side, form=FlaskForm()
            )
        account, done = catalog().account_changes.confirm_email(
            token, side, by=current_actor(account)
        )
    except LinkError as error:
        return render_template("front/link_gone.html"), error.status
    except AccountExistsError as error:
        return render_template("front/link_gone.html"), error.status
    return render_template("front/email_confirmed.html", holder=account, done=done, side=side)


# --- password -------------------------------------------------------------------------------------


@bp.route("/password", methods=["GET", "POST"])
def password() -> ResponseReturnValue:
    """Change the password; all other sessions end."""
    form = ChangePasswordForm()
    if form.validate_on_submit() and _change(form):
        flash("Your password is changed. All your other sessions have ended.", "success")
        return redirect(url_for(".password"), 303)
    page = render_template("front/account/password.html", form=form)
    return page, 422 if form.errors else 200


def _change(form: ChangePasswordForm) -> bool:
    """Change the password; guessing the current one is slowed down as at sign-in (R51)."""
    account = current_account()
    try:
        check_account_password(form.password.data, account)
        attempt = claim_sign_in(account.email)
        if not catalog().accounts.check_password(account.id, form.current.data):
            form.current.errors = ["This is not your current password."]
            return False
        attempt.succeed()
        account = catalog().accounts.set_password(
            account.id, form.password.data, by=current_actor()
        )
    except HashingBusyError as error:
        attempt.undo()
        form.current.errors = [str(error)]
        return False
    except TooManyTriesError as error:
        form.current.errors = [str(error)]
        return False
    except WeakPasswordError as error:
        form.password.errors = [str(error)]
        return False
    start_session(account)
    mails.send_security_note(account, "password")
    return True


# --- sessions -------------------------------------------------------------------------------------


@bp.get("/sessions")
def sessions() -> ResponseReturnValue:
    """List where the account is signed in."""
    found = catalog().sessions.list(current_account().id)
    places = {
        it.tenant_id: catalog().tenants.find_by_id(it.tenant_id)
        for it in found
        if it.tenant_id is not None
    }
    return render_template(
        "front/account/sessions.html",
        sessions=found,
        places=places,
        current=current_session(),
        form=FlaskForm(),
    )


@bp.post("/sessions/<session_id>/end")
def end_session(session_id: str) -> ResponseReturnValue:
    """End one of the account's other sessions; another account's is not found (R40)."""
    if session_id == current_session().id:
        abort(404)  # that is what signing out is for
    ended = catalog().sessions.end(
        session_id,
        account_id=current_account().id,
        action="account.end-session",
        by=current_actor(),
    )
    flash("That session is ended." if ended else "That session had already ended.", "success")
    return redirect(url_for(".sessions"), 303)


@bp.post("/sessions/end-others")
def sign_out_everywhere() -> ResponseReturnValue:
    """End all sessions of the account but this one."""
    catalog().sessions.end_all(current_account().id, but=current_session().id, by=current_actor())
    flash("All your other sessions have ended.", "success")
    return redirect(url_for(".sessions"), 303)


# --- data and end ---------------------------------------------------------------------------------


@bp.get("/data")
def data() -> ResponseReturnValue:
    """Offer the export, and the deletion."""
    return render_template("front/account/data.html", form=FlaskForm())


@bp.post("/data/export")
@recently_proved
def export() -> ResponseReturnValue:
    """Send what the platform knows of the account, as JSON."""
    found = catalog().account_changes.export(current_account().id)
    catalog().audit.record(
        "account.export", detail={"email": current_account().email}, by=current_actor()
    )
    response = make_response(json.dumps(found, indent=2, ensure_ascii=False))
    response.headers["Content-Type"] = "application/json; charset=utf-8"
    response.headers["Content-Disposition"] = 'attachment; filename="account.json"'
    return response


@bp.route("/delete", methods=["GET", "POST"])
@recently_proved
def delete() -> ResponseReturnValue:
    """Delete the account when its address has been typed."""
    account, form = current_account(), DeleteForm()
    if form.validate_on_submit():
        if form.typed.data.casefold() != account.shown_email:
            form.typed.errors = [f"This is not {account.shown_email}."]
        else:
            try:
                catalog().account_changes.remove(account.id, by=current_actor())
            except LastOwnerError as error:
                form.typed.errors = [
                    f"You are the only owner of {error.name}. Transfer the site first, or delete it."
                ]
            except LastOperatorError as error:
                form.typed.errors = [str(error)]
            else:
                session.clear()
                mails.send_security_note(account, "deleted")
                return render_template("front/account_deleted.html", holder=account)
    page = render_template("front/account/delete.html", form=form)
    return page, 422 if form.errors else 200
