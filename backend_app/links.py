"""One-use links: looking at one changes nothing, a POST uses it up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask_wtf import FlaskForm

from backend_app.access import PLATFORM_VISITORS, SITE_VISITORS, open_to
from backend_app.context import catalog, current_actor, current_scope
from backend_app.entering import ENTER
from backend_app.forms import NewPasswordForm
from backend_app.session import start_session
from tenantry.catalog import check_account_password
from tenantry.errors import LinkError, WeakPasswordError

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import Account

bp = Blueprint("links", __name__)

SETUP = "setup"


@bp.route("/setup/<token>", methods=["GET", "POST"])
@open_to(PLATFORM_VISITORS)
def setup(token: str) -> ResponseReturnValue:
    """Let the holder of a set-up link choose a password."""
    try:
        account = catalog().links.peek(SETUP, token)
        form = NewPasswordForm()
        if form.validate_on_submit() and _is_good(form, account):
            return _set_password(token, form.password.data)
    except LinkError as error:
        return _refuse(error)
    return render_template("backend/setup.html", form=form, holder=account), _status(form)


@bp.route("/enter/<token>", methods=["GET", "POST"])
@open_to(SITE_VISITORS)
def enter(token: str) -> ResponseReturnValue:
    """Let an account in that comes from the platform's own host, for this tenant only."""
    tenant = current_scope().tenant
    assert tenant is not None
    form = FlaskForm()
    try:
        if not form.validate_on_submit():
            account = catalog().links.peek(ENTER, token, tenant_id=tenant.id)
            return render_template("backend/enter.html", form=form, holder=account)
        account = catalog().links.use(ENTER, token, tenant_id=tenant.id, by=current_actor())
    except LinkError as error:
        return _refuse(error)
    role = catalog().memberships.find_role(account.id, tenant.id)
    if role is None and not account.operator:
        return _refuse(LinkError())  # The role was taken away within the link's minute.
    start_session(account, as_operator=role is None)
    catalog().audit.record(
        "backend.entered",
        tenant_id=tenant.id,
        detail={"as": role or "operator"},
        by=current_actor(),
    )
    return redirect(url_for("home.index"), 303)


def _is_good(form: NewPasswordForm, account: Account) -> bool:
    """Check the password while the link can still be used again with a better one."""
    try:
        check_account_password(form.password.data, account)
    except WeakPasswordError as error:
        form.password.errors = [str(error)]
        return False
    return True


def _set_password(token: str, password: str) -> ResponseReturnValue:
    start_session(catalog().accounts.use_setup_link(token, password, by=current_actor()))
    flash("Your password is set, and you are signed in.", "success")
    return redirect(url_for("home.index"), 303)


def _status(form: FlaskForm) -> int:
    return 422 if form.errors else 200


def _refuse(error: LinkError) -> ResponseReturnValue:
    """Say that the link does not work; someone who is signed in, as after Back, is led on."""
    if g.account is not None:
        flash(f"{error.message} You are signed in already.", "info")
        return redirect(url_for("home.index"), 303)
    return render_template("backend/link_gone.html"), error.status
