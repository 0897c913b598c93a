"""One's own tokens of the API: an operator's for the platform, an owner's for the site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, g, redirect, render_template, url_for

from backend_app.access import MEMBERS, PROVED_OPERATORS, open_to
from backend_app.context import catalog, current_actor, current_scope
from backend_app.forms import ApiTokenForm
from backend_app.one_time import keep_once, take_once
from tenantry import ask_first
from tenantry.errors import ApiTokenLimitError, ApiTokenNotFoundError
from tenantry.values.api_scopes import scopes_for

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("api_tokens", __name__)


@bp.route("/api-tokens", methods=["GET", "POST"])
@open_to(PROVED_OPERATORS)
def platform() -> ResponseReturnValue:
    """List the operator's tokens for the platform, and create one."""
    return _index()


@bp.post("/api-tokens/<token_id>/revoke")
@open_to(PROVED_OPERATORS)
def revoke_platform(token_id: str) -> ResponseReturnValue:
    """Revoke one of the operator's tokens."""
    return _revoke(token_id)


@bp.route("/site-tokens", methods=["GET", "POST"])
@open_to(MEMBERS)
def site() -> ResponseReturnValue:
    """List the owner's tokens for this site, and create one."""
    _require_owner()
    return _index()


@bp.post("/site-tokens/<token_id>/revoke")
@open_to(MEMBERS)
def revoke_site(token_id: str) -> ResponseReturnValue:
    """Revoke one of the owner's tokens."""
    _require_owner()
    return _revoke(token_id)


def _index() -> ResponseReturnValue:
    tenant_id, form = _tenant_id(), ApiTokenForm()
    form.scopes.choices = dict(scopes_for(tenant_id))
    if form.validate_on_submit() and _create(form):
        return redirect(_home(), 303)
    page = render_template(
        "backend/api_tokens.html",
        form=form,
        tokens=catalog().api_tokens.list_of(g.account.id, tenant_id=tenant_id),
        secret=take_once(f"api token {g.account.id}"),
        revoke_endpoint=".revoke_platform" if tenant_id is None else ".revoke_site",
    )
    return page, 422 if form.errors else 200


def _create(form: ApiTokenForm) -> bool:
    """Create what the form asks for, and keep the secret for the page that comes next."""
    try:
        _, secret = catalog().api_tokens.create(
            g.account.id,
            name=form.name.data,
            scopes=form.scopes.data,
            days=form.days.data,
            tenant_id=_tenant_id(),
            by=current_actor(),
        )
    except ApiTokenLimitError as error:
        form.name.errors = [str(error)]
        return False
    keep_once(f"api token {g.account.id}", secret)
    return True


def _revoke(token_id: str) -> ResponseReturnValue:
    """Revoke a token of this account and reach, after a question; others are not found (R40)."""
    own = catalog().api_tokens.list_of(g.account.id, tenant_id=_tenant_id())
    token = next((token for token in own if token.id == token_id), None)
    if token is None:
        abort(404)
    question = f"Revoke the token {token.name}? Programs that use it are refused at once."
    if ask := ask_first(question, button="Revoke", back=_home(), layout="backend/base.html"):
        return ask
    try:
        catalog().api_tokens.revoke(token_id, account_id=g.account.id, by=current_actor())
    except ApiTokenNotFoundError:
        flash(f"The token {token.name} was revoked already.", "info")
    else:
        flash(f"The token {token.name} is revoked.", "success")
    return redirect(_home(), 303)


def _home() -> str:
    return url_for(".platform" if _tenant_id() is None else ".site")


def _tenant_id() -> str | None:
    tenant = current_scope().tenant
    return tenant.id if tenant is not None else None


def _require_owner() -> None:
    """Answer 403 to staff: a token could do what only owners may."""
    if catalog().memberships.find_role(g.account.id, _tenant_id() or "") != "owner":
        abort(403)
