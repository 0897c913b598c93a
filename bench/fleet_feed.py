"""What a node with nothing to do asks of the catalog, and how many connections listen."""

from __future__ import annotations

import os
import time

import psycopg

IDLE_SECONDS = float(os.environ.get("IDLE_SECONDS", "20"))
SETTLED = 3.0
"""Seconds after a server's start until its workers have read what they read once."""

_TRANSACTIONS = (
    "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
)
_LISTENING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
)


def measure_feed(address: str, *, nodes: int) -> tuple[float, float]:
    """Return the transactions per second, and the connections that listen, of one idle node.

    :param address: The catalog, as libpq takes it.
    """
    time.sleep(SETTLED)
    with psycopg.connect(address, autocommit=True) as connection:
        began, before = time.monotonic(), _read(connection, _TRANSACTIONS)
        time.sleep(IDLE_SECONDS)
        done = _read(connection, _TRANSACTIONS) - before - 1  # without our own question
        seconds = time.monotonic() - began
        return max(0, done) / seconds / nodes, _read(connection, _LISTENING) / nodes


def _read(connection: psycopg.Connection, statement: str) -> int:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None  # both ask for one number
    return int(row[0])
