"""The certificates that end first, as the last run of ``tenantry certificates`` saw them.

The console shows them. Reading one small file costs it the same, however many domains there are.
"""

from __future__ import annotations

import heapq
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tenantry.files.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MOST = 1000
"""Domains that are noted."""


@dataclass(frozen=True, slots=True)
class CertificateExpiry:
    """When a domain's certificate ends."""

    host: str
    at: datetime | None
    """``None`` if it has none."""


def write_expiries(file: Path, expiries: Iterable[CertificateExpiry]) -> None:
    """Note the certificates that end first; a domain without one comes before them."""
    first = heapq.nsmallest(MOST, expiries, key=_order)
    lines = [[one.host, one.at and one.at.isoformat(timespec="seconds")] for one in first]
    write_atomically(file, json.dumps(lines))


def read_expiries(file: Path) -> tuple[CertificateExpiry, ...]:
    """Return what was noted, the first end first; nothing if it cannot be read.

    The command may never have run here, or as another user, whose file is that user's alone.
    """
    try:
        noted = json.loads(file.read_text())
        return tuple(
            CertificateExpiry(str(host), None if at is None else datetime.fromisoformat(at))
            for host, at in noted
        )
    except (OSError, ValueError, TypeError):
        return ()


def _order(one: CertificateExpiry) -> tuple[datetime, str]:
    return (one.at or datetime.min.replace(tzinfo=UTC), one.host)
