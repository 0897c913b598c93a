"""A line of requests: in order, woken by what happens, and nobody waits for long."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tenantry.limits.line import NEAR_SECONDS, Line
from tests.conftest import eventually
from tests.tenantry.support import Entrance, in_background

if TYPE_CHECKING:
    from tenantry.limits.line import Turn

LONG = 30.0


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def entrance() -> Entrance:
    return Entrance()


def wait(turn: Turn, entrance: Entrance, *, near: float = 0.0, seconds: float = LONG) -> bool:
    """Wait as a request does whose turn is near, or not, for so long."""
    until = time.monotonic() + seconds
    return turn.wait_while_allowed(entrance, until=until, near_for=lambda: near)


def leave(line: Line, *turns: Turn) -> list[bool | None]:
    return [line.leave(turn) for turn in turns]


def test_first_come_first_served(line: Line) -> None:
    """Turns come in the order in which requests joined; one that leaves is passed over."""
    turns = [line.join(0) for _ in range(4)]
    leave(line, turns.pop(1))
    for number in range(3):
        line.move_up(number)
        assert [turn.granted for turn in turns] == [True] * (number + 1) + [None] * (2 - number)
    assert leave(line, *turns) == [True] * 3


def test_a_dissolved_line_wakes_all(line: Line, entrance: Entrance) -> None:
    """What they have waited for is not there: nobody has a turn, and nobody goes on waiting."""
    turns = [line.join(0) for _ in range(3)]
    waiting = [in_background(lambda turn=turn: wait(turn, entrance)) for turn in turns]  # type: ignore[misc]
    line.dissolve()
    for thread in waiting:
        thread.join(10)
        assert not thread.is_alive()
    assert leave(line, *turns) == [False] * 3


@pytest.mark.parametrize("near", [0.0, LONG])
def test_a_turn_wakes_its_request(line: Line, entrance: Entrance, near: float) -> None:
    """Whether it is near or not, a turn is an event: the request looks at no clock for it."""
    turn = line.join(0)
    woken: list[bool] = []
    waiting = in_background(lambda: woken.append(wait(turn, entrance, near=near)))
    line.move_up(0)
    waiting.join(10)
    assert woken == [True]
    assert entrance.looks <= 1
    assert leave(line, turn) == [True]


def test_a_connection_wakes_a_request_whose_turn_is_not_near(
    line: Line, entrance: Entrance
) -> None:
    """It waits for two events: its turn, and a connection that needs its thread."""
    turn = line.join(0)
    woken: list[bool] = []
    waiting = in_background(lambda: woken.append(wait(turn, entrance)))
    eventually(lambda: entrance.looks)
    entrance.crowd = True
    waiting.join(10)
    assert woken == [False]
    assert entrance.looks in {1, 2}
    assert leave(line, turn) == [None]


def test_a_connection_that_an_idle_thread_accepts_costs_nobody_the_turn(line: Line) -> None:
    """On a busy machine it may take long: the request looks again, and waits on."""
    entrance = Entrance(threads=2)
    entrance.busy.add(1)
    entrance.crowd = True
    turn = line.join(0)
    woken: list[bool] = []
    waiting = in_background(lambda: woken.append(wait(turn, entrance)))
    eventually(lambda: entrance.looks > 3)
    line.move_up(0)
    waiting.join(10)
    assert woken == [True]

    late = line.join(0)
    entrance.busy.add(2)
    assert not wait(late, entrance)
    leave(line, turn, late)


def test_a_request_whose_turn_is_near_asks_about_nobody(line: Line, entrance: Entrance) -> None:
    """A busy site is not refused for being busy: the queued connections may want the same."""
    entrance.crowd = True
    turn = line.join(0)
    assert not wait(turn, entrance, near=LONG, seconds=0.05)
    assert entrance.looks == 0
    leave(line, turn)


def test_a_turn_is_near_as_the_last_requests_tell(line: Line) -> None:
    """So many before it, each of so many seconds, so many at once."""
    for _ in range(50):
        line.note(NEAR_SECONDS * 0.6)
    turns = [line.join(0, ended_at=-1) for _ in range(5)]
    near = [line.near_for(turn, 2, 0) > 0 for turn in turns]
    assert near == [True, True, True, False, False]
    line.move_up(0)
    assert [line.near_for(turn, 2, 0) > 0 for turn in turns[1:]] == [True, True, True, False]
    leave(line, *turns)


def test_a_turn_is_not_near_where_nothing_ends(line: Line) -> None:
    """Quick requests of the past say nothing of those that hang; the count begins with the line."""
    line.note(NEAR_SECONDS / 100)
    first = line.join(100, ended_at=3)
    assert line.near_for(first, 2, 100) > 0
    assert line.near_for(first, 2, 100 + NEAR_SECONDS * 1.1) <= 0
    late = line.join(101, ended_at=3)
    assert line.near_for(late, 2, 101) <= 0
    line.move_up(101)
    assert line.near_for(late, 2, 101) > 0
    leave(line, first, late)


def test_where_older_instances_take_all_places_a_turn_has_a_time_too(line: Line) -> None:
    """A limit of nothing is counted as one at once."""
    line.note(NEAR_SECONDS)
    turn = line.join(0)
    assert line.near_for(turn, 0, 0) == line.near_for(turn, 1, 0)
    leave(line, turn)
