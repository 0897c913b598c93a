"""Who is signed in at the front app, and what a view asks of them."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, cast
from urllib.parse import urlsplit

from flask import g, redirect, request, session, url_for

from frontend_app.context import catalog, current_actor
from tenantry import is_local_path, prefers_json, problem
from tenantry.flask.account_sessions import (
    find_account_session,
    is_proof_recent,
    start_account_session,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.typing import ResponseReturnValue

    from tenantry.catalog import Account, AccountSession

P = ParamSpec("P")


def load_session() -> None:
    """Before a view that may know its visitor: set ``g.account``, or forget a session that is over.

    The public pages do not ask, so that caches can keep them.
    """
    g.account, g.session = None, None
    found = find_account_session(catalog())
    if found is None and "id" not in session:
        return
    if found is None or found[0].tenant_id is not None:
        session.clear()
        return
    g.session, g.account = found
    catalog().sessions.touch(g.session)


def start_session(account: Account) -> None:
    """Sign the account in at this browser."""
    g.session = start_account_session(catalog(), account, by=current_actor(account))
    g.account = account


def end_session() -> None:
    """End this session, and no other one of the account."""
    catalog().sessions.end(g.session.id, account_id=g.account.id, by=current_actor())
    session.clear()
    g.account, g.session = None, None


def current_account() -> Account:
    """Return who is signed in; for views that only answer accounts."""
    return cast("Account", g.account)


def current_session() -> AccountSession:
    """Return the session of the account that is signed in."""
    return cast("AccountSession", g.session)


def require_account() -> ResponseReturnValue | None:
    """Before every view of a blueprint: let accounts through, and ask everyone else to sign in."""
    load_session()
    return None if g.account is not None else ask_to_sign_in()


def ask_to_sign_in() -> ResponseReturnValue:
    """Lead to the sign-in page, and back afterwards."""
    if prefers_json():
        return problem(401, "Not signed in", "Only signed-in accounts may do this.")
    return redirect(url_for("sign_in.form", next=_way_back()), 303)


def recently_proved(view: Callable[P, Any]) -> Callable[P, Any]:
    """Let a view answer only those who proved a short time ago who they are; the others are asked."""

    @wraps(view)
    def asking(*args: P.args, **kwargs: P.kwargs) -> Any:
        if is_proof_recent(current_session()):
            return view(*args, **kwargs)
        if prefers_json():
            return problem(401, "Prove who you are", "Send your password to /signin/again first.")
        return redirect(url_for("sign_in.again", next=_way_back()), 303)

    return asking


def _way_back() -> str | None:
    """Return the page that was asked for, or the one whose form was sent."""
    if request.method == "GET":
        return request.full_path.rstrip("?")
    page = urlsplit(request.referrer or "").path
    return page if is_local_path(page) else None
