"""Fencing: a holder that has lost its lock of the fleet commits nothing more."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from sqlalchemy import text

from tenantry.errors import LockLostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

_CHECK = text("SELECT 1 FROM operation_locks WHERE name = :name AND token = :token FOR KEY SHARE")

_tokens: ContextVar[tuple[tuple[str, str], ...]] = ContextVar("tenantry_lock_tokens", default=())
"""Names and tokens of the locks that the code which runs here holds."""


@contextmanager
def holding_token(name: str, token: str) -> Iterator[None]:
    """Let the transactions of the block depend on a lock's token."""
    before = _tokens.set((*_tokens.get(), (name, token)))
    try:
        yield
    finally:
        _tokens.reset(before)


def check_tokens(connection: Connection) -> None:
    """Make sure, in a transaction that is about to be committed, that no lock was lost meanwhile.

    Until the commit nobody else can take the locks: the next holder waits for these rows.

    :raises LockLostError: Another process has one of them now.
    """
    for name, token in _tokens.get():
        if connection.scalar(_CHECK, {"name": name, "token": token}) is None:
            raise LockLostError(name)
