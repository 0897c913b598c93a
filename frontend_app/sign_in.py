"""Signing in and out, the second factor, and a forgotten password."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for

from frontend_app import mails
from frontend_app.authenticators import check_code
from frontend_app.context import catalog, current_actor, front
from frontend_app.forms import (
    CodeForm,
    ForgotForm,
    NewPasswordForm,
    PasswordAgainForm,
    SignInForm,
)
from frontend_app.onward import go_to_backend, go_to_site
from frontend_app.sessions import (
    current_account,
    current_session,
    end_session,
    load_session,
    start_session,
)
from frontend_app.terms import ask_for_terms, must_accept
from tenantry import TenantState, claim_sign_in, is_local_path, prefers_json, problem
from tenantry.catalog import check_account_password
from tenantry.catalog.accounts import RESET_LIVES, spell_email
from tenantry.errors import (
    HashingBusyError,
    LinkError,
    SignInError,
    TooManyTriesError,
    WeakPasswordError,
)
from tenantry.flask.account_sessions import is_proof_recent
from tenantry.flask.signing_in import find_throttle
from tenantry.limits.sign_in import RESET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask.typing import ResponseReturnValue

    from tenantry import SignInAttempt
    from tenantry.catalog import Account

bp = Blueprint("sign_in", __name__)
bp.before_request(load_session)

PENDING = "second"
"""Where the session keeps whose password was right while the second factor is asked for."""
PENDING_LIVES = timedelta(minutes=10)


@bp.route("/signin", methods=["GET", "POST"])
def form() -> ResponseReturnValue:
    """Ask for the password; lead back to where the visitor wanted to go."""
    if g.account is not None:
        return go_on(g.account)
    asked = SignInForm()
    if not asked.validate_on_submit():
        return _show(asked, 422 if asked.errors else 200)
    try:
        attempt = claim_sign_in(spell_email(asked.email.data))
        account = _check(asked, attempt)
    except (SignInError, HashingBusyError) as error:
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
        if prefers_json():
            return problem(error.status, "Not signed in", str(error)), headers
        return *_show(asked, error.status, str(error)), headers
    if account.second_factor:
        return ask_for_second(account)
    attempt.succeed()
    return finish(account, known_device=attempt.known_device)


@bp.route("/signin/second", methods=["GET", "POST"])
def second() -> ResponseReturnValue:
    """Ask for a code of the authenticator, a recovery code or a passkey."""
    account = find_pending()
    if account is None:
        return redirect(url_for(".form", **_target()), 303)
    asked, trouble, status = CodeForm(), None, 200
    if asked.validate_on_submit():
        try:
            attempt = claim_sign_in(account.email)
            if check_code(account, asked.code.data):
                attempt.succeed()
                return finish(account, known_device=attempt.known_device)
            catalog().audit.record(
                "account.second-failed",
                detail={"email": account.email},
                by=current_actor(account),
            )
            trouble, status = "This code is wrong, was used already, or is too old.", 422
        except TooManyTriesError as error:
            page = render_template(
                "front/second.html", form=asked, trouble=str(error), holder=account
            )
            return page, error.status, {"Retry-After": str(error.retry_after)}
    page = render_template("front/second.html", form=asked, trouble=trouble, holder=account)
    return page, 422 if asked.errors else status


@bp.route("/signin/again", methods=["GET", "POST"])
def again() -> ResponseReturnValue:
    """Ask who is signed in for the password once more, before something sensitive."""
    if g.account is None:
        return redirect(url_for(".form", **_target()), 303)
    account, asked = current_account(), PasswordAgainForm()
    if is_proof_recent(current_session()):
        return redirect(find_next() or url_for("own_account.index"), 303)
    if asked.validate_on_submit():
        try:
            attempt = claim_sign_in(account.email)
            if catalog().accounts.check_password(account.id, asked.password.data):
                attempt.succeed()
                note_proof()
                return redirect(find_next() or url_for("own_account.index"), 303)
            asked.password.errors = ["This is not your password."]
        except (TooManyTriesError, HashingBusyError) as error:
            asked.password.errors = [str(error)]
    page = render_template("front/again.html", form=asked, holder=account)
    return page, 422 if asked.errors else 200


@bp.post("/signout")
def sign_out() -> ResponseReturnValue:
    """End this session for good, also for a copy of its cookie. Others of the account go on."""
    if g.account is not None:
        end_session()
    return redirect(front().settings.apex_url, 303)


@bp.route("/forgot", methods=["GET", "POST"])
def forgot() -> ResponseReturnValue:
    """Send a link that sets a new password; the answer is the same without an account (R34)."""
    asked = ForgotForm()
    if not asked.validate_on_submit():
        return render_template(
            "front/forgot.html", form=asked, sent=""
        ), 422 if asked.errors else 200
    try:
        find_throttle().claim_for_network("reset", RESET, address=request.remote_addr or "")
    except TooManyTriesError as error:
        asked.email.errors = [str(error)]
        page = render_template("front/forgot.html", form=asked, sent="")
        return page, error.status, {"Retry-After": str(error.retry_after)}
    account = catalog().accounts.find(asked.email.data)
    if account is None:
        # As much work as for an account, so that the time tells nothing either.
        catalog().audit.record("account.forgot-unknown", by=current_actor())
    else:
        token = catalog().links.create(
            "setup", account_id=account.id, lifetime=RESET_LIVES, by=current_actor()
        )
        mails.send_reset(account, token)
    return render_template("front/forgot.html", form=asked, sent=asked.email.data)


@bp.route("/password/<token>", methods=["GET", "POST"])
def set_password(token: str) -> ResponseReturnValue:
    """Let the holder of a set-up link choose a password; a second factor is asked for afterwards."""
    asked = NewPasswordForm()
    try:
        account = catalog().links.peek("setup", token)
        if asked.validate_on_submit() and _is_good(asked, account):
            who = current_actor(account)
            account = catalog().accounts.use_setup_link(token, asked.password.data, by=who)
            return _welcome(account)
    except LinkError as error:
        if g.account is not None:
            flash(f"{error.message} You are signed in already.", "info")
            return go_on(g.account)
        return render_template("front/link_gone.html"), error.status
    except HashingBusyError as error:
        asked.password.errors = [str(error)]
    page = render_template("front/set_password.html", form=asked, holder=account)
    return page, 422 if asked.errors else 200


# --- after the proof ------------------------------------------------------------------------------


def ask_for_second(
    account: Account, target: Mapping[str, str] | None = None
) -> ResponseReturnValue:
    """Remember whose password was right, and ask for the second factor.

    :param target: Where the visitor wanted to go; by default what the request says.
    """
    session[PENDING] = {"account": account.id, "at": time.time()}
    wanted: dict[str, Any] = dict(_target() if target is None else target)
    return redirect(url_for("sign_in.second", **wanted), 303)


def find_pending() -> Account | None:
    """Return whose password was right a short time ago in this browser."""
    pending = session.get(PENDING)
    if pending is None or time.time() - pending["at"] > PENDING_LIVES.total_seconds():
        return None
    return catalog().accounts.find_by_id(pending["account"])


def finish(
    account: Account, *, known_device: bool, target: Mapping[str, str] | None = None
) -> ResponseReturnValue:
    """Begin the session, tell its holder of a new device, and go on; terms may have to be accepted."""
    if must_accept(account):
        wanted = _target() if target is None else target
        return ask_for_terms(account, wanted, known_device=known_device)
    start_session(account)
    if not known_device:
        mails.send_new_device(account, current_session())
    return go_on(account, target)


def note_proof() -> None:
    """Note that who is signed in has proved it once more."""
    catalog().sessions.note_proof(current_session().id)


def go_on(account: Account, target: Mapping[str, str] | None = None) -> ResponseReturnValue:
    """Lead to where the visitor wanted to go: a page here, a site's backend, or the first page."""
    wanted = _target() if target is None else target
    slug, page = wanted.get("site"), wanted.get("next")
    page = page if is_local_path(page) else None
    tenant = catalog().tenants.find(slug) if slug else None
    if tenant is not None:
        if catalog().memberships.find_role(account.id, tenant.id) is not None:
            return go_to_backend(tenant, account, page=page or "")
        catalog().audit.record(
            "backend.refused",
            tenant_id=tenant.id,
            detail={"email": account.email},
            by=current_actor(account),
        )
        flash(f"Your account {account.shown_email} has no role at {tenant.name}.", "warning")
        return redirect(url_for("own_sites.index"), 303)
    if page is not None:
        return redirect(page, 303)
    if account.operator:
        return redirect(front().settings.backend_url, 303)
    return redirect(url_for("own_sites.index"), 303)


def find_next() -> str | None:
    """Return the page to go on to; only a path of this host, or of the site's backend (R12)."""
    target = request.args.get("next")
    return target if is_local_path(target) else None


def _welcome(account: Account) -> ResponseReturnValue:
    """Sign the account in that has just got its password; its only site is where it wants to go."""
    if account.second_factor:
        return ask_for_second(account)
    if must_accept(account):
        return ask_for_terms(account, _target(), known_device=True)
    start_session(account)
    if not account.operator:
        sites = [tenant for tenant, _ in catalog().memberships.list(account.id)]
        if len(sites) == 1 and sites[0].state is TenantState.ACTIVE:
            return go_to_site(sites[0], account)
    flash("Your password is set, and you are signed in.", "success")
    return go_on(account)


def _check(asked: SignInForm, attempt: SignInAttempt) -> Account:
    try:
        return catalog().accounts.sign_in(asked.email.data, asked.password.data, by=current_actor())
    except HashingBusyError:
        attempt.undo()
        raise


def _is_good(asked: NewPasswordForm, account: Account) -> bool:
    """Check the password while the link can still be used again with a better one."""
    try:
        check_account_password(asked.password.data, account)
    except WeakPasswordError as error:
        asked.password.errors = [str(error)]
        return False
    return True


def _target() -> dict[str, Any]:
    return {name: request.args[name] for name in ("next", "site") if name in request.args}


def _show(asked: SignInForm, status: int, trouble: str | None = None) -> tuple[str, int]:
    slug = request.args.get("site")
    tenant = catalog().tenants.find(slug) if slug else None
    settings = front().settings
    page = render_template(
        "front/sign_in.html",
        form=asked,
        trouble=trouble,
        tenant=tenant,
        provider=settings.oidc_name if settings.oidc_issuer else None,
    )
    return page, status
