"""A process that hashes as many passwords as it may."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

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
