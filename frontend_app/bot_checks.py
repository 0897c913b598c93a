"""Tells programs that fill in every form from people: a field nobody sees, and the time it took.

There is no proof of work: what a sign-up costs is bounded by the network it comes from.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

from flask import current_app, request
from itsdangerous import BadSignature, URLSafeSerializer

TRAP = "website"
"""The field that people do not see, and programs fill in."""
STAMP = "stamp"
FASTEST = 1.5
"""Seconds in which nobody fills in the form; once it was sent so fast, it has to be sent again."""
OLDEST = 24 * 3600


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Why a form has to be looked at again, and the stamp that it gets."""

    stamp: str
    reason: str = ""


def new_stamp() -> str:
    """Return what a form says about when it was made; no two forms say the same."""
    return _serializer().dumps([secrets.token_hex(16), time.time()])


def check_form() -> Suspicion:
    """Check the form that was sent; without a reason, it may be used."""
    stamp = request.form.get(STAMP, "")
    made = _read(stamp)
    if made is None or not 0 <= time.time() - made[1] <= OLDEST:
        return Suspicion(new_stamp(), "This form was open for too long. Send it once more.")
    if request.form.get(TRAP):
        return Suspicion(stamp, "Leave the field “Website” empty, and send the form once more.")
    if time.time() - made[1] < FASTEST:
        return Suspicion(
            stamp,
            "That was faster than people type. Check what you entered, and send it once more.",
        )
    return Suspicion(stamp)


def name_submission(stamp: str) -> str:
    """Return 32 hex digits that only this form leads to: sent twice, they are the same."""
    made = _read(stamp)
    key = current_app.secret_key
    assert made is not None
    assert isinstance(key, bytes)
    return hashlib.blake2b(made[0].encode(), key=key[:64], digest_size=16).hexdigest()


def _read(stamp: str) -> tuple[str, float] | None:
    try:
        nonce, moment = _serializer().loads(stamp)
    except (BadSignature, TypeError, ValueError):
        return None
    return str(nonce), float(moment)


def _serializer() -> URLSafeSerializer:
    keys = [current_app.secret_key, *current_app.config["SECRET_KEY_FALLBACKS"]]
    return URLSafeSerializer(
        keys[::-1],  # the newest last
        salt="front.form",
        signer_kwargs={"digest_method": hashlib.sha256},
    )
