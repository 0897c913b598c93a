"""Signing in with the operator's OpenID Connect provider.

The provider replaces the password and nothing else: an account's second factor is asked for all the
same, and an account has to be there. What the provider says counts only for a verified address.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import OAuth
from flask import Blueprint, abort, current_app, flash, redirect, request, session, url_for
from joserfc.errors import JoseError
from requests import RequestException

from frontend_app.context import catalog, current_actor, front
from frontend_app.onward import go_on as lead_on_to
from frontend_app.sessions import load_session
from frontend_app.sign_in import ask_for_second, finish
from tenantry import claim_sign_in
from tenantry.errors import SignInError

if TYPE_CHECKING:
    from flask import Flask
    from flask.typing import ResponseReturnValue

    from tenantry import Settings
    from tenantry.catalog import Account

log = logging.getLogger(__name__)

bp = Blueprint("provider", __name__)
bp.before_request(load_session)

EXTENSION = "tenantry.provider"
TARGET = "provider_target"
"""Where the session keeps where the visitor wanted to go, while they are at the provider."""
SECONDS = 5.0
"""For each answer of the provider."""
NAME = "oidc"
NOTHING = "The provider gave no account of this platform. Use your password, or ask an operator."


def init_provider(app: Flask, settings: Settings) -> None:
    """Make the provider's client, if the settings name one; it connects at first use."""
    if not settings.oidc_issuer:
        return
    oauth, secret = OAuth(app), settings.oidc_client_secret
    oauth.register(
        NAME,
        server_metadata_url=f"{settings.oidc_issuer}/.well-known/openid-configuration",
        client_id=settings.oidc_client_id,
        client_secret=secret.get_secret_value() if secret is not None else None,
        client_kwargs={
            "scope": "openid email",
            "code_challenge_method": "S256",
            "default_timeout": SECONDS,
        },
    )
    app.extensions[EXTENSION] = oauth.create_client(NAME)


@bp.post("/signin/oidc")
def begin() -> ResponseReturnValue:
    """Lead to the provider."""
    client = _get_client()
    session[TARGET] = {
        name: request.args[name] for name in ("next", "site") if name in request.args
    }
    try:
        there = client.authorize_redirect(_back_url()).location
    except (AuthlibBaseError, RequestException, RuntimeError) as error:
        return _refuse(error)
    return lead_on_to(there, name=front().settings.oidc_name)


@bp.get("/signin/oidc/back")
def back() -> ResponseReturnValue:
    """Take the provider's answer, and sign in the account that it is about."""
    client, settings = _get_client(), front().settings
    options = {
        "iss": {"essential": True, "value": settings.oidc_issuer},
        "aud": {"essential": True, "value": settings.oidc_client_id},
    }
    try:
        claims = client.authorize_access_token(claims_options=options).get("userinfo") or {}
        account = _find_account(claims)
        attempt = claim_sign_in(account.email)
    except (AuthlibBaseError, JoseError, RequestException, SignInError, ValueError) as error:
        return _refuse(error)
    target = session.pop(TARGET, {})
    if account.second_factor:
        return ask_for_second(account, target)
    attempt.succeed()
    return finish(account, known_device=attempt.known_device, target=target)


def _find_account(claims: dict[str, Any]) -> Account:
    """Return the account that the provider's claims are about.

    :raises SignInError: There is none, or the provider has not verified the address.
    """
    email = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(email, str):
        raise SignInError
    issuer, subject = front().settings.oidc_issuer, str(claims["sub"])
    return catalog().accounts.sign_in_as(issuer, subject, email, by=current_actor())


def _get_client() -> Any:
    client = current_app.extensions.get(EXTENSION)
    if client is None:
        abort(404)
    return client


def _back_url() -> str:
    """Return our own address, from the settings (R9)."""
    return front().settings.accounts_url.rstrip("/") + url_for(".back")


def _refuse(error: Exception) -> ResponseReturnValue:
    # What the provider says may be anything: it goes to the log alone.
    log.warning("no sign-in with the provider: %s: %s", type(error).__name__, error)
    target = cast("dict[str, Any]", session.pop(TARGET, {}))
    flash(NOTHING, "danger")
    return redirect(url_for("sign_in.form", **target), 303)
