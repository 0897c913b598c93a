"""A running platform with tenants on both kinds of placement, and its command line."""

from __future__ import annotations

import csv
import json
import threading
import time
from typing import TYPE_CHECKING

from tests.history.record import Excuse, History
from tests.live.history.clients import Site, Sites
from tests.live.history.commands import KILLED, LIMIT_SECONDS, Commands
from tests.live.history.raw import Raw, find_files, read_file, read_schema
from tests.live.server import FACTORIES, Server, free_port, until
from tests.tenantry.migrations.support import write_revisions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.live.history.postgres import OwnPostgres

KINDS = ("sqlite", "postgresql")
"""The placements are called like their kinds."""
EACH = 3
"""Tenants of each kind."""
AFTERMATH_SECONDS = 20.0
PATIENCE = 60
"""For a command that fails because the database is away."""

FIRST = """op.create_table("applied", sa.Column("id", sa.Integer, primary_key=True),
                    sa.Column("revision", sa.String(40), nullable=False))
    for name in ("entry", "echo"):
        op.create_table(name, sa.Column("id", sa.Integer, primary_key=True),
                        sa.Column("author", sa.String(40), nullable=False, index=True),
                        sa.Column("value", sa.String(80), nullable=False, index=True))
"""
LATER = """op.add_column("entry", sa.Column("note_{0}", sa.String(9), server_default="-"))
    op.execute("INSERT INTO applied (revision) VALUES ('{0}')")
"""


class Deployment(Server):
    """The platform with guest books.

    :param base: An empty folder.
    """

    def __init__(self, base: Path, postgres: OwnPostgres) -> None:
        self.base = base
        self.postgres = postgres
        self.history = History()
        self.sites = Sites()
        self.revisions = write_revisions(base / "revisions", FIRST)
        self.revision = 1
        self.spoken: list[str] = []
        """Every command, when it was said, and its exit code."""
        self.outages: list[tuple[float, float]] = []
        """When PostgreSQL was away, so that commands may fail."""
        placements = {"sqlite": "sqlite", "postgresql": postgres.url}
        env = {
            "GUESTBOOK_REVISIONS": str(self.revisions),
            "TENANTRY_FACTORY": "guestbook:create_app",
            "TENANTRY_DATABASES": json.dumps(placements),
            # Fewer than there are tenants: instances come and go, and files are closed and opened.
            "TENANTRY_POOL_INSTANCES": "6",
            "TENANTRY_POOL_CONNECTIONS": "2",
        }
        super().__init__(base / "var", env=env)

    def prepare(self) -> None:
        """Make the tenants."""
        self.port = free_port()  # the settings want one; the start looks for another
        with self.commands() as commands:
            self._fill(commands)

    def _fill(self, commands: Commands) -> None:
        self.say(commands, "init", "--no-link")
        for kind in KINDS:
            file = self.base / f"{kind}.csv"
            with file.open("w") as text:
                rows = csv.writer(text)
                rows.writerow(["slug", "name", "owner_email"])
                slugs = [f"{kind[0]}{number}" for number in range(EACH)]
                rows.writerows([slug, slug, f"owner@{slug}.test"] for slug in slugs)
            arguments = ("tenant", "create", "--from-file", str(file), "--placement", kind)
            self.say(commands, *arguments)
            for slug in slugs:
                self.sites.add(self.find_site(slug))

    def find_site(self, slug: str) -> Site:
        """Return the tenant that is called so."""
        tenant = self.catalog.tenants.get(slug)
        return Site(tenant.id, slug, tenant.placement, mark=slug)

    # --- commands -------------------------------------------------------------------------------

    def commands(self) -> Commands:
        """Return the command line, for one thread."""
        notes = self.base / f"{threading.current_thread().name}.notes"
        return Commands(self.environment, folder=FACTORIES, notes=notes)

    def say(
        self,
        commands: Commands,
        *arguments: str,
        again: Sequence[str] = (),
        die_after: float = LIMIT_SECONDS,
    ) -> str:
        """Say a command until it has done its work, and return what it says.

        It may fail only while PostgreSQL is away, or where one before was killed, and then with a
        sentence. What is wrong is noted.

        :param again: What to say when it has failed; the same, if nothing else is named.
        :param die_after: Kill it the first time after so many seconds.
        """
        deadline = time.monotonic() + PATIENCE
        first = arguments
        while True:
            started = time.monotonic()
            code, said = commands.say(*arguments, die_after=die_after)
            self.spoken.append(f"{started:.3f} {' '.join(arguments)}: {code}")
            shown = f"`tenantry {' '.join(arguments)}` ended with {code}: {said}"
            if "Traceback" in said:
                self.history.complain(shown)
            if code == 0:
                return said
            if code == KILLED and die_after < LIMIT_SECONDS:
                # What it has started may still be at work, for some seconds.
                self.outages.append((started, time.monotonic() + AFTERMATH_SECONDS))
            die_after = LIMIT_SECONDS
            excused = any(end >= started for _, end in self.outages[-9:])
            if not excused or time.monotonic() > deadline:
                self.history.complain(shown)
                raise GaveUpError(shown)
            time.sleep(0.2)
            # Killed before its run was on record, there is none to continue, and its remedy is said.
            arguments = first if "`tenantry migrate` starts one" in said else tuple(again) or first

    # --- looking --------------------------------------------------------------------------------

    def read(self, site: Site, *, placement: str = "") -> Raw:
        """Read the site's data, where it is or was, behind the platform's back."""
        if (placement or site.placement) == "sqlite":
            return read_file(find_files(self.data)[site.id])
        until(self.postgres.answers, seconds=60, why="the server is back")
        return read_schema(self.postgres, site.id)

    def excuse(self, site: str, started: float, statuses: set[int], what: str) -> None:
        """Note that something was done from *started* until now."""
        item = Excuse(site, started, time.monotonic(), frozenset(statuses), what)
        self.history.note(item)


class GaveUpError(Exception):
    """A command did not do its work; it has been noted."""
