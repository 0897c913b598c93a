"""The text of API tokens: a prefix that secret scanners find, random letters, and a checksum.

The checksum tells a token from other text without asking the catalog, as scanners do and as the API
does with what nobody can have been given.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "tnt_"
ALPHABET = string.digits + string.ascii_letters
RANDOM = 32
"""Letters of 62: 190 bits."""
CHECKSUM = 6

_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{RANDOM + CHECKSUM}}}\Z")


def new_api_token() -> str:
    """Return a new token, as ``tnt_`` with 38 letters and digits behind it."""
    text = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM))
    return text + _checksum(text)


def is_api_token(text: str) -> bool:
    """Say whether a text is a token by its form; it may be nobody's."""
    return _SHAPE.match(text) is not None and text.endswith(_checksum(text[:-CHECKSUM]))


def hash_api_token(text: str) -> str:
    """Return what the catalog keeps of a token; it is random, so a fast hash is enough."""
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(text: str) -> str:
    """Return the CRC-32 of a text in base 62."""
    number, letters = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM):
        number, digit = divmod(number, len(ALPHABET))
        letters = ALPHABET[digit] + letters
    return letters
