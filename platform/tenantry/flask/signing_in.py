"""Rate limits of sign-in attempts, and known devices.

.. code-block:: python

    try:
        attempt = claim_sign_in(email)
    except TooManyTriesError as error:
        return page(str(error)), error.status, {"Retry-After": error.retry_after}
    if password_is_right:
        attempt.succeed()
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any, cast

from flask import after_this_request, current_app, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from tenantry.flask.binding import EXTENSION
from tenantry.flask.sessions import ScopedSessionInterface
from tenantry.limits import open_sign_in_throttle
from tenantry.security.keys import PLATFORM, keys_of

if TYPE_CHECKING:
    from flask import Response

    from tenantry.flask.binding import TenantBinding
    from tenantry.limits.sign_in import SignInThrottle, SignInTry

DEVICE_LIVES = 400 * 24 * 3600
"""Seconds for which a device is known: no browser keeps a cookie for longer."""

MOST_ACCOUNTS = 5
"""Accounts that one device is known for; the one that signed in longest ago is forgotten first."""


class SignInAttempt:
    """A try to sign in that has been counted."""

    def __init__(self, counted: SignInTry, account: str, *, known_device: bool = False) -> None:
        self._counted = counted
        self._account = account
        self.known_device = known_device
        """Whether this device has signed in to the account before."""

    def succeed(self) -> None:
        """Say that the password was right: the count starts anew, and this device is known."""
        self._counted.succeed()
        _remember(self._account)

    def undo(self) -> None:
        """Say that the password was not checked."""
        self._counted.undo()


def claim_sign_in(account: str) -> SignInAttempt:
    """Count a try to sign in, before the password is checked.

    :param account: The e-mail address in the spelling in which it is kept, whether or not there is
        such an account.
    :raises TooManyTriesError: There were too many; ``retry_after`` says how many seconds to wait.
    """
    device = _find_device(account)
    counted = find_throttle().claim(
        scope=_scope(), account=account, address=request.remote_addr or "", device=device
    )
    return SignInAttempt(counted, account, known_device=device is not None)


def claim_sign_up() -> None:
    """Count a new account from the visitor's network.

    :raises TooManyTriesError: There were too many; ``retry_after`` says how many seconds to wait.
    """
    find_throttle().claim_sign_up(scope=_scope(), address=request.remote_addr or "")


def find_throttle() -> SignInThrottle:
    """Return the throttle of the app that is at work; all apps of a machine share it."""
    return open_sign_in_throttle(_binding().settings.run_dir)


def _binding() -> TenantBinding:
    return cast("TenantBinding", current_app.extensions[EXTENSION])


def _scope() -> str:
    tenant = _binding().tenant
    return tenant.id if tenant is not None else PLATFORM


# --- known devices --------------------------------------------------------------------------------


def _find_device(account: str) -> str | None:
    """Return the id of the visitor's device if it has signed in to the account before."""
    known = _read()
    return str(known["id"]) if _mark(account) in known["for"] else None


def _remember(account: str) -> None:
    """Let this device be known for the account."""
    known = _read()
    marks = [_mark(account), *(mark for mark in known["for"] if mark != _mark(account))]
    value = _serializer().dumps({"id": known["id"], "for": marks[:MOST_ACCOUNTS]})

    @after_this_request
    def set_cookie(response: Response) -> Response:
        cookies = _cookies()
        response.set_cookie(
            _cookie_name(),
            value,
            max_age=DEVICE_LIVES,
            path=cookies.get_cookie_path(current_app),
            secure=cookies.get_cookie_secure(current_app),
            httponly=True,
            samesite="Lax",
        )
        return response


def _read() -> dict[str, Any]:
    values = request.cookies.getlist(_cookie_name())
    try:
        # Of two cookies of one name, another site has set one (R18).
        known = _serializer().loads(values[0], max_age=DEVICE_LIVES) if len(values) == 1 else None
    except BadSignature:
        known = None
    return known or {"id": secrets.token_hex(12), "for": []}


def _mark(account: str) -> str:
    """Return what stands for the account in the cookie: it names nobody on a shared computer."""
    key = keys_of(_binding().settings.secret_keys).derive(_scope(), "device")[-1]
    return hashlib.blake2b(account.encode(errors="replace"), key=key, digest_size=12).hexdigest()


def _serializer() -> URLSafeTimedSerializer:
    keys = keys_of(_binding().settings.secret_keys).derive(_scope(), "device")
    return URLSafeTimedSerializer(
        list(reversed(keys)), salt="device", signer_kwargs={"digest_method": hashlib.sha256}
    )


def _cookies() -> ScopedSessionInterface:
    interface = current_app.session_interface
    assert isinstance(interface, ScopedSessionInterface)
    return interface


def _cookie_name() -> str:
    return f"{_cookies().get_cookie_name(current_app)}_device"
