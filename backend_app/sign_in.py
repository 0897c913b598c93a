"""The way in, by a one-use link from the accounts' host, and the way out.

Looking at a link changes nothing, a POST uses it up. The front app alone asks for passwords.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_wtf import FlaskForm

from backend_app.access import SIGNED_IN, SITE_VISITORS, open_to, sign_in_url
from backend_app.context import backend, catalog, current_actor, current_scope
from backend_app.entering import ENTER, go_to
from backend_app.session import end_session, start_session
from tenantry import is_local_path
from tenantry.errors import LinkError

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("sign_in", __name__)


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
    return redirect(_find_next(), 303)


@bp.post("/sign-out")
@open_to(SIGNED_IN)
def sign_out() -> ResponseReturnValue:
    """End this session for good, also for a copy of its cookie. Others of the account go on.

    A visiting operator leaves this site, and goes back to the platform.
    """
    settings, tenant = backend().settings, current_scope().tenant
    if g.as_operator:
        end_session("backend.left")
        return go_to(settings.backend_url, name="the platform")
    end_session()
    if tenant is not None:
        return go_to(settings.own_sites_url, name="your sites")
    return redirect(f"{settings.accounts_url}signin", 303)


def _find_next() -> str:
    """Return the page of this backend to go on to (R12)."""
    target = request.args.get("next")
    return target if target is not None and is_local_path(target) else url_for("home.index")


def _refuse(error: LinkError) -> ResponseReturnValue:
    """Say that the link does not work; someone who is signed in, as after Back, is led on."""
    if g.account is not None:
        flash(f"{error.message} You are signed in already.", "info")
        return redirect(url_for("home.index"), 303)
    return render_template("backend/link_gone.html", sign_in_url=sign_in_url(None)), error.status
