"""What is noted about writes, reads and changes of sites, so that it can be judged afterwards.

Moments are those of one clock, ``time.monotonic()`` of the process that asks. A site is known by its
tenant's id: names change.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NEVER = math.inf
ALWAYS = -math.inf


class Outcome(Enum):
    """What the client was told about a write."""

    DONE = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "without an answer"


@dataclass(frozen=True, slots=True)
class Change:
    """A client's wish that a value be there (a write), or be there no more (an erasure)."""

    site: str
    value: str
    started: float
    ended: float
    outcome: Outcome = Outcome.DONE

    @property
    def latest(self) -> float:
        """When it has happened if it has; whoever got no answer does not know."""
        return self.ended if self.outcome is Outcome.DONE else NEVER

    def __str__(self) -> str:
        return f"{self.outcome.value} {self.started:.3f}-{self.ended:.3f}"


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a site at some moment between two others.

    :param rows: For each value how often it stands in each of the two tables that one transaction
        writes to.
    :param author: All values of this one were asked for, and no others; of everybody if it is empty.
    """

    site: str
    started: float
    ended: float
    rows: Mapping[str, tuple[int, int]]
    author: str = ""
    how: str = "over HTTP"

    def __str__(self) -> str:
        return f"read {self.how} {self.started:.3f}-{self.ended:.3f}"


@dataclass(frozen=True, slots=True)
class Beginning:
    """A site begins (a clone, an import), or begins anew (a restore), with exactly these values."""

    site: str
    started: float
    ended: float
    values: frozenset[str]
    what: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client was answered. A *status* of 0 is none, and then *text* says why.

    :param site: The id of the tenant that was asked.
    :param teller: The id of the tenant whose app has answered, if one has.
    """

    site: str
    started: float
    ended: float
    status: int
    retry_after: str = ""
    teller: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Excuse:
    """Something that was done to a site, or to all if it names none, and what may come of it.

    :param statuses: What may be answered meanwhile; 0 is a connection that is cut.
    """

    site: str
    started: float
    ended: float
    statuses: frozenset[int]
    what: str


@dataclass
class History:
    """Everything that was noted. Any thread may add to it."""

    writes: list[Change] = field(default_factory=list)
    erasures: list[Change] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    beginnings: list[Beginning] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    excuses: list[Excuse] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """What is wrong for all that can be seen at once: a command that fails, a log that says so."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note(
        self, item: Change | Look | Beginning | Answer | Excuse, *, erased: bool = False
    ) -> None:
        """Add *item* where it belongs."""
        with self._lock:
            match item:
                case Change():
                    (self.erasures if erased else self.writes).append(item)
                case Look():
                    self.looks.append(item)
                case Beginning():
                    self.beginnings.append(item)
                case Answer():
                    self.answers.append(item)
                case Excuse():
                    self.excuses.append(item)

    def complain(self, text: str) -> None:
        """Note what is wrong."""
        with self._lock:
            self.complaints.append(text)


def make_value(mark: str, author: str, number: int) -> str:
    """Return a value that nobody else writes; it tells the site, the author and the number."""
    return f"{mark}.{author}.{number}"


def author_of(value: str) -> str:
    """Return who has written *value*."""
    return value.split(".")[1]
