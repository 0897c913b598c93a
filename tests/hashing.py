"""Passwords in tests: hashed at a low cost, or by as many at once as may."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher

from tenantry.security import passwords

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def every_place_taken() -> Iterator[None]:
    """Hold every place to hash in, as slow hashes would."""
    with ExitStack() as stack:
        for _ in range(passwords._CONCURRENT):
            stack.enter_context(passwords._slot())
        yield


@contextmanager
def cheap_hashing() -> Iterator[None]:
    """Hash with the least memory that argon2id takes in the block: 0.1 ms and not 50.

    What it proves is the same: a hash made at another cost still verifies, and is due for renewal.
    """
    cheap = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", cheap)
        patch.setattr(passwords, "DECOY", passwords.make_decoy(cheap))
        yield
