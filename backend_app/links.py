"""One-use links: looking at one changes nothing, a POST uses it up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask_wtf import FlaskForm

from backend_app.access import SITE_VISITORS, open_to
from backend_app.context import catalog, current_actor, current_scope
from backend_app.entering import ENTER
from backend_app.session import start_session
from backend_app.sign_in import find_next
from tenantry.errors import LinkError

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("links", __name__)


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
    return redirect(find_next(), 303)


def _refuse(error: LinkError) -> ResponseReturnValue:
    """Say that the link does not work; someone who is signed in, as after Back, is led on."""
    if g.account is not None:
        flash(f"{error.message} You are signed in already.", "info")
        return redirect(url_for("home.index"), 303)
    return render_template("backend/link_gone.html"), error.status
