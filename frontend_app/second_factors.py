"""An account's second factors: an authenticator, passkeys and recovery codes; passkeys also sign in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import webauthn
from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from frontend_app import mails
from frontend_app.authenticators import find_step, new_secret, render_key, seal_secret
from frontend_app.context import catalog, current_actor, front
from frontend_app.forms import CodeForm, PasskeyForm
from frontend_app.sessions import current_account, load_session, recently_proved, require_account
from frontend_app.sign_in import find_next, finish, note_proof
from tenantry import ask_first, claim_sign_in
from tenantry.errors import PasskeyTakenError, TooManyTriesError
from tenantry.flask.account_sessions import find_grace_end

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from frontend_app.mails import SecurityChange
    from tenantry.catalog import Account

bp = Blueprint("second_factors", __name__, url_prefix="/account/security")
bp.before_request(require_account)
signing_in = Blueprint("passkeys", __name__)
signing_in.before_request(load_session)

CHALLENGE, SECRET, CODES = "challenge", "totp", "codes"
"""Where the session keeps what a page has asked for, until the answer comes."""
BACK = "second_factors.index"


@bp.get("/", strict_slashes=False)
def index() -> ResponseReturnValue:
    """Show the second factors."""
    account = current_account()
    factors = catalog().second_factors
    return render_template(
        "front/account/security.html",
        has_authenticator=bool(factors.find_secret(account.id)),
        passkeys=factors.list_passkeys(account.id),
        codes_left=factors.count_recovery_codes(account.id),
        codes=session.pop(CODES, None),
        grace_end=find_grace_end(account),
        form=PasskeyForm(None),
    )


# --- the authenticator ----------------------------------------------------------------------------


@bp.route("/authenticator", methods=["GET", "POST"])
@recently_proved
def authenticator() -> ResponseReturnValue:
    """Show a new secret, and keep it when a code proves that it arrived."""
    account, form = current_account(), CodeForm()
    # The cookie is signed and not encrypted: until a code has come, the secret opens nothing.
    secret = session.get(SECRET) or session.setdefault(SECRET, new_secret())
    if form.validate_on_submit():
        step = find_step(secret, form.code.data)
        if step is not None:
            session.pop(SECRET)
            catalog().second_factors.set_secret(
                account.id, seal_secret(account, secret), step=step, by=current_actor()
            )
            _after_adding(account, "authenticator-added")
            flash("Your authenticator works. You need it at each sign-in.", "success")
            return redirect(url_for(".index"), 303)
        form.code.errors = ["This code does not fit. Check the clock of your device."]
    form.code.description = "Six digits from your authenticator."
    uri, picture = render_key(secret, account)
    page = render_template(
        "front/account/authenticator.html", form=form, secret=secret, uri=uri, picture=picture
    )
    return page, 422 if form.errors else 200


@bp.post("/authenticator/remove")
@recently_proved
def remove_authenticator() -> ResponseReturnValue:
    """Remove the authenticator."""
    if ask := _ask("Remove the authenticator?", "Remove"):
        return ask
    catalog().second_factors.remove_secret(current_account().id, by=current_actor())
    mails.send_security_note(current_account(), "authenticator-removed")
    flash("Your authenticator is removed.", "success")
    return redirect(url_for(".index"), 303)


@bp.post("/codes")
@recently_proved
def make_codes() -> ResponseReturnValue:
    """Make new recovery codes, and show them once."""
    account = current_account()
    if not account.second_factor:
        flash("Add an authenticator or a passkey first.", "warning")
        return redirect(url_for(".index"), 303)
    if ask := _ask("Make new recovery codes? The old ones stop working.", "Make new codes"):
        return ask
    session[CODES] = list(
        catalog().second_factors.make_recovery_codes(account.id, by=current_actor())
    )
    return redirect(url_for(".index"), 303)


# --- passkeys -------------------------------------------------------------------------------------


@bp.post("/passkeys/options")
@recently_proved
def passkey_options() -> ResponseReturnValue:
    """Tell the browser what kind of passkey to make."""
    account = current_account()
    known = catalog().second_factors.list_passkeys(account.id)
    options = webauthn.generate_registration_options(
        rp_id=front().settings.accounts_host,
        rp_name=front().settings.domain,
        user_id=bytes.fromhex(account.id),
        user_name=account.shown_email,
        user_display_name=account.name or account.shown_email,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=base64url_to_bytes(it.id)) for it in known
        ],
    )
    session[CHALLENGE] = bytes_to_base64url(options.challenge)
    return options_to_json(options), {"Content-Type": "application/json"}


@bp.post("/passkeys")
@recently_proved
def add_passkey() -> ResponseReturnValue:
    """Add the passkey that the browser has made."""
    account, form = current_account(), PasskeyForm()
    challenge = session.pop(CHALLENGE, None)
    if form.validate_on_submit() and challenge is not None:
        try:
            made = webauthn.verify_registration_response(
                credential=form.answer.data,
                expected_challenge=base64url_to_bytes(challenge),
                expected_rp_id=front().settings.accounts_host,
                expected_origin=_origin(),
                require_user_verification=True,
            )
            catalog().second_factors.add_passkey(
                account.id,
                bytes_to_base64url(made.credential_id),
                public_key=bytes_to_base64url(made.credential_public_key),
                sign_count=made.sign_count,
                name=form.name.data or "",
                by=current_actor(),
            )
        except (WebAuthnException, ValueError):
            flash("The passkey could not be checked. Try again.", "danger")
        except PasskeyTakenError as error:
            flash(str(error), "danger")
        else:
            _after_adding(account, "passkey-added")
            flash("Your passkey is added.", "success")
    else:
        flash("The browser made no passkey. Try again.", "danger")
    return redirect(url_for(".index"), 303)


@bp.post("/passkeys/remove")
@recently_proved
def remove_passkey() -> ResponseReturnValue:
    """Remove a passkey; another account's is not found (R40)."""
    if ask := _ask("Remove this passkey?", "Remove"):
        return ask
    passkey_id = request.form.get("passkey", "")
    removed = catalog().second_factors.remove_passkey(
        current_account().id, passkey_id, by=current_actor()
    )
    if removed:
        mails.send_security_note(current_account(), "passkey-removed")
    flash("The passkey is removed." if removed else "There is no such passkey.", "success")
    return redirect(url_for(".index"), 303)


@signing_in.post("/signin/passkey/options")
def sign_in_options() -> ResponseReturnValue:
    """Ask the browser for any passkey of this platform."""
    options = webauthn.generate_authentication_options(
        rp_id=front().settings.accounts_host,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    session[CHALLENGE] = bytes_to_base64url(options.challenge)
    return options_to_json(options), {"Content-Type": "application/json"}


@signing_in.post("/signin/passkey")
def sign_in() -> ResponseReturnValue:
    """Sign in with a passkey: it is both factors, because the device has checked its holder."""
    account = _check_passkey()
    if account is None:
        flash("This passkey does not sign in here. Use your password.", "danger")
        return redirect(url_for("sign_in.form", **_kept()), 303)
    try:
        attempt = claim_sign_in(account.email)
    except TooManyTriesError as error:
        flash(str(error), "danger")
        return redirect(url_for("sign_in.form", **_kept()), 303)
    attempt.succeed()
    catalog().audit.record(
        "account.sign-in",
        detail={"email": account.email, "by": "passkey"},
        by=current_actor(account),
    )
    return finish(account, known_device=attempt.known_device)


@bp.post("/passkeys/prove")
def prove() -> ResponseReturnValue:
    """Prove with a passkey who is signed in, before something sensitive."""
    account = _check_passkey()
    if account is None or account.id != current_account().id:
        flash("This passkey is not one of your account.", "danger")
        return redirect(url_for("sign_in.again", **_kept()), 303)
    note_proof()
    return redirect(find_next() or url_for("own_account.index"), 303)


def _check_passkey() -> Account | None:
    """Return whose passkey has answered the challenge of this browser's session, which ends."""
    challenge, form = session.pop(CHALLENGE, None), PasskeyForm()
    if challenge is None or not form.validate_on_submit():
        return None
    found = catalog().second_factors.find_passkey(_read_id(form.answer.data))
    if found is None:
        return None
    passkey, account = found
    try:
        checked = webauthn.verify_authentication_response(
            credential=form.answer.data,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=front().settings.accounts_host,
            expected_origin=_origin(),
            credential_public_key=base64url_to_bytes(passkey.public_key),
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError):
        who = current_actor(account)
        detail = {"email": account.email}
        catalog().audit.record("account.second-failed", detail=detail, by=who)
        return None
    catalog().second_factors.note_passkey_used(passkey.id, sign_count=checked.new_sign_count)
    return account


def _read_id(answer: str) -> str:
    """Return the credential's id in the one spelling of the catalog."""
    try:
        answered: Any = json.loads(answer)
        return bytes_to_base64url(base64url_to_bytes(str(answered["id"])))
    except (ValueError, TypeError, KeyError):  # binascii's error is a ValueError
        return ""


def _after_adding(account: Account, what: SecurityChange) -> None:
    """Make recovery codes with the first second factor, and tell the account's holder."""
    if catalog().second_factors.count_recovery_codes(account.id) == 0:
        codes = catalog().second_factors.make_recovery_codes(account.id, by=current_actor())
        session[CODES] = list(codes)
    # A session that somebody else began with the password alone must not go on.
    catalog().sessions.end_all(account.id, but=_session_id(), by=current_actor())
    mails.send_security_note(account, what)


def _session_id() -> str:
    return str(session["id"])


def _ask(question: str, button: str) -> ResponseReturnValue | None:
    return ask_first(question, button=button, back=url_for(BACK), layout="front/account.html")


def _kept() -> dict[str, Any]:
    return {name: request.args[name] for name in ("next", "site") if name in request.args}


def _origin() -> str:
    return front().settings.url_of(front().settings.accounts_host)
