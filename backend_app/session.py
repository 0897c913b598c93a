"""A session belongs to one scope and one account, and ends: by the clock, idle, or when it is told to.

The signed cookie names a record of the catalog, which is looked up in every request: a sign-out, a
changed password or a lost role counts at once, also for a copy of the cookie (R25).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from flask import g, session

from backend_app.context import catalog, current_actor, current_scope
from backend_app.entering import may_enter
from tenantry.flask.account_sessions import (
    SIGNED_IN_FOR,
    find_account_session,
    start_account_session,
)

if TYPE_CHECKING:
    from datetime import datetime

    from tenantry.catalog import Account

VISIT_FOR = timedelta(hours=1)
"""An operator's visit at a tenant is over then, however busy it is (R53)."""


def start_session(account: Account, *, as_operator: bool = False) -> None:
    """Begin a session on this tenant's host, for who came with a link from the platform."""
    tenant = current_scope().tenant
    g.session = start_account_session(
        catalog(),
        account,
        lifetime=VISIT_FOR if as_operator else SIGNED_IN_FOR,
        tenant_id=tenant.id if tenant is not None else None,
        as_operator=as_operator,
        proved=False,
        by=current_actor(),
    )
    g.account, g.as_operator = account, as_operator


def end_session(action: str = "account.sign-out") -> None:
    """End this session, and no other one of the account.

    :param action: How the audit trail calls it.
    """
    catalog().sessions.end(g.session.id, account_id=g.account.id, action=action, by=current_actor())
    forget_session()


def forget_session() -> None:
    """Forget who is signed in here."""
    session.clear()
    g.account, g.session, g.as_operator = None, None, False


def load_session() -> None:
    """Before every request: set ``g.account``, or forget a session that does not hold any more."""
    g.account, g.session, g.as_operator = None, None, False
    found = find_account_session(catalog())
    if found is None and "id" not in session:
        return
    if found is None or not may_enter(*found, current_scope()):
        forget_session()
        return
    g.session, g.account = found
    g.as_operator = g.session.as_operator
    catalog().sessions.touch(g.session)


def ends_at() -> datetime:
    """Return when the current session is over."""
    ends: datetime = g.session.expires_at
    return ends
