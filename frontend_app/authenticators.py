"""Codes of an authenticator (TOTP, RFC 6238) and recovery codes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pyotp
import segno
from markupsafe import Markup

from frontend_app.context import catalog, current_actor, front
from tenantry.security.keys import keys_of
from tenantry.security.sealing import seal, unseal

if TYPE_CHECKING:
    from tenantry.catalog import Account

STEP = 30
"""Seconds for which a code is shown."""
PURPOSE = "totp"


def new_secret() -> str:
    """Return 160 random bits in base32, as authenticators take them."""
    return pyotp.random_base32()


def render_key(secret: str, account: Account) -> tuple[str, Markup]:
    """Return the address that an authenticator reads, and its QR code as SVG."""
    domain = front().settings.domain
    uri = pyotp.TOTP(secret).provisioning_uri(name=account.shown_email, issuer_name=domain)
    svg = segno.make(uri, error="m").svg_inline(scale=5, border=2, dark="#000", light="#fff")
    return uri, Markup(svg)  # noqa: S704 - made of digits by segno


def find_step(secret: str, code: str) -> int | None:
    """Return the time step whose code this is; a clock may be one step off."""
    digits = "".join(code.split())
    totp, now = pyotp.TOTP(secret), int(time.time()) // STEP
    # In constant time, for each of the three.
    found = [step for step in (now - 1, now, now + 1) if totp.verify(digits, for_time=step * STEP)]
    return found[-1] if found else None


def seal_secret(account: Account, secret: str) -> str:
    """Return the secret as the catalog keeps it."""
    return seal(keys_of(front().settings.secret_keys), PURPOSE, account.id, secret)


def check_code(account: Account, code: str) -> bool:
    """Use a code up: of the authenticator, or a recovery code. Each works once (R52)."""
    sealed = catalog().second_factors.find_secret(account.id)
    keys = keys_of(front().settings.secret_keys)
    secret = unseal(keys, PURPOSE, account.id, sealed) if sealed else None
    step = find_step(secret, code) if secret is not None else None
    if step is not None:
        return catalog().second_factors.use_step(account.id, step)
    who = current_actor(account)
    return catalog().second_factors.use_recovery_code(account.id, code, by=who)
