"""A session belongs to one scope, one version of one account, and ends by the clock.

The cookie is signed, not stored: what it claims is checked against the catalog in every request, so
that a changed password, a sign-out or a lost role counts at once (R25).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from flask import g, session

from backend_app.context import catalog, current_scope

if TYPE_CHECKING:
    from backend_app.scope import Scope
    from tenantry.catalog import Account

SIGNED_IN_FOR = timedelta(hours=12)
VISIT_FOR = timedelta(hours=1)
"""An operator's visit at a tenant is over then, however busy it is (R53)."""


def start_session(account: Account, *, as_operator: bool = False) -> None:
    """Begin a new session in this scope; nothing of an earlier one stays, not even its CSRF token."""
    session.clear()
    session.permanent = True
    lifetime = VISIT_FOR if as_operator else SIGNED_IN_FOR
    session.update(
        scope=current_scope().key,
        account=account.id,
        version=account.session_version,
        operator=as_operator,
        until=int(time.time() + lifetime.total_seconds()),
    )
    g.account, g.as_operator = account, as_operator


def end_session() -> None:
    """Forget who is signed in here."""
    session.clear()
    g.account, g.as_operator = None, False


def load_session() -> None:
    """Before every request: set ``g.account``, or end a session that does not hold any more."""
    g.account, g.as_operator = None, False
    if "account" not in session:
        return
    account = _valid_account(current_scope())
    if account is None:
        end_session()
        return
    g.account, g.as_operator = account, bool(session["operator"])


def ends_at() -> datetime:
    """Return when the current session is over."""
    return datetime.fromtimestamp(session["until"], UTC)


def _valid_account(scope: Scope) -> Account | None:
    if session.get("scope") != scope.key or session.get("until", 0) < time.time():
        return None
    account = catalog().find_account_by_id(session["account"])
    if account is None or account.session_version != session.get("version"):
        return None
    return account if _may_enter(account, scope) else None


def _may_enter(account: Account, scope: Scope) -> bool:
    if scope.tenant is None:
        return True
    if session.get("operator"):
        return account.operator
    return catalog().find_role(account.id, scope.tenant.id) is not None
