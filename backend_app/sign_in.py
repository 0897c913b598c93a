"""Signing in with a password, and signing out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, g, redirect, render_template, request, url_for

from backend_app.access import ANYONE, SIGNED_IN, open_to
from backend_app.carrying import find_held, keep_through
from backend_app.context import backend, catalog, current_actor, current_scope
from backend_app.entering import lead_to
from backend_app.forms import SignInForm
from backend_app.session import end_session, start_session
from tenantry import claim_sign_in, is_local_path, prefers_json, problem
from tenantry.catalog.accounts import spell_email
from tenantry.errors import HashingBusyError, SignInError

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import Account

bp = Blueprint("sign_in", __name__)


@bp.route("/sign-in", methods=["GET", "POST"])
@open_to(ANYONE)
def form() -> ResponseReturnValue:
    """Ask for the password; lead back to where the visitor wanted to go."""
    if g.account is not None:
        return redirect(_next_page())
    asked = SignInForm()
    if not asked.validate_on_submit():
        return _show(asked, 422 if asked.errors else 200)
    try:
        account = _sign_in(asked.email.data, asked.password.data)
    except (SignInError, HashingBusyError) as error:
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
        if prefers_json():
            return problem(error.status, "Not signed in", str(error)), headers
        return *_show(asked, error.status, str(error)), headers
    held = find_held()
    start_session(account)
    keep_through(held, account.id)
    return redirect(_next_page(), 303)


@bp.post("/sign-out")
@open_to(SIGNED_IN)
def sign_out() -> ResponseReturnValue:
    """End this session for good, also for a copy of its cookie. Others of the account go on.

    A visiting operator leaves this site, and goes back to the platform.
    """
    if g.as_operator:
        end_session("backend.left")
        return lead_to(backend().settings.backend_url, name="the platform")
    end_session()
    return redirect(url_for("sign_in.form"), 303)


def _sign_in(email: str, password: str) -> Account:
    """Check the password, and on a tenant's host also that the account belongs there.

    Operators come to a tenant by link only, so that each visit has a reason in the audit trail.
    """
    tenant = current_scope().tenant
    tenant_id = tenant.id if tenant else None
    attempt = claim_sign_in(spell_email(email))
    try:
        account = catalog().accounts.sign_in(
            email, password, by=current_actor(), tenant_id=tenant_id
        )
    except HashingBusyError:
        attempt.undo()
        raise
    if tenant is not None and catalog().memberships.find_role(account.id, tenant.id) is None:
        catalog().audit.record(
            "backend.refused",
            tenant_id=tenant.id,
            detail={"email": account.email},
            by=current_actor(),
        )
        raise SignInError
    attempt.succeed()
    return account


def _next_page() -> str:
    target = request.args.get("next")
    return target if target is not None and is_local_path(target) else url_for("home.index")


def _show(asked: SignInForm, status: int, problem: str | None = None) -> tuple[str, int]:
    return render_template("backend/sign_in.html", form=asked, problem=problem), status
