"""An account's own page: another password, and the sessions, each of which can be ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, g, redirect, render_template, url_for

from backend_app.access import ACCOUNTS, open_to
from backend_app.context import catalog, current_actor
from backend_app.forms import ChangePasswordForm
from backend_app.session import start_session
from tenantry import claim_sign_in
from tenantry.catalog import check_account_password
from tenantry.errors import (
    HashingBusyError,
    SignInError,
    TooManyTriesError,
    WeakPasswordError,
)

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("own_account", __name__)


@bp.route("/account", methods=["GET", "POST"])
@open_to(ACCOUNTS)
def index() -> ResponseReturnValue:
    """Show the account, and change its password."""
    form = ChangePasswordForm()
    if form.validate_on_submit() and _change(form):
        flash("Your password is changed. All your other sessions have ended.", "success")
        return redirect(url_for(".index"), 303)
    sessions = catalog().sessions.list(g.account.id)
    places = {
        found.tenant_id: catalog().tenants.get_by_id(found.tenant_id)
        for found in sessions
        if found.tenant_id is not None
    }
    page = render_template(
        "backend/own_account.html", form=form, sessions=sessions, places=places, current=g.session
    )
    return page, 422 if form.errors else 200


@bp.post("/account/sessions/<session_id>/end")
@open_to(ACCOUNTS)
def end_session(session_id: str) -> ResponseReturnValue:
    """End one of the account's other sessions; another account's is not found (R40)."""
    if session_id == g.session.id:
        abort(404)  # that is what signing out is for
    ended = catalog().sessions.end(
        session_id, account_id=g.account.id, action="account.end-session", by=current_actor()
    )
    flash("That session is ended." if ended else "That session had already ended.", "success")
    return redirect(url_for(".index"), 303)


@bp.post("/account/sign-out-everywhere")
@open_to(ACCOUNTS)
def sign_out_everywhere() -> ResponseReturnValue:
    """End all sessions of the account but this one."""
    catalog().sessions.end_all(g.account.id, but=g.session.id, by=current_actor())
    flash("All your other sessions have ended.", "success")
    return redirect(url_for(".index"), 303)


def _change(form: ChangePasswordForm) -> bool:
    """Change the password; guessing the current one is slowed down as at sign-in (R51)."""
    try:
        check_account_password(form.password.data, g.account)
        attempt = claim_sign_in(g.account.email)
        catalog().accounts.sign_in(g.account.email, form.current.data, by=current_actor())
        attempt.succeed()
        account = catalog().accounts.set_password(
            g.account.id, form.password.data, by=current_actor()
        )
    except HashingBusyError as error:
        attempt.undo()
        form.current.errors = [str(error)]
        return False
    except TooManyTriesError as error:
        form.current.errors = [str(error)]
        return False
    except SignInError:
        form.current.errors = ["This is not your current password."]
        return False
    except WeakPasswordError as error:
        form.password.errors = [str(error)]
        return False
    start_session(account)
    return True
