"""Connections of a server that does not answer are cut off; one that is busy is left in peace."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url

from tenantry.catalog.engine import open_engine
from tenantry.catalog.schema import upgrade
from tenantry.databases.server_connection import WatchedConnection, address_of
from tenantry.databases.watchdog import SILENT_SECONDS, WATCHDOG
from tenantry.dispatch import Pages
from tenantry.errors import CatalogUnavailableError
from tenantry.middleware.time_limit import TimeLimit
from tests.conftest import eventually
from tests.postgres import OwnPostgres, own_postgres
from tests.tenantry.support import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from tenantry.catalog import Catalog

pytestmark = pytest.mark.postgresql


class Asker(threading.Thread):
    """Somebody who waits for an answer, and what came of it."""

    def __init__(self, connection: WatchedConnection, question: str) -> None:
        super().__init__(daemon=True)
        self._connection = connection
        self._question = question.encode()
        self.answer: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.answer = self._connection.execute(self._question).fetchone()
        except psycopg.Error as error:
            self.answer = error


@pytest.fixture(scope="module")
def postgres() -> Iterator[OwnPostgres]:
    """Return a server that may be frozen."""
    with own_postgres() as made:
        yield made


@pytest.fixture
def connection(postgres: OwnPostgres) -> Iterator[WatchedConnection]:
    """Return a watched connection to it, outside of transactions."""
    url = make_url(postgres.url).set(drivername="postgresql")
    address = address_of(url.render_as_string(hide_password=False), connect_timeout=9)
    assert "connect_timeout" not in address
    made = WatchedConnection.connect(address, autocommit=True)
    made.watch(address)
    yield made
    made.close()


def test_a_server_with_much_to_do_is_waited_for(connection: WatchedConnection) -> None:
    """A long statement is no reason: the server greets whoever asks whether it is there."""
    asker = Asker(connection, f"SELECT 'done', pg_sleep({SILENT_SECONDS + 2})")
    asker.join()
    assert asker.answer[0] == "done"


def test_whoever_waits_in_vain_is_told(
    postgres: OwnPostgres, connection: WatchedConnection
) -> None:
    """The statement ends with an error, and whose server it is hears of it."""
    lost = threading.Event()
    connection.watch(connection.address, lost.set)
    with postgres.frozen():
        asker = Asker(connection, "SELECT 1")
        asker.join()
        assert isinstance(asker.answer, psycopg.OperationalError)
        assert lost.wait(10)
    assert connection.closed


def test_what_has_been_answered_meanwhile_is_not_cut_off(connection: WatchedConnection) -> None:
    """Between the look and the cut the thread may have gone on: its next answer is not for us."""
    connection.begin_waiting()
    since = connection.waiting_since
    connection.end_waiting()
    assert not connection.abort(since)
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_catalog_that_never_answers_is_not_waited_for(
    postgres: OwnPostgres, open_catalog_at: Callable[..., Catalog]
) -> None:
    """Law 8: whoever asks it is told so, and those who know their tenant ask nobody."""
    postgres.tell("CREATE DATABASE catalog")
    address = postgres.url_of("catalog")
    engine = open_engine(address)
    upgrade(engine)
    engine.dispose()
    catalog = open_catalog_at(address)
    assert catalog.tenants.count_by_state()
    with postgres.frozen(), pytest.raises(CatalogUnavailableError):
        catalog.tenants.count_by_state()

    def answers() -> bool:
        try:
            return bool(catalog.tenants.count_by_state())
        except CatalogUnavailableError:
            return False

    eventually(answers, seconds=30)


def test_a_request_that_waits_for_the_server_can_be_ended(connection: WatchedConnection) -> None:
    """The time limit of requests reaches a thread that waits for PostgreSQL; others wait on."""

    def app(_environ: WSGIEnvironment, _start: StartResponse) -> Iterable[bytes]:
        connection.execute("SELECT pg_sleep(60)")
        raise AssertionError("it was not interrupted")

    limit = TimeLimit(0.3, pages=Pages("http://localhost/"))
    limit.start()
    try:
        assert ask(limit.around(app)).status == 504
    finally:
        limit.stop()


def test_the_thread_expiries_with_the_last_connection(connection: WatchedConnection) -> None:
    """Nobody watches over nothing."""
    connection.close()
    eventually(
        lambda: WATCHDOG.look() == 0 and not any(not one.closed for one in WATCHDOG._watched)
    )
