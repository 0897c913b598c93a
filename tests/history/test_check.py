"""The history checker finds every violation that is planted, and nothing in a sound history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.history.check import find_violations, summary
from tests.history.record import Answer, Beginning, Change, Excuse, History, Look, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

ONE, TWO, THREE = "acme.ann.1", "acme.ann.2", "acme.bob.1"
OTHER = "globex.ann.1"


class Book:
    """A short history of the site *acme*, written line by line."""

    def __init__(self) -> None:
        self.history = History()

    def write(
        self,
        value: str,
        started: float,
        ended: float,
        outcome: Outcome = Outcome.DONE,
        **where: str,
    ) -> Book:
        site = where.get("site", "acme")
        self.history.note(Change(site, value, started, ended, outcome))
        return self

    def erase(
        self, value: str, started: float, ended: float, outcome: Outcome = Outcome.DONE
    ) -> Book:
        self.history.note(Change("acme", value, started, ended, outcome), erased=True)
        return self

    def see(self, values: Sequence[str], started: float, ended: float, **where: str) -> Book:
        rows = dict.fromkeys(values, (1, 1))
        site, author = where.get("site", "acme"), where.get("author", "")
        self.history.note(Look(site, started, ended, rows, author))
        return self

    def begin(
        self, values: Sequence[str], started: float, ended: float, site: str = "acme"
    ) -> Book:
        self.history.note(Beginning(site, started, ended, frozenset(values), "a restore"))
        return self

    def answer(self, status: int, started: float, ended: float, **told: str) -> Book:
        self.history.note(Answer("acme", started, ended, status, **told))
        return self

    def excuse(self, statuses: set[int], started: float, ended: float, site: str = "acme") -> Book:
        self.history.note(Excuse(site, started, ended, frozenset(statuses), "a test"))
        return self


LOST = {
    "acknowledged, and then not there": Book().write(ONE, 1, 2).see([], 3, 4),
    "not there for its own author": Book().write(ONE, 1, 2).see([], 3, 4, author="ann"),
    "seen, though its author never had an answer": (
        Book().write(ONE, 1, 2, Outcome.UNKNOWN).see([ONE], 3, 4).see([], 5, 6)
    ),
    "seen while it was being written, and then not there": (
        Book().write(ONE, 1, 9).see([ONE], 2, 3).see([], 4, 5)
    ),
    "lost by a restore that its backup was later than": (
        Book().write(ONE, 1, 2).begin([ONE], 5, 6).see([], 7, 8)
    ),
    "written after the restore": Book().begin([], 1, 2).write(ONE, 3, 4).see([], 5, 6),
    "of the original, at the clone's beginning": (
        Book().begin([OTHER], 1, 2, site="copy").see([], 3, 4, site="copy")
    ),
    "not there, because another one was erased": (
        Book().write(ONE, 1, 2).write(TWO, 1, 2).erase(TWO, 3, 4).see([], 5, 6)
    ),
    "not there before its erasing began": (Book().write(ONE, 1, 2).see([], 3, 4).erase(ONE, 5, 6)),
}
ELSEWHERE = {
    "a neighbour's": Book().write(OTHER, 1, 2, site="globex").see([OTHER], 3, 4),
    "written to the original after the clone was made": (
        Book().begin([ONE], 3, 4, site="copy").write(ONE, 1, 2).write(TWO, 5, 6)
        .see([ONE, TWO], 7, 8, site="copy")
    ),
    "written to the clone": (
        Book().begin([], 1, 2, site="copy").write(ONE, 3, 4, site="copy").see([ONE], 5, 6)
    ),
    "never written": Book().see([ONE], 3, 4),
    "refused": Book().write(ONE, 1, 2, Outcome.REFUSED).see([ONE], 3, 4),
}  # fmt: skip
BACK = {
    "erased": Book().write(ONE, 1, 2).erase(ONE, 3, 4).see([ONE], 5, 6),
    "erased without an answer, seen to be gone": (
        Book().write(ONE, 1, 2).erase(ONE, 3, 4, Outcome.UNKNOWN).see([], 5, 6).see([ONE], 7, 8)
    ),
    "later than the backup that was restored": (
        Book().write(ONE, 1, 2).write(TWO, 3, 4).begin([ONE], 5, 6).see([ONE, TWO], 7, 8)
    ),
    "without an answer, seen, and taken away by a restore": (
        Book().write(ONE, 1, 2, Outcome.UNKNOWN).see([ONE], 3, 4).begin([], 5, 6).see([ONE], 7, 8)
    ),
    "in the backup, and erased after the restore": (
        Book().write(ONE, 1, 2).begin([ONE], 3, 4).erase(ONE, 5, 6).see([ONE], 7, 8)
    ),
}
NO_MOMENT = {
    "the later write without the earlier one": (
        Book().write(ONE, 1, 2).write(TWO, 3, 4).see([TWO], 0, 9)
    ),
    "what was erased, and what was written afterwards": (
        Book().write(ONE, 1, 2).erase(ONE, 3, 4).write(TWO, 5, 6).see([ONE, TWO], 0, 9)
    ),
}
SOUND = {
    "read what was written": Book().write(ONE, 1, 2).see([ONE], 3, 4),
    "read while it was written, not there": Book().write(ONE, 1, 4).see([], 2, 3),
    "read while it was written, there": Book().write(ONE, 1, 4).see([ONE], 2, 3),
    "one read before and one during a write": Book().write(ONE, 2, 5).see([], 0, 1).see([ONE], 3, 4),
    "without an answer, not there": Book().write(ONE, 1, 2, Outcome.UNKNOWN).see([], 3, 4),
    "without an answer, there later": (
        Book().write(ONE, 1, 2, Outcome.UNKNOWN).see([], 3, 4).see([ONE], 5, 6).see([ONE], 7, 8)
    ),
    "refused, not there": Book().write(ONE, 1, 2, Outcome.REFUSED).see([], 3, 4),
    "erased": Book().write(ONE, 1, 2).see([ONE], 3, 4).erase(ONE, 5, 6).see([], 7, 8),
    "erased without an answer, still there, then gone": (
        Book().write(ONE, 1, 2).erase(ONE, 3, 4, Outcome.UNKNOWN).see([ONE], 5, 6).see([], 7, 8)
    ),
    "only those of one author were asked for": (
        Book().write(ONE, 1, 2).write(THREE, 1, 2).see([THREE], 3, 4, author="bob")
    ),
    "taken away by a restore": (
        Book().write(ONE, 1, 2).write(TWO, 3, 4).see([ONE, TWO], 5, 6).begin([ONE], 7, 8)
        .see([ONE], 9, 10)
    ),
    "erased, and back by a restore": (
        Book().write(ONE, 1, 2).erase(ONE, 3, 4).begin([ONE], 5, 6).see([ONE], 7, 8)
    ),
    "back by a restore, and erased again": (
        Book().write(ONE, 1, 2).erase(ONE, 3, 4).begin([ONE], 5, 6).erase(ONE, 7, 8).see([], 9, 10)
    ),
    "written during a restore, kept": Book().begin([], 1, 5).write(ONE, 2, 3).see([ONE], 6, 7),
    "written during a restore, lost": Book().begin([], 1, 5).write(ONE, 2, 3).see([], 6, 7),
    "read during a restore, before it": Book().write(ONE, 1, 2).begin([], 3, 6).see([ONE], 4, 5),
    "read during a restore, after it": Book().write(ONE, 1, 2).begin([], 3, 6).see([], 4, 5),
    "a clone has what the original had": (
        Book().write(ONE, 1, 2).begin([ONE], 3, 4, site="copy").erase(ONE, 5, 6)
        .see([ONE], 7, 8, site="copy").see([], 7, 8)
    ),
}  # fmt: skip
PLANTED = [
    pytest.param(book.history, word, id=f"{word}: {name}")
    for word, books in {
        "is lost": LOST,
        "must not be there": ELSEWHERE,
        "has come back": {k: v for k, v in BACK.items() if k.startswith(("erased", "in the"))},
        "must not be there ": {
            k: v for k, v in BACK.items() if not k.startswith(("erased", "in the"))
        },
        "no one moment": NO_MOMENT,
    }.items()
    for name, book in books.items()
]


@pytest.mark.parametrize(("history", "word"), PLANTED)
def test_a_violation_is_found(history: History, word: str) -> None:
    """Whatever is lost, elsewhere, back or torn is told, once."""
    violations = find_violations(history)
    assert len(violations) == 1, summary(violations)
    assert word.strip() in violations[0]


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_history_is_left_alone(name: str) -> None:
    """What may be is not complained about."""
    assert find_violations(SOUND[name].history) == []


@pytest.mark.parametrize(
    ("counts", "word"), [((2, 2), "more than once"), ((1, 0), "half"), ((0, 1), "half")]
)
def test_a_write_is_there_once_and_whole(counts: tuple[int, int], word: str) -> None:
    """A write that was applied twice, or of which one table knows nothing, is told."""
    book = Book().write(ONE, 1, 2)
    book.history.note(Look("acme", 3, 4, {ONE: counts}))
    (violation,) = find_violations(book.history)
    assert word in violation


@pytest.mark.parametrize(
    ("book", "word"),
    [
        pytest.param(Book().answer(500, 1, 2), "answered 500", id="a crash"),
        pytest.param(Book().answer(503, 1, 2), "when to come back", id="no Retry-After"),
        pytest.param(Book().answer(0, 5, 6).excuse({0}, 1, 2), "answered 0", id="cut off later"),
        pytest.param(
            Book().answer(403, 1, 2).excuse({403}, 0, 9, site="globex"),
            "answered 403",
            id="not its own",
        ),
        pytest.param(
            Book().answer(404, 1, 2).excuse({403}, 0, 9), "answered 404", id="of another kind"
        ),
        pytest.param(
            Book().answer(200, 1, 2, teller="globex"), "globex has answered", id="the neighbour"
        ),
    ],
)
def test_an_odd_answer_is_found(book: Book, word: str) -> None:
    """An answer that nothing excuses, or that is another site's, is told."""
    (violation,) = find_violations(book.history)
    assert word in violation


def test_an_excused_answer_is_left_alone() -> None:
    """What is done to a site excuses its answers meanwhile; what is done to all excuses everybody's."""
    book = Book().answer(403, 1, 2).excuse({403, 410}, 2, 9).answer(0, 3, 5)
    book.excuse({0}, 4, 4, site="").answer(503, 6, 7, retry_after="1").answer(201, 8, 9)
    assert find_violations(book.history) == []


def test_a_complaint_is_a_violation() -> None:
    """What was noted as wrong at once is told too."""
    history = History()
    history.complain("a command failed")
    assert find_violations(history) == ["a command failed"]


def test_the_summary_says_how_many_there_are() -> None:
    """A thousand violations are not all told, but counted."""
    assert summary(["bad"] * 1000).startswith("1000 violations:\nbad\n")
