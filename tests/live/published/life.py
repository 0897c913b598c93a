"""A platform of one app with the tenants acme and globex: its server, its operator and its visitors."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tenantry.databases.servers import SERVERS
from tests.live.history.commands import Commands
from tests.live.member import Visitor
from tests.live.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SLUGS = ("acme", "globex")
KEYS = "0123456789abcdef" * 4


@dataclass
class Life:
    """A running platform."""

    env: dict[str, str]
    server: Server
    commands: Commands

    def do(self, *arguments: str) -> str:
        """Run a command, which must succeed."""
        code, said = self.commands.say(*arguments)
        assert code == 0, said
        return said

    def visitor(self, slug: str, *, like: Visitor | None = None) -> Visitor:
        """Return somebody with an empty browser, or with the cookies of another visitor."""
        visitor = Visitor(self.server, slug)
        visitor.cookies = dict(like.cookies) if like else {}
        return visitor


@contextmanager
def open_life(
    folder: Path, env: Mapping[str, str], *, code: Path, databases: Mapping[str, str]
) -> Iterator[Life]:
    """Create the tenants of an app and serve them by uWSGI in the block.

    :param folder: For all that is made.
    :param env: The settings that the app needs.
    :param code: The folder that the app is imported from.
    :param databases: The placements; tenants begin on the first one.
    """
    base = Path(tempfile.mkdtemp(dir=folder))
    chosen = {
        "PYTHONPATH": str(code),
        "TENANTRY_DATABASES": json.dumps(databases),
        "TENANTRY_SECRET_KEYS": KEYS,
        **env,
    }
    server = Server(base / "var", env=chosen)
    commanding = {**server.environment, "TENANTRY_PORT": "8000"}
    with Commands(commanding, folder=base, notes=base / "said") as commands:
        life = Life(chosen, server, commands)
        life.do("init", "--no-link")
        for slug in SLUGS:
            life.do("tenant", "create", slug)
        with server:
            yield life
    SERVERS.clear()
