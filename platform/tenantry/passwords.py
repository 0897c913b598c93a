"""Passwords: argon2id hashes, and the rules for new ones.

Parameters: OWASP ASVS 5.0 appendix C (argon2id, 46 MiB, t=1, p=1). A hash takes that memory and
some 50 ms, so only a few run at once in a process: a flood of sign-ins must not take the machine.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tenantry.errors import HashingBusyError, WeakPasswordError

if TYPE_CHECKING:
    from collections.abc import Iterator

MIN_LENGTH = 10
MAX_BYTES = 1024
_CONCURRENT = 2
_MIN_DISTINCT = 5

_TIME, _MEMORY, _LANES = 1, 46 * 1024, 1
_hasher = PasswordHasher(time_cost=_TIME, memory_cost=_MEMORY, parallelism=_LANES)
_slots = threading.BoundedSemaphore(_CONCURRENT)

_COMMON = tuple(
    """
    password passw0rd letmein welcome qwerty qwertz azerty asdfgh zxcvbn iloveyou sunshine princess
    football baseball superman batman dragon monkey shadow master trustno1 admin administrator
    changeme secret login abc123 starwars whatever computer internet
    """.split()  # noqa: SIM905 - words read better as text
)


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


def check_password(password: str, *context: str) -> None:
    """Refuse a new password that is easy to guess. Length counts; no character classes (R50).

    :param context: Words an attacker would try first: the e-mail address, the site's name.
    :raises WeakPasswordError: With a sentence for the form.
    """
    if len(password) < MIN_LENGTH:
        raise WeakPasswordError(f"Use at least {MIN_LENGTH} characters; a few words do well.")
    if len(password.encode()) > MAX_BYTES:
        raise WeakPasswordError(f"Use at most {MAX_BYTES} bytes.")
    folded = password.casefold()
    if len(set(folded)) < _MIN_DISTINCT:
        raise WeakPasswordError("Use more different characters.")
    words = {part for word in context for part in _parts(word)}
    for word in (*words, *_COMMON):
        # The rest after a guessable word has to be a password of its own.
        if word in folded and len(folded) - len(word) < MIN_LENGTH:
            raise WeakPasswordError("Do not build it from a name or a common password.")
    if _is_sequence(folded):
        raise WeakPasswordError("Do not use a row of keys or numbers.")


def _parts(word: str) -> list[str]:
    folded = word.casefold()
    pieces = [folded, *folded.replace("@", " ").replace(".", " ").replace("-", " ").split()]
    return [piece for piece in pieces if len(piece) > 3]  # noqa: PLR2004 - shorter ones occur by chance


def _is_sequence(text: str) -> bool:
    steps = [ord(b) - ord(a) for a, b in pairwise(text)]
    return max(steps.count(step) for step in (-1, 0, 1)) > len(steps) * 0.7


# The time it takes is all that matters. Nobody has made it, of anything: hashing something would
# cost every process as much, at its start.
DECOY = f"$argon2id$v=19$m={_MEMORY},t={_TIME},p={_LANES}${'A' * 22}${'A' * 43}"
