"""Signs what webhooks send, as Standard Webhooks 1.0.0 says (https://www.standardwebhooks.com).

The signature is HMAC-SHA256 over the message's id, the time and the body. A receiver that knows the
secret can tell that a message is ours, is unchanged, and is not an old one sent again.
"""

from __future__ import annotations

import base64
import hmac
import secrets

PREFIX = "whsec_"
SECRET_BYTES = 32
"""The specification asks for 24 to 64."""


def new_webhook_secret() -> str:
    """Return a new secret, as ``whsec_`` with 256 random bits in base64 behind it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign_headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that a message carries.

    :param timestamp: When it is sent, in seconds since 1970.
    """
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
