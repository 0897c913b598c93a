"""Signatures of webhooks' messages."""

from __future__ import annotations

import base64

import pytest

from tenantry.security.webhook_signing import new_webhook_secret, sign_headers


@pytest.mark.parametrize(
    ("secret", "message", "moment", "body", "signature"),
    [
        pytest.param(
            "whsec_plJ3nmyCDGBKInavdOK15jsl",
            "msg_loFOjxBNrRLzqYUf",
            1731705121,
            b'{"event_type":"ping","data":{"success":true}}',
            "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
            id="of the specification's simulator",
        ),
        pytest.param(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1614265330,
            b'{"test": 2432232314}',
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            id="of the reference libraries",
        ),
    ],
)
def test_signatures_are_those_of_standard_webhooks(
    secret: str, message: str, moment: int, body: bytes, signature: str
) -> None:
    """What others compute for the same message is what we send."""
    assert sign_headers(secret, message, moment, body) == {
        "webhook-id": message,
        "webhook-timestamp": str(moment),
        "webhook-signature": signature,
    }


def test_secrets_are_long_and_new() -> None:
    """256 bits behind the prefix that the specification names."""
    first, second = new_webhook_secret(), new_webhook_secret()
    assert first != second
    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.removeprefix("whsec_"))) == 32
