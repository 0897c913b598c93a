"""Who owns and helps to run a site: invitations, roles, leaving and transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask_wtf import FlaskForm

from frontend_app import mails
from frontend_app.context import catalog, current_actor
from frontend_app.forms import InviteForm, JoinForm, TransferForm
from frontend_app.own_sites import find_own
from frontend_app.sessions import (
    current_account,
    load_session,
    recently_proved,
    require_account,
    start_session,
)
from frontend_app.terms import are_accepted, fill_in_version, find_readable_terms
from tenantry import TenantState, ask_first
from tenantry.catalog import canonical_email
from tenantry.errors import (
    HashingBusyError,
    LastOwnerError,
    LinkError,
    TooManyInvitationsError,
    WeakPasswordError,
)

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from frontend_app.terms import Terms
    from tenantry import Tenant
    from tenantry.catalog import Account, Invitation
    from tenantry.catalog.values import InvitationRole

bp = Blueprint("people", __name__)
bp.before_request(require_account)
invited = Blueprint("invitations", __name__)
invited.before_request(load_session)

ROLES = {"owner": "Owner", "staff": "Admin"}


@bp.get("/", strict_slashes=False)
def index(slug: str) -> ResponseReturnValue:
    """Show who owns and helps to run the site."""
    tenant, role = find_own(slug)
    return _show(tenant, role)


@bp.post("/invite")
@recently_proved
def invite(slug: str) -> ResponseReturnValue:
    """Invite an address by mail."""
    tenant, form = _get_owned(slug), InviteForm(prefix="invite")
    if not form.validate_on_submit():
        return _show(tenant, "owner", invite_form=form), 422
    return _offer(tenant, form, form.role.data)


@bp.post("/transfer")
@recently_proved
def transfer(slug: str) -> ResponseReturnValue:
    """Offer the site to another address, which has to accept."""
    tenant, form = _get_owned(slug), TransferForm(prefix="transfer")
    if not form.validate_on_submit():
        return _show(tenant, "owner", transfer_form=form), 422
    if canonical_email(form.email.data) == current_account().email:
        form.email.errors = ["This is your own address."]
        return _show(tenant, "owner", transfer_form=form), 422
    question = f"Offer {tenant.name} to {form.email.data}? They will own it in your place."
    if ask := _ask(question, "Offer the site", tenant):
        return ask
    return _offer(tenant, form, "transfer")


@bp.post("/withdraw")
def withdraw(slug: str) -> ResponseReturnValue:
    """End an invitation that nobody has used."""
    tenant = _get_owned(slug)
    done = catalog().invitations.withdraw(
        tenant.id, request.form.get("invitation", "")[:64], by=current_actor()
    )
    flash("The invitation is withdrawn." if done else "It was used or has expired.", "success")
    return _back(tenant)


@bp.post("/role")
@recently_proved
def change_role(slug: str) -> ResponseReturnValue:
    """Give a member another role."""
    tenant, role = _get_owned(slug), request.form.get("role")
    if role not in ROLES:
        abort(400, "A role is owner or staff.")
    account_id = _find_member(tenant)
    try:
        catalog().memberships.change_role(
            account_id,
            tenant.id,
            "owner" if role == "owner" else "staff",
            by=current_actor(),
        )
        flash("The role is changed.", "success")
    except LastOwnerError:
        flash("A site needs an owner. Make another person an owner first.", "danger")
    return _back(tenant)


@bp.post("/remove")
@recently_proved
def remove(slug: str) -> ResponseReturnValue:
    """Take a member's role; owners remove anybody, everybody can leave."""
    tenant, role = find_own(slug)
    account_id = _find_member(tenant)
    leaves = account_id == current_account().id
    if role != "owner" and not leaves:
        abort(403)
    question = f"Leave {tenant.name}?" if leaves else "Take this person's role at the site?"
    if ask := _ask(question, "Leave" if leaves else "Remove", tenant):
        return ask
    try:
        catalog().memberships.remove(account_id, tenant.id, by=current_actor())
    except LastOwnerError:
        flash(
            "A site needs an owner. Transfer it, or make another person an owner first.", "danger"
        )
        return _back(tenant)
    if leaves:
        flash(f"You have left {tenant.name}.", "success")
        return redirect(url_for("own_sites.index"), 303)
    flash("The person has no role at the site any more.", "success")
    return _back(tenant)


# --- the invited side -----------------------------------------------------------------------------


@invited.route("/invitation/<token>", methods=["GET", "POST"])
def accept(token: str) -> ResponseReturnValue:
    """Let the invited person accept, with an account of the invited address."""
    terms = None
    try:
        invitation = catalog().invitations.find(token)
        tenant = _find_site(invitation)
        form = FlaskForm()
        has_account = catalog().accounts.find(invitation.email) is not None
        if g.account is not None and g.account.email == invitation.email:
            if form.validate_on_submit():
                catalog().invitations.accept(token, g.account, by=current_actor())
                return _welcome(tenant)
        elif not has_account and g.account is None:
            form, terms = JoinForm(), find_readable_terms()
            if form.validate_on_submit() and (terms is None or are_accepted(form, terms)):
                account = _add_account(form, invitation, terms)
                catalog().invitations.accept(token, account, by=current_actor(account))
                start_session(account)
                return _welcome(tenant)
            if terms is not None:
                fill_in_version(form, terms)
    except (WeakPasswordError, HashingBusyError) as error:
        form.password.errors = [str(error)]
    except LinkError as error:
        return render_template("front/link_gone.html"), error.status
    page = render_template(
        "front/invitation.html",
        form=form,
        invitation=invitation,
        site=tenant,
        has_account=has_account,
        role=ROLES.get(invitation.role, "Owner"),
        terms=terms,
    )
    return page, 422 if form.errors else 200


def _add_account(form: JoinForm, invitation: Invitation, terms: Terms | None) -> Account:
    """Add the invited person's account, which has accepted the terms."""
    account = catalog().accounts.add_invited(
        invitation.email,
        name=form.name.data or "",
        password=form.password.data,
        by=current_actor(),
    )
    if terms is not None:
        changes, who = catalog().account_changes, current_actor(account)
        changes.accept_terms(account.id, terms.version, by=who)
    return account


def _welcome(tenant: Tenant) -> ResponseReturnValue:
    flash(f"Welcome to {tenant.name}.", "success")
    return redirect(url_for("own_sites.index"), 303)


def _find_site(invitation: Invitation) -> Tenant:
    tenant = catalog().tenants.find_by_id(invitation.tenant_id) if invitation.tenant_id else None
    if tenant is None or tenant.state is TenantState.DELETED:
        raise LinkError
    return tenant


# --- shared ---------------------------------------------------------------------------------------


def _offer(
    tenant: Tenant, form: InviteForm | TransferForm, role: InvitationRole
) -> ResponseReturnValue:
    try:
        token = catalog().invitations.create(
            form.email.data, role, tenant_id=tenant.id, by=current_actor()
        )
    except TooManyInvitationsError as error:
        flash(f"There are {error.most} open invitations. Withdraw one first.", "danger")
        return _back(tenant)
    found = catalog().invitations.find(token)
    mails.send_invitation(
        found.email,
        token,
        tenant=tenant,
        role=role,
        inviter=current_account().name or current_account().email,
        expires_at=found.expires_at,
    )
    flash(f"A mail went to {found.email}. The link in it works for 7 days.", "success")
    return _back(tenant)


def _get_owned(slug: str) -> Tenant:
    tenant, role = find_own(slug)
    if role != "owner":
        abort(403)
    return tenant


def _find_member(tenant: Tenant) -> str:
    """Return the id of the member that a form names; another site's is not found (R40)."""
    account_id = request.form.get("account", "")[:32]
    if catalog().memberships.find_role(account_id, tenant.id) is None:
        abort(404)
    return account_id


def _ask(question: str, button: str, tenant: Tenant) -> ResponseReturnValue | None:
    back = url_for(".index", slug=tenant.slug)
    return ask_first(question, button=button, back=back, layout="front/account.html")


def _back(tenant: Tenant) -> ResponseReturnValue:
    return redirect(url_for(".index", slug=tenant.slug), 303)


def _show(
    tenant: Tenant,
    role: str,
    *,
    invite_form: InviteForm | None = None,
    transfer_form: TransferForm | None = None,
) -> str:
    return render_template(
        "front/people.html",
        site=tenant,
        role=role,
        roles=ROLES,
        members=catalog().memberships.list_members(tenant.id),
        invitations=catalog().invitations.list(tenant.id),
        invite_form=invite_form or InviteForm(None, prefix="invite"),
        transfer_form=transfer_form or TransferForm(None, prefix="transfer"),
        form=FlaskForm(None),
    )
