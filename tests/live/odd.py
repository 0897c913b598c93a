"""A server whose sites come from ``factories/odd.py``, and what that factory has noted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from tests.live.server import Server, make_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


class OddServer(Server):
    """See ``factories/odd.py`` for what its sites can do."""

    notes: Path

    @classmethod
    def prepare(
        cls, base: Path, slugs: Iterable[str], *, env: Mapping[str, str] | None = None
    ) -> Self:
        """Make the folders of a server that is not started yet."""
        notes = base / "notes"
        notes.mkdir(parents=True)
        make_data(base / "var", slugs, provisioned=False)
        own = {"TENANTRY_FACTORY": "odd:create_app", "ODD_DIR": str(notes)}
        server = cls(base / "var", env={**own, **(env or {})})
        server.notes = notes
        return server

    def open(self, gate: str) -> None:
        """Let pass whoever waits at the gate, and everyone after."""
        (self.notes / gate).touch()

    def noted(self, book: str) -> list[str]:
        """Return the lines of one of the factory's books."""
        file = self.notes / book
        return file.read_text().splitlines() if file.exists() else []
