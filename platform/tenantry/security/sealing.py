"""Seals small secrets that the catalog keeps, so that its database alone does not open them (R43)."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tenantry.security.keys import PLATFORM

if TYPE_CHECKING:
    from tenantry.security.keys import Keys

_NONCE = 12


def seal(keys: Keys, purpose: str, owner: str, secret: str) -> str:
    """Return *secret* encrypted with AES-256-GCM under the newest master key.

    :param purpose: What it is for, as ``"totp"``.
    :param owner: The id of what it belongs to; moved elsewhere, it does not open.
    """
    nonce = os.urandom(_NONCE)
    key = keys.derive(PLATFORM, f"seal:{purpose}")[0]
    sealed = AESGCM(key).encrypt(nonce, secret.encode(), owner.encode())
    return base64.urlsafe_b64encode(nonce + sealed).decode()


def unseal(keys: Keys, purpose: str, owner: str, sealed: str) -> str | None:
    """Return what was sealed; ``None`` if no master key opens it, or it belongs to another owner."""
    try:
        content = base64.urlsafe_b64decode(sealed)
    except ValueError:
        return None
    nonce, rest = content[:_NONCE], content[_NONCE:]
    for key in keys.derive(PLATFORM, f"seal:{purpose}"):
        try:
            return AESGCM(key).decrypt(nonce, rest, owner.encode()).decode()
        except (InvalidTag, ValueError):
            continue
    return None
