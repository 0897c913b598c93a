"""What an operator does to tenants, while clients write to them, and what must come of it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from tests.history.record import Beginning, Look
from tests.live.history.commands import LIMIT_SECONDS
from tests.live.history.deployment import KINDS, LATER, GaveUpError
from tests.live.history.raw import Raw, read_bundle
from tests.tenantry.migrations.support import write_revisions

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.live.history.clients import Site
from tests.live.history.deployment import Deployment

KILLED_SHARE = 0.3
"""Of the commands that can be said again."""
LONGEST_LIFE = 2.0
MOST_COPIES = 3
"""Clones and imports that are there at once."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup, and what is in it."""

    path: Path
    content: Raw


class Operator:
    """Says commands, one after the other, each about a tenant chosen by chance."""

    def __init__(self, deployment: Deployment, chance: random.Random) -> None:
        self._deployment = deployment
        self._history = deployment.history
        self._chance = chance
        self._names = count(1)
        self._copies: list[Site] = []
        self.done: list[str] = []

    def work(self, deadline: float) -> None:
        """Do all there is to do, over and over, in any order, until *deadline*."""
        with self._deployment.commands() as self._commands:
            self._work(deadline)

    def _work(self, deadline: float) -> None:
        while not self._history.complaints:
            tasks = self._tasks()
            self._chance.shuffle(tasks)
            for number, task in enumerate(tasks):
                site = self._choose(KINDS[number % len(KINDS)])
                try:
                    task(site)
                except GaveUpError:
                    return
                self.done.append(f"{task.__name__.strip('_')} {site.slug}")
                if time.monotonic() > deadline:
                    return

    def _tasks(self) -> list[Callable[[Site], None]]:
        return [
            self._suspend,
            self._rename,
            self._clone,
            self._copy,
            self._delete,
            self._back_up,
            self._back_up,
            self._restore,
            self._restore,
            self._migrate,
            self._move,
            self._move,
        ]

    def _choose(self, placement: str) -> Site:
        sites = self._deployment.sites.all()
        return self._chance.choice([s for s in sites if s.placement == placement] or sites)

    def _say(self, *arguments: str, again: Sequence[str] = ()) -> None:
        self._deployment.say(self._commands, *arguments, again=again)

    def _insist(self, *arguments: str, again: Sequence[str] = ()) -> None:
        """Say a command that may be killed at any moment, and is then said again."""
        seconds = LIMIT_SECONDS
        if self._chance.random() < KILLED_SHARE:
            seconds = self._chance.uniform(0.1, LONGEST_LIFE)
        self._deployment.say(self._commands, *arguments, again=again, die_after=seconds)

    def _pause(self) -> None:
        """Let clients notice."""
        time.sleep(self._chance.uniform(0, 0.5))

    @contextmanager
    def _excuse(self, site: Site, *statuses: int) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self._deployment.excuse(site.id, started, set(statuses), "an operator's command")

    # --- one task each --------------------------------------------------------------------------

    def _suspend(self, site: Site) -> None:
        with self._excuse(site, 403):
            self._say("tenant", "suspend", site.slug)
            self._pause()
            self._say("tenant", "resume", site.slug)

    def _rename(self, site: Site) -> None:
        before, after = site.slug, f"{site.mark}-{next(self._names)}"
        for old, new in ((before, after), (after, before)):
            with self._excuse(site, 308):
                self._say("tenant", "rename", old, new)
                site.slug = new
            self._pause()

    def _clone(self, site: Site) -> None:
        slug = f"c{next(self._names)}"
        started = time.monotonic()
        self._say("tenant", "clone", site.slug, slug)
        self._begin_copy(site, slug, started)

    def _copy(self, site: Site) -> None:
        """Export a tenant and import it, perhaps into the other kind of database."""
        slug = f"i{next(self._names)}"
        bundle = self._deployment.base / f"{slug}.tenant"
        started = time.monotonic()
        self._say("tenant", "export", site.slug, "-o", str(bundle))
        exported = read_bundle(bundle)
        self._note(site, exported, started, "in its export")
        placement = self._chance.choice(KINDS)
        self._say("tenant", "import", str(bundle), "--slug", slug, "--placement", placement)
        if self._begin_copy(site, slug, started).rows != exported.rows:
            self._history.complain(f"the import {slug} is not what was exported of {site.slug}")

    def _delete(self, site: Site) -> None:
        """Delete a tenant and bring it back."""
        with self._excuse(site, 410):
            started = time.monotonic()
            self._insist("tenant", "delete", site.slug, "--yes")
            bundle = self._deployment.data / "deleted" / f"t_{site.id}.tenant"
            self._note(site, read_bundle(bundle), started, "in the bundle of its deletion")
            self._pause()
            self._say("tenant", "undelete", site.slug)
            self._say("tenant", "resume", site.slug)

    def _back_up(self, site: Site) -> None:
        started = time.monotonic()
        self._insist("backup", "make", site.slug)
        # What has not changed since is not backed up again: then the last one has to be right.
        home = self._deployment.data / "backups" / f"t_{site.id}"
        path = max(home.glob("*.tenant"))
        backup = Backup(path, read_bundle(path))
        self._note(site, backup.content, started, f"in the backup {path.name}")
        site.backups.append(backup)

    def _restore(self, site: Site) -> None:
        if not site.backups:
            self._back_up(site)
            self._pause()
        backup = self._chance.choice(site.backups)
        started = time.monotonic()
        self._insist("restore", site.slug, "--from", str(backup.path))
        ended = time.monotonic()
        self._history.note(
            Beginning(
                site.id, started, ended, backup.content.values, f"restoring {backup.path.name}"
            )
        )
        if backup.content.revision != f"{self._deployment.revision:04}":
            self._say("migrate", "--only", site.slug)

    def _migrate(self, _: Site) -> None:
        """Ship a new revision and bring everybody to it."""
        deployment = self._deployment
        number = deployment.revision + 1
        # The last one that is shipped is the newest; whoever is made meanwhile, is made by it.
        head = "maintenance = True" if self._chance.random() < 0.5 else ""
        body = LATER.format(f"{number:04}")
        write_revisions(deployment.revisions, body, first=number, head=head)
        deployment.revision = number
        again = self._chance.choice([["migrate"], ["migrate", "--resume", "--retry-failed"]])
        self._insist("migrate", again=again)

    def _move(self, site: Site) -> None:
        """Move a tenant to the other placement; its old copy has all that was there until then."""
        before, after = site.placement, next(kind for kind in KINDS if kind != site.placement)
        started = time.monotonic()
        self._insist("tenant", "move", site.slug, "--to", after)
        site.placement = after
        left = self._deployment.read(site, placement=before)
        self._note(site, left, started, f"in its old copy on {before}")
        self._pause()
        self._say("tenant", "move", site.slug, "--drop")

    # --- copies ---------------------------------------------------------------------------------

    def _begin_copy(self, original: Site, slug: str, started: float) -> Raw:
        """Look at a copy before anybody writes to it, and open it to clients."""
        site = self._deployment.find_site(slug)
        content = self._deployment.read(site)
        self._note(original, content, started, f"in its copy {slug}")
        what = f"being made of {original.slug}"
        self._history.note(Beginning(site.id, started, time.monotonic(), content.values, what))
        if content.misapplied():
            self._history.complain(f"{slug}, made of {original.slug}: {content.misapplied()}")
        self._deployment.sites.add(site)
        self._copies.append(site)
        if len(self._copies) > MOST_COPIES:
            self._purge(self._copies.pop(0))
        return content

    def _purge(self, site: Site) -> None:
        started = time.monotonic()
        self._insist("tenant", "delete", site.slug, "--yes")
        self._pause()
        self._deployment.sites.remove(site)
        self._insist("tenant", "purge", site.slug, "--early", "--yes")
        self._deployment.excuse(site.id, started, {410}, "being purged")

    def _note(self, site: Site, content: Raw, started: float, how: str) -> None:
        look = Look(site.id, started, time.monotonic(), content.rows, how=how)
        self._history.note(look)
