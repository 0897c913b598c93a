"""Clients who write to sites, read what they wrote, and note everything."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tests.history.record import Answer, Change, Look, Outcome, make_value

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from tests.history.record import History
    from tests.live.history.deployment import Deployment
    from tests.live.wire import Answer as Response

MOST = 20
"""Values of one client in one site; it then erases the oldest ones."""
PAUSE_SECONDS = 0.05
REFUSING = {308, 403, 404, 410}
"""Answers of the front door, with which a request has reached no site."""


@dataclass(eq=False)
class Site:
    """One tenant as clients know it."""

    id: str
    slug: str
    placement: str
    mark: str
    """What its values begin with; it never changes, and is nobody else's."""
    backups: list[Any] = field(default_factory=list)


@dataclass
class Sites:
    """The sites that are there to be visited."""

    _all: list[Site] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, site: Site) -> None:
        """Let clients visit *site*."""
        with self._lock:
            self._all.append(site)

    def remove(self, site: Site) -> None:
        """Let nobody visit *site* any more; whoever does still may."""
        with self._lock:
            self._all.remove(site)

    def all(self) -> list[Site]:
        """Return them."""
        with self._lock:
            return list(self._all)


class Client:
    """Does one thing after the other, each at a site of its choice."""

    def __init__(
        self, deployment: Deployment, name: str, chance: random.Random, stopping: threading.Event
    ) -> None:
        self._deployment = deployment
        self._history: History = deployment.history
        self._name = name
        self._chance = chance
        self._stopping = stopping
        self._number = 0
        self._known: dict[str, list[str]] = {}
        """What it has last seen of its own, for each site."""

    def run(self) -> None:
        """Go on until the end."""
        try:
            while not self._stopping.is_set():
                self._act(self._chance.choice(self._deployment.sites.all()))
                self._stopping.wait(PAUSE_SECONDS)
        except Exception as error:  # noqa: BLE001 - the test shows it
            self._history.complain(f"{self._name}: {error!r}")

    def _act(self, site: Site) -> None:
        known = self._known.setdefault(site.id, [])
        if len(known) > MOST:
            self.erase(site, known.pop(0))
        elif self._chance.random() < 0.6:
            self.write(site)
        if self._chance.random() < 0.6:
            everybody = self._chance.random() < 0.1
            self.look(site, "" if everybody else self._name)

    def write(self, site: Site) -> None:
        """Write a new value."""
        self._number += 1
        value = make_value(site.mark, self._name, self._number)
        form = urlencode({"value": value, "author": self._name}).encode()
        self._change(site, value, "POST", "/entries", body=form)

    def erase(self, site: Site, value: str) -> None:
        """Take a value away."""
        self._change(site, value, "DELETE", f"/entries/{value}")

    def look(self, site: Site, author: str) -> None:
        """Read the values of an author, or all."""
        answer, response = self._ask(site, f"/entries?author={author}")
        if response is None or answer.status != 200:
            return
        rows = {value: (entries, echoes) for value, entries, echoes in json.loads(response.body)}
        self._history.note(Look(site.id, answer.started, answer.ended, rows, author))
        if author:
            self._known[site.id] = sorted(rows, key=lambda value: int(value.rpartition(".")[2]))

    def _change(self, site: Site, value: str, method: str, path: str, **options: Any) -> None:
        answer, _ = self._ask(site, path, method=method, **options)
        outcome = Outcome.UNKNOWN
        if answer.status in {200, 201}:
            outcome = Outcome.DONE
        elif answer.status in REFUSING:
            outcome = Outcome.REFUSED
        change = Change(site.id, value, answer.started, answer.ended, outcome)
        self._history.note(change, erased=method == "DELETE")

    def _ask(self, site: Site, path: str, **options: Any) -> tuple[Answer, Response | None]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        response, trouble, started = None, "", time.monotonic()
        try:
            response = self._deployment.site(site.slug, path, headers=headers, **options)
        except (OSError, HTTPException) as error:
            trouble = " ".join([repr(error), *getattr(error, "__notes__", ())])
        answer = Answer(
            site.id,
            started,
            time.monotonic(),
            response.status if response is not None else 0,
            response.get("Retry-After") if response is not None else "",
            response.get("X-Tenant") if response is not None else "",
            response.text[:300] if response is not None and response.status > 201 else trouble,
        )
        self._history.note(answer)
        return answer, response


@contextmanager
def clients(deployment: Deployment, chances: list[random.Random]) -> Iterator[None]:
    """Let a client for each of *chances* be at work during the block."""
    stopping = threading.Event()
    threads = [
        threading.Thread(target=Client(deployment, f"c{number}", chance, stopping).run, daemon=True)
        for number, chance in enumerate(chances)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join(90)
        if any(thread.is_alive() for thread in threads):
            deployment.history.complain("a client still waits for an answer")
