"""An account's own page: another password, and an end to all its sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, flash, g, redirect, render_template, url_for

from backend_app.access import ACCOUNTS, open_to
from backend_app.context import catalog, current_actor
from backend_app.forms import ChangePasswordForm
from backend_app.session import start_session
from tenantry.errors import HashingBusyError, SignInError, WeakPasswordError
from tenantry.flask import claim_sign_in
from tenantry.passwords import check_password

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("own_account", __name__)


@bp.route("/account", methods=["GET", "POST"])
@open_to(ACCOUNTS)
def index() -> ResponseReturnValue:
    """Show the account, and change its password."""
    form = ChangePasswordForm()
    if form.validate_on_submit() and _change(form):
        flash("Your password is changed. You are signed out everywhere else.", "success")
        return redirect(url_for(".index"), 303)
    return render_template("backend/own_account.html", form=form), 422 if form.errors else 200


def _change(form: ChangePasswordForm) -> bool:
    """Change the password; guessing the current one is slowed down as at sign-in (R51)."""
    try:
        check_password(form.password.data, g.account.email, g.account.name)
        attempt = claim_sign_in(g.account.email)
        catalog().sign_in(g.account.email, form.current.data, by=current_actor())
        attempt.succeed()
        account = catalog().set_password(g.account.id, form.password.data, by=current_actor())
    except HashingBusyError as error:
        attempt.undo()
        form.current.errors = [str(error)]
        return False
    except SignInError as error:
        wrong = "This is not your current password."
        form.current.errors = [str(error) if error.retry_after else wrong]
        return False
    except WeakPasswordError as error:
        form.password.errors = [str(error)]
        return False
    start_session(account)
    return True
