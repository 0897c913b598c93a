"""Judging a history: what was read has to be what was written, there and nowhere else.

Each site has a line of lives. A life begins with known values (none; what a clone was made of; what
was in the backup) and has the changes that clients made in it. A restore ends one and begins the
next. Of each life the checker knows for each value

- when it was there at the latest: its write was acknowledged, or somebody has seen it;
- when it was gone at the latest: its erasure was acknowledged, or somebody has missed it.

Each read then has to be what was there at *one* moment between its beginning and its end. A change
without an answer may have happened at any later time or never, until somebody has seen its effect.
A change while a restore went on may have been before or after it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.history.record import ALWAYS, NEVER, Answer, Beginning, Change, Outcome, author_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.history.record import Excuse, History, Look

ONCE = (1, 1)
MOST_TOLD = 40


def find_violations(history: History) -> list[str]:
    """Return a sentence for everything in *history* that must not be."""
    found = list(history.complaints)
    found += _odd_answers(history)
    sites = {look.site for look in history.looks} | {item.site for item in history.beginnings}
    for site in sorted(sites):
        found += _Site(history, site).judge()
    return found


# --- answers --------------------------------------------------------------------------------------


def _odd_answers(history: History) -> Iterator[str]:
    """Yield the answers that nothing excuses."""
    excuses: dict[int, list[Excuse]] = defaultdict(list)
    for excuse in history.excuses:
        for status in excuse.statuses:
            excuses[status].append(excuse)
    for answer in history.answers:
        when = f"at {answer.started:.3f}-{answer.ended:.3f}"
        if answer.teller and answer.teller != answer.site:
            yield f"{answer.site} was asked and {answer.teller} has answered {when}"
        if answer.status == 503 and not answer.retry_after.isdecimal():
            yield f"{answer.site} does not say when to come back {when}: {answer.text}"
        if answer.status not in {200, 201, 503} and not _excused(answer, excuses[answer.status]):
            yield f"{answer.site} answered {answer.status} {when}: {answer.text}"


def _excused(answer: Answer, excuses: list[Excuse]) -> bool:
    return any(
        excuse.site in {"", answer.site}
        and excuse.started <= answer.ended
        and excuse.ended >= answer.started
        for excuse in excuses
    )


# --- values ---------------------------------------------------------------------------------------


@dataclass
class _Life:
    """A site from one beginning to the next."""

    began: Beginning
    ends: tuple[float, float] = (NEVER, NEVER)
    there: dict[str, float] = field(default_factory=dict)
    """When each value that must be accounted for was there at the latest."""
    of: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The same values by author, and all of them under the empty name."""
    erasable: dict[str, float] = field(default_factory=dict)
    """When somebody began to erase it."""
    gone: dict[str, float] = field(default_factory=dict)
    """When it was gone at the latest."""
    homes: dict[str, float] = field(default_factory=dict)
    """Values that were written in this life, because somebody has seen them in it, and when."""
    strange: set[str] = field(default_factory=set)
    """Values that were written in another life."""

    def holds(self, look: Look) -> bool:
        """Say whether *look* can only have been in this life."""
        return look.started >= self.began.ended and look.ended <= self.ends[0]

    def may_hold(self, look: Look) -> bool:
        return look.ended >= self.began.started and look.started <= self.ends[1]

    def may_have(self, change: Change) -> bool:
        return (
            change.outcome is not Outcome.REFUSED
            and change.latest >= self.began.started
            and change.started <= self.ends[1]
        )

    def must_have(self, change: Change) -> bool:
        return (
            change.outcome is Outcome.DONE
            and change.started >= self.began.ended
            and change.ended <= self.ends[0]
        )


@dataclass
class _Moment:
    """When a look can have been."""

    earliest: float
    latest: float
    after: str = "it began"
    before: str = "it ended"

    def is_after(self, moment: float, why: str) -> None:
        if moment > self.earliest:
            self.earliest, self.after = moment, why

    def is_before(self, moment: float, why: str) -> None:
        if moment < self.latest:
            self.latest, self.before = moment, why

    def __str__(self) -> str:
        return (
            f"after {self.earliest:.3f}, when {self.after}, "
            f"and before {self.latest:.3f}, when {self.before}"
        )


class _Site:
    """One tenant's data over time."""

    def __init__(self, history: History, site: str) -> None:
        self._site = site
        self._looks = sorted(
            (look for look in history.looks if look.site == site), key=lambda look: look.ended
        )
        self._writes = {change.value: change for change in history.writes if change.site == site}
        self._erasures: dict[str, list[Change]] = defaultdict(list)
        for change in history.erasures:
            if change.site == site:
                self._erasures[change.value].append(change)
        self._lives = _lives(history, site)

    def judge(self) -> Iterator[str]:
        self._find_homes()
        for life in self._lives:
            self._learn(life)
        for look in self._looks:
            yield from self._miscounted(look)
            accounts = [
                list(self._contradictions(look, life))
                for life in self._lives
                if life.may_hold(look)
            ]
            # Where a restore was going on, either life will do.
            if all(accounts):
                yield from min(accounts, key=len)

    def _find_homes(self) -> None:
        """Find out in which life a value was written, where somebody has seen it."""
        for life in self._lives:
            for look in filter(life.holds, self._looks):
                for value in look.rows.keys() - life.began.values - life.homes.keys():
                    if self._may_be_of(value, life):
                        life.homes[value] = look.ended
                        for other in self._lives:
                            if other is not life:
                                other.strange.add(value)

    def _learn(self, life: _Life) -> None:
        """Find out when each value was there, and when it was gone again."""
        life.there = {**life.homes, **dict.fromkeys(life.began.values, ALWAYS)}
        for change in self._writes.values():
            if life.must_have(change) and life.there.get(change.value, NEVER) > change.ended:
                life.there[change.value] = change.ended
        for value, there in life.there.items():
            life.of[author_of(value)].add(value)
            life.of[""].add(value)
            for change in self._erasures.get(value, ()):
                if life.may_have(change):
                    life.erasable[value] = min(life.erasable.get(value, NEVER), change.started)
                if life.must_have(change) and change.started >= there:
                    life.gone[value] = min(life.gone.get(value, NEVER), change.ended)
        for look in filter(life.holds, self._looks):
            self._learn_from(look, life)

    def _learn_from(self, look: Look, life: _Life) -> None:
        """Note what somebody has missed. Where nobody erased it, it is the look that is told."""
        for value in life.of[look.author] & life.erasable.keys() - look.rows.keys():
            if look.started >= life.there[value]:
                life.gone[value] = min(life.gone.get(value, NEVER), look.ended)

    def _may_be_of(self, value: str, life: _Life) -> bool:
        """Say whether the value may have been written in this life."""
        write = self._writes.get(value)
        return write is not None and life.may_have(write) and value not in life.strange

    def _miscounted(self, look: Look) -> Iterator[str]:
        for value, counts in look.rows.items():
            if look.author and author_of(value) != look.author:
                yield self._tell(value, look, f"was not asked for, only those of {look.author}")
            if counts != ONCE:
                what = "is half there" if 0 in counts else "is there more than once"
                yield self._tell(value, look, f"{what}, as often as {counts}")

    def _contradictions(self, look: Look, life: _Life) -> Iterator[str]:
        """Yield what cannot be if the look was in this life."""
        moment = _Moment(look.started, look.ended)
        yield from self._present(look, life, moment)
        yield from self._missing(look, life, moment)
        if moment.latest < moment.earliest:
            yield f"{self._site}: {look} shows no one moment: it would be {moment}"

    def _present(self, look: Look, life: _Life, moment: _Moment) -> Iterator[str]:
        for value in look.rows:
            gone = life.gone.get(value, NEVER)
            write = self._writes.get(value)
            inherited = value in life.began.values
            if not inherited and not self._may_be_of(value, life):
                yield self._tell(value, look, f"must not be there: {_story(write, life)}")
                continue
            if write is not None and not inherited:
                moment.is_after(write.started, f"{value} began to be written")
            if gone < look.started:
                yield self._tell(value, look, f"has come back; it was gone at {gone:.3f}")
            else:
                moment.is_before(gone, f"{value} was gone")

    def _missing(self, look: Look, life: _Life, moment: _Moment) -> Iterator[str]:
        for value in life.of[look.author] - look.rows.keys():
            there, erased = life.there[value], life.erasable.get(value, NEVER)
            if look.started > there and look.ended < erased:
                story = _story(self._writes.get(value), life)
                yield self._tell(value, look, f"is lost; it was there at {there:.3f}: {story}")
            elif look.started > there:
                moment.is_after(erased, f"{value} began to be erased")
            elif look.ended < erased:
                moment.is_before(there, f"{value} was there")

    def _tell(self, value: str, look: Look, what: str) -> str:
        erasures = [f"erasure {change}" for change in self._erasures.get(value, ())]
        return "; ".join([f"{self._site}: {look}: {value} {what}", *erasures])


def _story(write: Change | None, life: _Life) -> str:
    since = f"{life.began.what} at {life.began.started:.3f}-{life.began.ended:.3f}"
    return f"{'never written here' if write is None else f'write {write}'}, since {since}"


def _lives(history: History, site: str) -> list[_Life]:
    beginnings = sorted(
        (item for item in history.beginnings if item.site == site), key=lambda item: item.started
    )
    if not beginnings or beginnings[0].started > ALWAYS:
        first = Beginning(site, ALWAYS, ALWAYS, frozenset(), "its creation")
        beginnings.insert(0, first)
    lives = [_Life(began) for began in beginnings]
    for life, following in zip(lives, beginnings[1:], strict=False):
        life.ends = following.started, following.ended
    return lives


# --- for people -----------------------------------------------------------------------------------


def summary(violations: list[str]) -> str:
    """Return the first of *violations*, and how many there are."""
    told = "\n".join(violations[:MOST_TOLD])
    return f"{len(violations)} violations:\n{told}"


def count_statuses(history: History) -> Mapping[int, int]:
    """Return how often each status was answered."""
    counts: dict[int, int] = defaultdict(int)
    for answer in history.answers:
        counts[answer.status] += 1
    return dict(sorted(counts.items()))
