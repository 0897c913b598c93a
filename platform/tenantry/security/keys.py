"""Derives a key for each tenant and purpose from the master keys."""

from __future__ import annotations

import hmac
import secrets
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from tenantry.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import SecretStr

KEY_BYTES = 32
BLOCK_BYTES = 64
"""Of SHA-256."""

PLATFORM = "platform"
"""The scope of keys that belong to no tenant."""


class Keys:
    """The deployment's master keys, newest first.

    A derived key depends on the tenant's id, never on its slug: a renamed tenant keeps its
    sessions, and a new tenant with an old name gets none of them.

    :param masters: At least one key.
    :raises SettingsError: There is none.
    """

    def __init__(self, masters: Iterable[SecretStr]) -> None:
        self._pads = tuple(_pads_of(master.get_secret_value().encode()) for master in masters)
        if not self._pads:
            raise SettingsError(
                "TENANTRY_SECRET_KEYS",
                None,
                "there is no key yet; run `tenantry init`, or set one made with "
                "`openssl rand -hex 32`",
            )

    def __repr__(self) -> str:
        return f"<Keys: {len(self._pads)}>"

    def derive(self, scope: str, purpose: str) -> tuple[bytes, ...]:
        """Return a 32-byte key per master key, newest first (HKDF-SHA256, RFC 5869).

        :param scope: A tenant's id, or :data:`PLATFORM`.
        :param purpose: What the key is for, as ``"session"``.
        """
        # Lengths in front, so that no two pairs of scope and purpose make the same bytes.
        info = f"tenantry:1:{len(scope)}:{scope}:{len(purpose)}:{purpose}".encode()
        return tuple(_expand(pads, info) for pads in self._pads)


# The two steps of HKDF-SHA256 for a key as long as the hash. Each build of a tenant's app derives
# several; the library's object takes the first step for each of them again. The second step is HMAC
# (RFC 2104) in its own words: OpenSSL 3 looks its HMAC up in each call, which takes ten times as long.


def _pads_of(master: bytes) -> tuple[bytes, bytes]:
    """Return the two blocks that HMAC makes of the extracted key."""
    key = hmac.digest(bytes(KEY_BYTES), master, "sha256").ljust(BLOCK_BYTES, b"\0")
    return bytes(byte ^ 0x36 for byte in key), bytes(byte ^ 0x5C for byte in key)


def _expand(pads: tuple[bytes, bytes], info: bytes) -> bytes:
    inner, outer = pads
    return sha256(outer + sha256(inner + info + b"\x01").digest()).digest()


@lru_cache(maxsize=8)
def keys_of(masters: tuple[SecretStr, ...]) -> Keys:
    """Return the :class:`Keys` of these master keys, made once."""
    return Keys(masters)


def new_token() -> str:
    """Return 256 random bits, safe in a URL."""
    return secrets.token_urlsafe(KEY_BYTES)
