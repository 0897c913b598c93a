"""Signing up: a name, a title, an address and a password, and the site is online."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask_wtf import FlaskForm

from frontend_app import mails
from frontend_app.bot_checks import STAMP, check_form, name_submission, new_stamp
from frontend_app.context import catalog, current_actor, front, operations
from frontend_app.forms import NewSiteForm, PasswordAgainForm, SignUpForm
from frontend_app.onward import go_to_site
from frontend_app.sessions import load_session, start_session
from frontend_app.terms import are_accepted, fill_in_version, find_terms
from tenantry import TenantState, check_password, claim_sign_in, hash_password
from tenantry.catalog import NewOwner, canonical_email
from tenantry.errors import (
    BadSlugError,
    HashingBusyError,
    LinkError,
    NameHeldError,
    NoRoomError,
    SignUpClosedError,
    TenantExistsError,
    TooManyTriesError,
    WeakPasswordError,
)
from tenantry.flask.signing_in import find_throttle
from tenantry.limits.sign_in import NAME_CHECK, NEW_SITE
from tenantry.security.passwords import ACCOUNT_MIN_LENGTH
from tenantry.values.slugs import (
    FREE,
    HELD,
    MALFORMED,
    TAKEN,
    NameVerdict,
    judge_name,
    suggest_slug,
)

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry import Tenant
    from tenantry.catalog import Account

bp = Blueprint("sign_up", __name__)
bp.before_request(load_session)

CONFIRM_LIVES = timedelta(hours=48)
MOST_SITES = 20
"""Sites that one account may sign up for."""
WAIT_FOR_TWIN = 3.0
"""Seconds for which the second of two equal forms waits for what the first one makes."""


@bp.route("/signup", methods=["GET", "POST"])
@bp.route("/signup/<invitation>", methods=["GET", "POST"])
def form(invitation: str = "") -> ResponseReturnValue:
    """Show the form, check the name, or create the site."""
    _check_door(invitation)
    asked = NewSiteForm() if g.account is not None else SignUpForm()
    if request.method == "GET":
        _fill_in(asked, invitation)
        name = asked.slug.data
        return _show(asked, _check_name(name) if name else None)
    if request.form.get("intent") == "check":
        return _show(asked, _check_name(asked.slug.data or ""))
    return _create(asked, invitation)


@bp.get("/signup/check")
def check() -> ResponseReturnValue:
    """Say as a fragment of the page whether a name is free, while somebody types it."""
    name = request.args.get("slug", "").strip().lower()[:63]
    verdict = _check_name(name) if name else None
    return render_template("front/name_verdict.html", name=name, verdict=verdict, like=_like(name))


@bp.get("/terms")
def terms() -> ResponseReturnValue:
    """Show the terms."""
    found = find_terms()
    if found is None:
        abort(404)
    title = f"Terms of {front().settings.domain}"
    return render_template("front/legal.html", title=title, version=found.version, text=found.html)


@bp.route("/confirm/<token>", methods=["GET", "POST"])
def confirm(token: str) -> ResponseReturnValue:
    """Confirm the address of a sign-up.

    The link alone is not enough: somebody may have signed up with an address that is not theirs, and
    its holder must not confirm a site whose password another person knows.
    """
    try:
        account = catalog().links.peek("confirm", token)
        known, asked = _knows(account), PasswordAgainForm()
        is_sent = asked.validate_on_submit() if not known else request.method == "POST"
        if not is_sent or not (known or _is_password(account, asked)):
            page = render_template(
                "front/confirm.html",
                holder=account,
                sites=_held_sites(account),
                form=None if known else asked,
                plain_form=FlaskForm(),
            )
            return page, 422 if asked.errors and request.method == "POST" else 200
        confirmed = catalog().sign_ups.confirm(token, by=current_actor(account))
    except LinkError as error:
        return _refuse_link(error)
    if g.account is None and not confirmed.second_factor and confirmed.id == account.id:
        start_session(confirmed)
    flash(f"The address {confirmed.email} is confirmed.", "success")
    return redirect(url_for("own_sites.index"), 303)


@bp.post("/confirm")
def confirm_again() -> ResponseReturnValue:
    """Send the mail again."""
    account: Account | None = g.account
    if account is None:
        return redirect(url_for("sign_in.form"), 303)
    held = _held_sites(account)
    if account.confirmed_at is None and held:
        _ask_to_confirm(account, held[0])
    flash(
        f"If no mail reaches {account.shown_email} in a few minutes, look for it in Spam.", "info"
    )
    return redirect(url_for("own_sites.index"), 303)


# --- creating -------------------------------------------------------------------------------------


def _create(asked: NewSiteForm, invitation: str) -> ResponseReturnValue:
    suspicion = check_form()
    verdict = judge_name(asked.slug.data or "", backend_label=front().settings.backend_label)
    valid = asked.validate_on_submit()
    if verdict.problem and asked.slug.data:
        asked.slug.errors = [_sentence(verdict, asked.slug.data)]
        valid = False
    if not _are_terms_accepted(asked) or not _is_address_allowed(asked):
        valid = False
    if not valid or suspicion.reason:
        return _show(asked, problem=suspicion.reason, stamp=suspicion.stamp), 422
    try:
        return _open(asked, invitation, suspicion.stamp)
    except (NameHeldError, TenantExistsError) as error:
        twin = _find_twin(asked, suspicion.stamp)
        if twin is not None:
            return twin
        found = HELD if isinstance(error, NameHeldError) else TAKEN
        asked.slug.errors = [_sentence(found, asked.slug.data)]
    except BadSlugError as error:
        asked.slug.errors = [f"{error.problem[:1].upper()}{error.problem[1:]}."]
    except WeakPasswordError as error:
        asked.password.errors = [str(error)]
    except LinkError as error:
        return _refuse_link(error)
    except (TooManyTriesError, HashingBusyError, NoRoomError) as error:
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after else {}
        problem = str(error) if error.retry_after else "There is no room for a new site now."
        return _show(asked, problem=problem, stamp=suspicion.stamp), error.status, headers
    return _show(asked, stamp=suspicion.stamp), 422


def _open(asked: NewSiteForm, invitation: str, stamp: str) -> ResponseReturnValue:
    """Create the site and go there, signed in."""
    slug, title = asked.slug.data, asked.title.data
    owner: Account | NewOwner
    if g.account is not None:
        owner = g.account
    else:
        check_password(
            asked.password.data, asked.email.data, slug, title, min_length=ACCOUNT_MIN_LENGTH
        )
    _count_name_check()
    catalog().names.check(slug)
    claimed = find_throttle().claim_for_network(
        "new site", NEW_SITE, address=request.remote_addr or ""
    )
    try:
        if g.account is None:
            owner = NewOwner(
                name_submission(stamp),
                canonical_email(asked.email.data),
                hash_password(asked.password.data),
                asked.terms_version.data or "",
            )
        if invitation:
            catalog().invitations.use_sign_up(invitation, by=current_actor())
        tenant, account = operations().sign_up(slug, name=title, owner=owner)
    except TenantExistsError:
        claimed.undo()  # somebody was faster: it cost nothing
        raise
    if g.account is None:
        start_session(account)
    if account.confirmed_at is None:
        _ask_to_confirm(account, tenant)
    return go_to_site(tenant, account)


def _find_twin(asked: NewSiteForm, stamp: str) -> ResponseReturnValue | None:
    """Return where the very same form has led, if it was sent twice."""
    if g.account is not None:
        mine = catalog().tenants.find(asked.slug.data)
        is_mine = mine is not None and g.account.email in mine.owners
        return go_to_site(mine, g.account) if mine is not None and is_mine else None
    deadline = time.monotonic() + WAIT_FOR_TWIN
    while time.monotonic() < deadline:
        account = catalog().accounts.find_by_id(name_submission(stamp))
        tenant = catalog().tenants.find(asked.slug.data)
        if account is not None:
            right = catalog().accounts.check_password(account.id, asked.password.data)
            if not right or tenant is None or account.email not in tenant.owners:
                return None
            start_session(account)
            return go_to_site(tenant, account)
        if tenant is None or tenant.state is not TenantState.PROVISIONING:
            return None
        time.sleep(0.05)
    return None


def _ask_to_confirm(account: Account, tenant: Tenant) -> None:
    token = catalog().links.create(
        "confirm", account_id=account.id, lifetime=CONFIRM_LIVES, by=current_actor(account)
    )
    mails.send_confirmation(account, tenant, token)


def _knows(account: Account) -> bool:
    """Say whether the visitor is who signed up, or has the account of that address."""
    return g.account is not None and (
        g.account.id == account.id
        or (g.account.confirmed_at is not None and g.account.email == account.pending_email)
    )


def _is_password(account: Account, asked: PasswordAgainForm) -> bool:
    try:
        attempt = claim_sign_in(f"confirm {account.id}")
        right = catalog().accounts.check_password(account.id, asked.password.data)
    except (TooManyTriesError, HashingBusyError) as error:
        asked.password.errors = [str(error)]
        return False
    if right:
        attempt.succeed()
    else:
        asked.password.errors = ["This is not the password that was chosen at the sign-up."]
    return right


def _held_sites(account: Account) -> list[Tenant]:
    sites = catalog().memberships.list(account.id)
    return [tenant for tenant, _ in sites if tenant.held_until is not None]


# --- who may --------------------------------------------------------------------------------------


def _check_door(invitation: str) -> None:
    """Refuse who may not sign up.

    :raises SignUpClosedError: Nobody may, or only who was invited.
    """
    signup = front().settings.signup
    if signup == "closed" and not invitation:
        raise SignUpClosedError("The operator of this platform creates sites; ask them for one.")
    if invitation:
        try:
            if catalog().invitations.find(invitation).role == "signup":
                return
        except LinkError:
            pass
        raise SignUpClosedError(
            "This invitation has expired or was already used. Ask for a new one."
        )
    if signup == "invitation" and g.account is None:
        raise SignUpClosedError("You need an invitation to sign up here; ask the operator for one.")
    if g.account is not None and len(catalog().memberships.list(g.account.id)) >= MOST_SITES:
        raise SignUpClosedError(f"Your account has {MOST_SITES} sites; ask the operator for more.")


def _is_address_allowed(asked: NewSiteForm) -> bool:
    """Check the address's domain, and say in the form what is wrong with it."""
    if not isinstance(asked, SignUpForm) or asked.email.errors:
        return True
    settings = front().settings
    domain = canonical_email(asked.email.data or "").rpartition("@")[2]
    banned = any(
        domain == name or domain.endswith(f".{name}") for name in settings.signup_mail_banned
    )
    allowed = not settings.signup_mail_allowed or domain in settings.signup_mail_allowed
    if allowed and not banned:
        return True
    names = ", ".join(settings.signup_mail_allowed)
    hint = f"Use an address at {names}." if names else "Use another address."
    asked.email.errors = [f"Addresses at {domain} cannot sign up here. {hint}"]
    return False


def _are_terms_accepted(asked: NewSiteForm) -> bool:
    terms = find_terms()
    if terms is None or (g.account is not None and g.account.terms_version == terms.version):
        return True
    return are_accepted(asked, terms)


# --- names ----------------------------------------------------------------------------------------


def _check_name(name: str) -> NameVerdict:
    """Return what is true of a name. A network gets fewer answers than the front door would give."""
    verdict = judge_name(name, backend_label=front().settings.backend_label)
    if verdict.problem:
        return verdict
    try:
        _count_name_check()
        catalog().names.check(name)
    except NameHeldError:
        return HELD
    except TenantExistsError:
        return TAKEN
    except BadSlugError as error:
        return NameVerdict(MALFORMED.state, error.problem)
    except TooManyTriesError as error:
        return NameVerdict(FREE.state, f"too many names were checked; wait for {error.pause}")
    return FREE


def _count_name_check() -> None:
    address = request.remote_addr or ""
    find_throttle().claim_for_network("name check", NAME_CHECK, address=address)


def _sentence(verdict: NameVerdict, name: str) -> str:
    problem = verdict.problem[:1].upper() + verdict.problem[1:]
    like = _like(name)
    return f"{problem}." + (f" You could take “{like}”." if like else "")


def _like(name: str) -> str:
    like = suggest_slug(name)
    return like if like != name else ""


# --- pages ----------------------------------------------------------------------------------------


def _fill_in(asked: NewSiteForm, invitation: str) -> None:
    asked.slug.data = request.args.get("name", "").strip().lower()[:63]
    if invitation and isinstance(asked, SignUpForm):
        asked.email.data = catalog().invitations.find(invitation).email


def _show(
    asked: NewSiteForm,
    verdict: NameVerdict | None = None,
    *,
    problem: str = "",
    stamp: str = "",
) -> str:
    terms = find_terms()
    needed = terms is not None and (g.account is None or g.account.terms_version != terms.version)
    if terms is not None:
        fill_in_version(asked, terms)
    return render_template(
        "front/sign_up.html",
        form=asked,
        verdict=verdict,
        name=asked.slug.data or "",
        like=_like(asked.slug.data or ""),
        problem=problem,
        stamp=stamp or request.form.get(STAMP) or new_stamp(),
        terms=terms if needed else None,
    )


def _refuse_link(error: LinkError) -> ResponseReturnValue:
    if g.account is not None:
        flash(f"{error.message} You are signed in already.", "info")
        return redirect(url_for("own_sites.index"), 303)
    return render_template("front/link_gone.html"), error.status
