"""Passwords: argon2id hashes, and the rules for new ones.

Parameters: OWASP ASVS 5.0 appendix C (argon2id, 46 MiB, t=1, p=1). A hash takes that memory and
some 50 ms, so only a few run at once in a process: a flood of sign-ins must not take the machine.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tenantry.errors import HashingBusyError, WeakPasswordError

if TYPE_CHECKING:
    from collections.abc import Iterator

MIN_LENGTH = 10
"""Characters of a password on a site."""
ACCOUNT_MIN_LENGTH = 12
"""Characters of a password of a platform account, which opens whole sites."""
MIN_GUESSES = 10
"""A power of ten. Fewer guesses take an attacker with the hash only days."""
MAX_BYTES = 1024
_CONCURRENT = 2
_LOOKED_AT = 72

_hasher = PasswordHasher(time_cost=1, memory_cost=46 * 1024, parallelism=1)
_slots = threading.BoundedSemaphore(_CONCURRENT)


@contextmanager
def _slot() -> Iterator[None]:
    """Take one of the few places to hash in. Nobody waits for one: that would take a thread."""
    if not _slots.acquire(blocking=False):
        raise HashingBusyError
    try:
        yield
    finally:
        _slots.release()


def hash_password(password: str) -> str:
    """Return the argon2id hash of *password*, parameters and salt included.

    :raises HashingBusyError: As many passwords are being hashed as may be.
    """
    with _slot():
        return _hasher.hash(password)


def verify_password(hashed: str | None, password: str) -> bool:
    """Say whether *password* made *hashed*.

    Without a hash (no such account, or no password yet) it takes the same time and says no, so
    that the answer's time tells nothing (R34).

    :raises HashingBusyError: As many passwords are being hashed as may be.
    """
    if len(password.encode()) > MAX_BYTES:
        return False
    with _slot():
        try:
            # An empty hash is a damaged one, not a missing one.
            stored = DECOY if hashed is None else hashed
            return _hasher.verify(stored, password) and hashed is not None
        except (VerificationError, InvalidHashError):
            return False


def needs_rehash(hashed: str) -> bool:
    """Say whether the hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(hashed)


def renew_hash(hashed: str, password: str) -> str | None:
    """Return a hash with today's parameters for one with others.

    It is none if there is nothing to renew, or no place to hash in now: the next sign-in can do it.
    """
    if not needs_rehash(hashed):
        return None
    try:
        return hash_password(password)
    except HashingBusyError:
        return None


def check_password(password: str, *context: str, min_length: int = MIN_LENGTH) -> None:
    """Refuse a new password that is easy to guess. Length counts; no character classes (R50).

    :param context: Words an attacker would try first: the e-mail address, the site's name.
    :param min_length: Characters; :data:`ACCOUNT_MIN_LENGTH` for accounts of the platform.
    :raises WeakPasswordError: With a sentence for the form.
    """
    if len(password) < min_length:
        raise WeakPasswordError(f"Use at least {min_length} characters; a few words do well.")
    if len(password.encode()) > MAX_BYTES:
        raise WeakPasswordError(f"Use at most {MAX_BYTES} bytes.")
    if count_guesses(password, *context) < 10**MIN_GUESSES:
        raise WeakPasswordError(
            "This password is easy to guess: do not build it from a name, a common password or a row "
            "of keys. Use a few unrelated words."
        )


def count_guesses(password: str, *context: str) -> float:
    """Return how many tries a guesser needs who knows common passwords, names and rows of keys.

    The lists are loaded at the first call and stay: 15 MB and 50 ms, once in a process.
    """
    # Here, because most processes set no password.
    from zxcvbn import zxcvbn  # type: ignore[import-untyped]  # noqa: PLC0415 - it has no types

    # What is left without these words has to be a password of its own. The library would take them as
    # well, but keeps them in a dictionary of its module, for everybody.
    rest = password.casefold()
    parts = {part for text in context for part in _parts(text)}
    for word in sorted(parts, key=len, reverse=True):
        rest = rest.replace(word, "")
    if not rest:
        return 0.0
    given = password if len(rest) == len(password) else rest
    # What comes after so many characters costs time and says nothing new.
    found = zxcvbn(given[:_LOOKED_AT], max_length=_LOOKED_AT)
    return float(found["guesses"])


def _parts(word: str) -> list[str]:
    folded = word.casefold()
    pieces = [folded, *folded.replace("@", " ").replace(".", " ").replace("-", " ").split()]
    return [piece for piece in pieces if len(piece) > 2]  # noqa: PLR2004 - shorter ones occur by chance


def make_decoy(hasher: PasswordHasher) -> str:
    """Return a hash that costs as much to verify as the hasher's own.

    The time it takes is all that matters. Nobody has made it, of anything: hashing something would
    cost every process as much, at its start.
    """
    memory, time, lanes = hasher.memory_cost, hasher.time_cost, hasher.parallelism
    return f"$argon2id$v=19$m={memory},t={time},p={lanes}${'A' * 22}${'A' * 43}"


DECOY = make_decoy(_hasher)
