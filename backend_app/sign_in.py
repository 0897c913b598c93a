"""Signing in happens on the accounts' host, in the front app; signing out happens here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, g, redirect, request, url_for

from backend_app.access import ANYONE, PLATFORM_VISITORS, SIGNED_IN, open_to, sign_in_url
from backend_app.context import backend, current_scope
from backend_app.entering import go_to
from backend_app.session import end_session
from tenantry import is_local_path

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("sign_in", __name__)


@bp.get("/sign-in")
@open_to(ANYONE)
def form() -> ResponseReturnValue:
    """Lead to the one page that asks for a password, and from there back to this host."""
    if g.account is not None:
        return redirect(find_next())
    return redirect(sign_in_url(request.args.get("next")), 303)


@bp.get("/setup/<token>")
@open_to(PLATFORM_VISITORS)
def setup(token: str) -> ResponseReturnValue:
    """Lead from the address of a set-up link as it once was to where it is now."""
    return redirect(f"{backend().settings.accounts_url}password/{token}", 308)


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


def find_next() -> str:
    """Return the page of this backend to go on to (R12)."""
    target = request.args.get("next")
    return target if target is not None and is_local_path(target) else url_for("home.index")
