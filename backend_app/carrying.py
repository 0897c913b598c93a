"""Text that is sent too late: it waits in the browser's own cookie for the sign-in.

Its session may have ended, or it was for something sensitive that asks for the password again.

A form with a long text says in a signed note whose it is. Only that account finds the text again, and
only once; the text stands in no record and no log.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any

from flask import current_app, g, request, session
from itsdangerous import BadSignature, URLSafeTimedSerializer

from backend_app.context import current_scope
from tenantry.flask.account_sessions import CARRIED

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TEXTS = (1000, 500, 250)
"""Characters of each field: the most that fits is kept."""
MAX_BYTES = 2400
"""Of all fields, compressed: a cookie holds 4 KiB, and is a third longer than what is in it."""
UNKEPT = frozenset({"csrf_token", "writer", "expected", "typed", "submit", "dry_run"})
"""What a form sends that nobody has written."""


def sign_writer() -> str:
    """Return what a form says about whose it is."""
    return _serializer().dumps([current_scope().key, g.account.id])


def hold_back(page: str) -> None:
    """Keep what this request has sent, for the page that its form stands on.

    :param page: The page's path.
    """
    account_id = _read(request.form.get("writer", ""))
    if account_id is None or (g.account is not None and g.account.id != account_id):
        return
    fields = {name: value for name, value in request.form.items() if name not in UNKEPT}
    session[CARRIED] = {"account": account_id, "page": page, "fields": _fit(fields)}


def take_field(name: str) -> str | None:
    """Return a field of the text that was sent from this page, once."""
    held: dict[str, Any] | None = session.get(CARRIED)
    if held is None or held["page"] != request.script_root + request.path:
        return None
    value: str | None = held["fields"].pop(name, None)
    session.pop(CARRIED)
    if held["fields"]:
        session[CARRIED] = held
    return value


def _fit(fields: Mapping[str, str]) -> dict[str, str]:
    """Return as much of each field as the cookie has room for; at worst nothing."""
    for most in MAX_TEXTS:
        cut = {name: value[:most] for name, value in fields.items()}
        if len(zlib.compress(json.dumps(cut).encode())) <= MAX_BYTES:
            return cut
    return {}


def _read(writer: str) -> str | None:
    seconds = int(current_app.permanent_session_lifetime.total_seconds())
    try:
        scope, account_id = _serializer().loads(writer, max_age=seconds)
    except (BadSignature, TypeError, ValueError):
        return None
    return str(account_id) if scope == current_scope().key else None


def _serializer() -> URLSafeTimedSerializer:
    keys = [current_app.secret_key, *current_app.config["SECRET_KEY_FALLBACKS"]]
    return URLSafeTimedSerializer(
        keys[::-1],  # the newest last
        salt="backend.writer",
        signer_kwargs={"digest_method": hashlib.sha256},
    )
