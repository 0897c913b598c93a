"""Sessions of platform accounts, for the front app and the backend: one cookie, one record.

Both apps are on the accounts' host, under one key and one cookie name, so a sign-in at the front app
holds at the console too. The cookie is host-only: on a tenant's host a session is another one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from flask import request, session

from tenantry.flask.binding import init_platform
from tenantry.flask.devices import describe_device, network_of

if TYPE_CHECKING:
    from flask import Flask

    from tenantry.catalog import Account, AccountSession, Actor, Catalog
    from tenantry.settings import Settings

COOKIE = "account"
SIGNED_IN_FOR = timedelta(hours=12)
PROOF_HOLDS = timedelta(minutes=15)
"""After that a sensitive action asks for the password or a passkey again."""
OPERATOR_GRACE = timedelta(hours=24)
"""How long a new operator's account works without a second factor."""
CARRIED = "carried"
"""Where the session keeps text that its account sent after a session had ended."""


def init_accounts(app: Flask, *, settings: Settings) -> None:
    """Make *app* one of those that share the sessions of platform accounts."""
    init_platform(app, COOKIE, settings=settings)
    app.config.from_mapping(
        PERMANENT_SESSION_LIFETIME=SIGNED_IN_FOR,
        # A form may lie open for as long as the session it belongs to.
        WTF_CSRF_TIME_LIMIT=None,
        # Some browsers send no Referer; init_security looks at Origin and Sec-Fetch-Site instead.
        WTF_CSRF_SSL_STRICT=False,
    )


def start_account_session(
    catalog: Catalog,
    account: Account,
    *,
    lifetime: timedelta = SIGNED_IN_FOR,
    tenant_id: str | None = None,
    as_operator: bool = False,
    proved: bool = True,
    by: Actor,
) -> AccountSession:
    """Begin a new session in this browser; nothing of an earlier one stays, not even its CSRF token.

    Only text that this very account has sent before is kept for it.

    :param proved: Whether the account's holder has just proved who they are, and not only used a link.
    """
    carried = session.get(CARRIED)
    session.clear()
    session.permanent = True
    started = catalog.sessions.start(
        account.id,
        lifetime=lifetime,
        tenant_id=tenant_id,
        as_operator=as_operator,
        device=describe_device(request.user_agent.string),
        network=network_of(request.remote_addr),
        proved=proved,
        by=by,
    )
    session["id"] = started.id
    if carried is not None and carried.get("account") == account.id:
        session[CARRIED] = carried
    return started


def find_account_session(catalog: Catalog) -> tuple[AccountSession, Account] | None:
    """Return this browser's session if it is not over, and whose it is."""
    if "id" not in session:
        return None
    return catalog.sessions.find(str(session["id"]))


def is_proof_recent(found: AccountSession) -> bool:
    """Say whether the session's holder has proved a short time ago who they are."""
    return datetime.now(UTC) - found.proved_at < PROOF_HOLDS


def find_grace_end(account: Account) -> datetime | None:
    """Return until when an operator's account works without the second factor that it lacks."""
    if not account.operator or account.second_factor:
        return None
    return account.created_at + OPERATOR_GRACE


def lacks_second_factor(account: Account, settings: Settings) -> bool:
    """Say whether the account must get a second factor before it may operate the platform.

    On localhost the platform is for this machine alone: there the grace does not end.
    """
    end = find_grace_end(account)
    return end is not None and not settings.is_local and datetime.now(UTC) >= end
