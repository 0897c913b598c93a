"""Servers of all kinds that ``tenantry serve`` starts, with the odd sites."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tenantry.worker import ask_workers
from tests.live.odd import OddServer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KINDS = ("uwsgi", "gunicorn", "granian")


class ServedServer(OddServer):
    """The odd sites behind ``tenantry serve --server KIND``."""

    kind = "uwsgi"

    @classmethod
    def prepare_kind(
        cls, kind: str, base: Path, slugs: Iterable[str], env: Mapping[str, str]
    ) -> Self:
        """Make the folders of a server that is not started yet."""
        server = cls.prepare(base, slugs, env=env)
        server.kind = kind
        return server

    @property
    def command(self) -> list[str]:
        program = str(Path(sys.executable).with_name("tenantry"))
        return [program, "serve", "--server", self.kind]

    def workers(self) -> set[int]:
        """Return the process ids of the workers that tell how they are doing."""
        reports = ask_workers(self.data / "run" / "workers")
        return {report["pid"] for report in reports}

    def is_healthy(self) -> bool:
        return "Ctrl-C stops it" in self.log() and super().is_healthy()
