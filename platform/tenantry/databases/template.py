"""What a new tenant's database is made of, whatever its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tenantry.databases.servers import Server


class Template(Protocol):
    """A database at the newest schema revision, as each kind takes it."""

    def file(self) -> Path:
        """Return a SQLite file."""

    def statements(self, server: Server) -> Sequence[str] | None:
        """Return what makes it on a PostgreSQL server; ``None`` if statements cannot tell it."""
