"""Many tenants' engines within one budget of connections and descriptors."""

from __future__ import annotations

import gc
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DatabaseError, DBAPIError

from tenantry.databases.engine_cache import MAX_OVERFLOW
from tenantry.databases.engines import OpenEngines
from tenantry.databases.sqlite_connections import DESCRIPTORS
from tenantry.databases.sqlite_file import SiteDatabase
from tenantry.resources.budget import Budget, Footprint
from tests.tenantry.support import FakeClock, at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine


@pytest.fixture
def make_path(tmp_path: Path) -> Callable[[int], Path]:
    """Return a function that makes the database of the tenant with this number."""

    def make(number: int) -> Path:
        database = SiteDatabase(tmp_path / f"t_{number}" / "site.sqlite3")
        database.create()
        return database.path

    return make


@pytest.fixture
def make_engines() -> Iterator[Callable[..., OpenEngines]]:
    """Return a function that makes engines within a budget; at the end nothing may be open."""
    made: list[OpenEngines] = []

    def make(**limits: Any) -> OpenEngines:
        engines = OpenEngines(Budget(**limits))
        made.append(engines)
        return engines

    yield make
    for engines in made:
        engines.clear()
        assert engines.connections == 0, f"a connection leaked: {engines!r}"


def ask(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 7")).scalar() == 7


def count_open(folder: Path) -> int:
    """Return how many of the process's descriptors lead to a tenant's file."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself, or another thread's
            found += descriptor.readlink().is_relative_to(folder)
    return found


def test_connections_stay_within_the_budget(
    make_path: Callable[[int], Path], make_engines: Callable[..., OpenEngines], tmp_path: Path
) -> None:
    """Law 6: five hundred tenants are served by twenty connections, and descriptors follow."""
    engines = make_engines(connections=20)
    most = 0
    for number in range(500):
        ask(engines.get(make_path(number)))
        most = max(most, count_open(tmp_path))
        assert engines.connections <= 20

    assert engines.connections == len(engines) == 20
    assert 20 <= most <= 20 * DESCRIPTORS
    engines.clear()
    assert (len(engines), engines.connections, count_open(tmp_path)) == (0, 0, 0)


def test_threads_share_the_budget(
    make_path: Callable[[int], Path], make_engines: Callable[..., OpenEngines], tmp_path: Path
) -> None:
    """Law 6: eight threads together keep no more between their requests than one."""
    engines = make_engines(connections=10)
    paths = [make_path(number) for number in range(60)]

    def visit(thread: int) -> int:
        most = 0
        for step in range(120):
            with engines.get(paths[(thread * 7 + step * 11) % 60]).connect() as connection:
                assert connection.execute(text("SELECT 7")).scalar() == 7
                most = max(most, engines.connections)
        return most

    most = at_once(8, visit)

    assert all(number <= 10 + 8 for number in most), most
    assert engines.connections <= 10
    # While one connection has a file open, SQLite keeps the descriptor of another that was closed, and
    # takes it for the next.
    assert count_open(tmp_path) <= 10 * DESCRIPTORS + 8
    engines.clear()
    assert count_open(tmp_path) == 0


def test_what_was_used_least_recently_is_closed(
    make_path: Callable[[int], Path], make_engines: Callable[..., OpenEngines]
) -> None:
    """A tenant that is visited keeps its connection, whoever else comes by."""
    engines = make_engines(connections=3)
    paths = [make_path(number) for number in range(6)]
    favourite = engines.get(paths[0])
    opened: list[object] = []
    event.listen(favourite, "connect", lambda connection, _: opened.append(connection))
    for path in paths[1:]:
        ask(engines.get(paths[0]))
        ask(engines.get(path))

    assert engines.get(paths[0]) is favourite
    assert len(opened) == 1


def test_connections_are_counted_not_tenants(
    make_path: Callable[[int], Path], make_engines: Callable[..., OpenEngines]
) -> None:
    """A tenant that works with many connections at once takes the place of as many idle ones."""
    engines = make_engines(connections=4)
    for number in range(4):
        ask(engines.get(make_path(number)))
    busy = engines.get(make_path(4))
    in_use = [busy.connect() for _ in range(3)]
    assert (engines.connections, len(engines)) == (4, 2)
    for connection in in_use:
        connection.close()

    assert engines.connections == 2


def test_what_is_in_use_is_not_cut_off(
    make_path: Callable[[int], Path], make_engines: Callable[..., OpenEngines]
) -> None:
    """Beyond the budget work goes on; what is too much ends when it comes back."""
    engines = make_engines(connections=2)
    in_use = [engines.get(make_path(number)).connect() for number in range(5)]
    assert engines.connections == 5
    for connection in in_use:
        assert connection.execute(text("SELECT 7")).scalar() == 7
        connection.close()

    assert engines.connections == 2


def test_an_engine_that_never_connects_does_not_stay_for_ever(
    make_engines: Callable[..., OpenEngines], tmp_path: Path
) -> None:
    """Law 6: nor do engines whose file is missing, which have no connection to count."""
    engines = make_engines(connections=5)
    for number in range(50):
        with pytest.raises(DatabaseError):
            engines.get(tmp_path / f"missing-{number}").connect()

    assert (len(engines), engines.connections) == (5, 0)


def test_a_file_that_is_no_database_leaves_nothing_open(
    make_path: Callable[[int], Path], make_engines: Callable[..., OpenEngines], tmp_path: Path
) -> None:
    """A connection that fails while it is prepared is neither kept nor counted."""
    path = make_path(1)
    path.write_bytes(b"not a database" * 100)
    engine = make_engines().get(path)
    for _ in range(MAX_OVERFLOW * 2):
        with pytest.raises(DatabaseError):
            engine.connect()

    assert count_open(tmp_path) == 0


def test_too_many_descriptors_close_what_is_idle(
    make_path: Callable[[int], Path], make_engines: Callable[..., OpenEngines]
) -> None:
    """When descriptors run short for whatever reason, as many connections go as must."""
    now = Footprint(memory_mb=9999, descriptors=90)  # memory is short as well, which hides nothing
    clock = FakeClock()
    engines = make_engines(descriptors=100, memory_mb=1, measure=lambda: now, clock=clock)
    for number in range(10):
        ask(engines.get(make_path(number)))
    assert engines.connections == 10

    clock.advance(1)
    now = Footprint(memory_mb=9999, descriptors=107)
    ask(engines.get(make_path(10)))
    assert engines.connections == 10 - 3 + 1
    ask(engines.get(make_path(11)))
    assert engines.connections == 9, "the same figure is answered once"

    clock.advance(1)
    now = Footprint(memory_mb=9999, descriptors=200)
    engines.trim()
    assert engines.connections == 0


def test_a_connection_of_a_closed_engine_ends_when_it_comes_back(
    make_path: Callable[[int], Path], make_engines: Callable[..., OpenEngines], tmp_path: Path
) -> None:
    """No leak: neither what was in use when the engine was closed, nor what is opened by it later."""
    engines = make_engines()
    path = make_path(1)
    engine = engines.get(path)
    in_use = engine.connect()
    engines.close(path)
    assert in_use.execute(text("SELECT 7")).scalar() == 7
    in_use.close()
    assert (engines.connections, count_open(tmp_path)) == (0, 0)
    ask(engine)

    assert (engines.connections, count_open(tmp_path)) == (0, 0)
    assert engines.get(path) is not engine


def test_an_engine_that_its_user_disposes_of_is_still_counted(
    make_path: Callable[[int], Path], make_engines: Callable[..., OpenEngines], tmp_path: Path
) -> None:
    """An app may call its engine's own dispose(): the budget holds on."""
    engines = make_engines(connections=1)
    engine = engines.get(make_path(1))
    in_use = engine.connect()
    engine.dispose()
    ask(engine)
    in_use.close()
    ask(engine)
    assert engines.connections == 1
    ask(engines.get(make_path(2)))

    assert engines.connections == 1
    assert count_open(tmp_path) <= DESCRIPTORS


def test_closing_leaves_no_work_to_the_collector(
    make_path: Callable[[int], Path], make_engines: Callable[..., OpenEngines], tmp_path: Path
) -> None:
    """A worker collects rarely: descriptors must not wait for it."""
    engines = make_engines(connections=4)
    paths = [make_path(number) for number in range(20)]
    gc.collect()
    gc.disable()
    try:
        for path in paths * 2:
            engine = engines.get(path)
            held = engine.connect()
            engines.close(path)
            held.close()
        assert count_open(tmp_path) == 0
    finally:
        gc.enable()


def test_a_closed_engine_is_gone_at_once(
    make_path: Callable[[int], Path], make_engines: Callable[..., OpenEngines]
) -> None:
    """A worker freezes what lives: of that, cycles would never be collected."""
    engines = make_engines()
    path = make_path(1)
    ask(engines.get(path))
    engine = engines.get(path)
    references: list[weakref.ref[object]] = [weakref.ref(engine), weakref.ref(engine.pool)]
    del engine
    gc.freeze()
    try:
        engines.close(path)
        assert [reference() for reference in references] == [None, None]
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("how", ["get", "trim", "close", "clear"])
def test_nobody_waits_for_a_closing(
    make_path: Callable[[int], Path], make_engines: Callable[..., OpenEngines], how: str
) -> None:
    """Law 4: while one engine's closing hangs, other tenants are served."""
    engines = make_engines(connections=2)
    first, second, third = (make_path(number) for number in range(3))
    begun, go_on = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        begun.set()
        assert go_on.wait(30)

    event.listen(engines.get(first), "close", hang)
    ask(engines.get(first))
    ask(engines.get(second))
    ways: dict[str, Callable[[], object]] = {
        "get": lambda: engines.get(third),
        "trim": lambda: engines.trim(room=1),
        "close": lambda: engines.close(first),
        "clear": engines.clear,
    }
    closer = threading.Thread(target=ways[how])
    closer.start()
    assert begun.wait(30)
    visitor = threading.Thread(target=lambda: ask(engines.get(second)))
    visitor.start()
    visitor.join(10)
    waited = visitor.is_alive()
    go_on.set()
    for thread in (closer, visitor):
        thread.join()

    assert not waited


def test_the_same_file_has_one_engine(
    make_path: Callable[[int], Path], make_engines: Callable[..., OpenEngines]
) -> None:
    """Threads that ask at once get the same engine."""
    engines = make_engines()
    path = make_path(1)
    got = at_once(8, lambda _: engines.get(path))

    assert len(set(map(id, got))) == 1
    assert repr(engines) == "<OpenEngines: 1 engines, 0 connections>"


def test_what_people_wrote_is_in_no_error(
    make_path: Callable[[int], Path], make_engines: Callable[..., OpenEngines]
) -> None:
    """What is logged of a failure has the statement without its values."""
    engine = make_engines().get(make_path(1))
    with engine.connect() as connection, pytest.raises(DBAPIError) as failed:
        connection.execute(text("INSERT INTO nowhere VALUES (:it)"), {"it": "geheim"})
    assert "geheim" not in str(failed.value)
