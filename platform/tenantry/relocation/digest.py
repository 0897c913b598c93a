"""Digests of a table's rows, to compare two databases.

The order in which rows come does not matter: databases of two kinds do not sort alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from tenantry.rows.codec import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tenantry.rows.codec import Sort

_BYTES = 16
_LIMIT = 1 << (8 * _BYTES)


@dataclass(slots=True)
class Digest:
    """So many rows, and the sum of their hashes."""

    rows: int = 0
    total: int = 0

    def add(self, rows: Iterable[Sequence[Any]], sorts: Sequence[Sort]) -> None:
        """Add rows of JSON values."""
        for row in rows:
            text = repr([canonical(*pair) for pair in zip(row, sorts, strict=True)])
            found = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest()
            self.total = (self.total + int.from_bytes(found, "big")) % _LIMIT
            self.rows += 1
