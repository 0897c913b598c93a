"""The mails that the front app sends: which, to whom, with what in them.

Addresses in them come from the settings and the catalog, never from a request's ``Host`` (R9). What a
visitor can cause is counted by address, so nobody's mailbox can be filled from here.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

from flask import request

from frontend_app.context import catalog, front
from frontend_app.forms import LANGUAGES
from frontend_app.views import zone_of
from tenantry import send_mail
from tenantry.errors import BadEmailError, JobQueueFullError

if TYPE_CHECKING:
    from datetime import datetime

    from tenantry import Tenant
    from tenantry.catalog import Account, AccountSession

log = logging.getLogger(__name__)

SecurityChange = Literal[
    "password",
    "deleted",
    "authenticator-added",
    "authenticator-removed",
    "passkey-added",
    "passkey-removed",
]
"""What was changed about an account; the template has a sentence for each."""


def send_confirmation(account: Account, tenant: Tenant, token: str) -> None:
    """Ask who signed up to confirm the address."""
    _send_counted(
        "confirm",
        account.shown_email,
        _find_language(account),
        url=_url("confirm", token),
        site_name=tenant.name,
        site_url=front().settings.site_url(tenant),
        held_until=tenant.held_until,
    )


def send_reset(account: Account, token: str) -> None:
    """Send a link that sets a new password."""
    language = _find_language(account)
    _send_counted("reset", account.email, language, url=_url("password", token))


def send_new_device(account: Account, session: AccountSession) -> None:
    """Tell of a sign-in from a device that was not known for the account."""
    _send(
        "new_device",
        account.shown_email,
        _find_language(account),
        device=session.device,
        network=session.network,
        at=session.created_at.astimezone(zone_of(account)),
        url=f"{front().settings.accounts_url}account/sessions",
    )


def send_email_change(account: Account, tokens: dict[str, str]) -> None:
    """Ask both addresses of a change to confirm it."""
    for side, address in (("old", account.email), ("new", account.pending_email)):
        _send_counted(
            f"email_{side}",
            address,
            _find_language(account),
            url=_url(f"confirm-{side}", tokens[side]),
            before=account.email,
            after=account.pending_email,
        )


def send_security_note(account: Account, what: SecurityChange) -> None:
    """Tell an account's holder what was changed about the account."""
    url = f"{front().settings.accounts_url}account/security"
    _send("security_note", account.shown_email, _find_language(account), what=what, url=url)


def send_invitation(
    email: str, token: str, *, tenant: Tenant, role: str, inviter: str, expires_at: datetime
) -> None:
    """Invite an address to a site, in the language of its account or of the site."""
    account = catalog().accounts.find(email)
    _send_counted(
        "transfer" if role == "transfer" else "invitation",
        email,
        (account.language if account else "") or str(tenant.settings.get("language") or ""),
        url=_url("invitation", token),
        site_name=tenant.name,
        site_url=front().settings.site_url(tenant),
        role="owner" if role == "owner" else "admin",
        inviter=inviter,
        expires_at=expires_at,
    )


def _find_language(account: Account) -> str:
    """Return the language that the account has chosen, or that of its browser, which asks now."""
    known = [tag for tag in LANGUAGES if tag]
    return account.language or request.accept_languages.best_match(known) or known[0]


def _send_counted(template: str, to: str, language: str, **values: Any) -> None:
    """Send a mail that a visitor causes, unless its address has had enough of them."""
    _send(template, to, language, by_visitor=True, **values)


def _send(
    template: str, to: str, language: str, *, by_visitor: bool = False, **values: Any
) -> None:
    values["domain"] = front().settings.domain
    try:
        send_mail(template, to, by_visitor=by_visitor, language=language, **values)
    except (BadEmailError, JobQueueFullError) as error:
        # What the mail is about is done; its reader can ask for it again.
        log.warning("mail %s is not sent: %s", template, error)


def _url(page: str, token: str) -> str:
    return f"{front().settings.accounts_url}{page}/{token}"
