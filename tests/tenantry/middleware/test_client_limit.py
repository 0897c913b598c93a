"""How often one client may ask."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.dispatch import Pages
from tenantry.limits import ClientRates, RateTable, client_of
from tenantry.middleware.client_limit import ClientLimit
from tests.tenantry.support import FakeClock, ask, hello

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.tenantry.support import Answer

APEX = "http://example.test/"


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands still."""
    return FakeClock()


@pytest.fixture
def table(clock: FakeClock) -> Iterator[RateTable]:
    """Return a table in this process's memory."""
    table = RateTable(None, clock=clock)
    yield table
    table.close()


@pytest.fixture
def rates(table: RateTable) -> ClientRates:
    """Return the buckets of clients that may ask twice a second: ten times at once."""
    return ClientRates(table, 2)


@pytest.fixture
def limit(rates: ClientRates) -> ClientLimit:
    """Return an app with that limit."""
    return ClientLimit(hello("site", []), rates=rates, pages=Pages(APEX))


def come(limit: ClientLimit, address: str | None, **options: Any) -> Answer:
    """Send a request from *address*."""
    return ask(limit, environ={"REMOTE_ADDR": address}, **options)


def exhaust(limit: ClientLimit, address: str) -> None:
    """Send what one client may send at once."""
    for _ in range(10):
        assert come(limit, address).status == 200


def test_a_client_gets_five_seconds_worth_at_once(
    limit: ClientLimit, rates: ClientRates, clock: FakeClock
) -> None:
    """Then it is told to wait, and served when it has."""
    exhaust(limit, "192.0.2.1")
    answer = come(limit, "192.0.2.1")
    assert answer.status == 429
    assert answer.headers["retry-after"] == "1"
    assert rates.refused == 1

    clock.advance(1)
    assert [come(limit, "192.0.2.1").status for _ in range(3)] == [200, 200, 429]


def test_others_are_untouched(limit: ClientLimit) -> None:
    """Law 4: one client's flood is that client's."""
    exhaust(limit, "192.0.2.1")
    assert come(limit, "192.0.2.1").status == 429
    exhaust(limit, "192.0.2.2")


def test_clients_and_tenants_never_meet(limit: ClientLimit, table: RateTable) -> None:
    """An "address" that a proxy lets through can be anything, but not a tenant's bucket."""
    tenant = f"tenant {'a' * 32}"
    exhaust(limit, tenant)
    assert come(limit, tenant).status == 429
    assert table.take_tokens(tenant, 2, 10)[0] == 1


@pytest.mark.parametrize("address", [None, ""])
def test_without_an_address_there_is_no_limit(limit: ClientLimit, address: str | None) -> None:
    """Over a Unix socket all would share one; the proxy there has to limit."""
    assert {come(limit, address).status for _ in range(50)} == {200}


@pytest.mark.parametrize(
    ("address", "client"),
    [
        pytest.param("192.0.2.7", "192.0.2.7", id="IPv4"),
        pytest.param("192.0.2.7:4711", "192.0.2.7", id="IPv4 and port"),
        pytest.param("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", id="IPv6"),
        pytest.param("[2001:db8:1:2::9]:4711", "2001:db8:1:2::/64", id="IPv6 and port"),
        pytest.param("2001:DB8:1:2::", "2001:db8:1:2::/64", id="IPv6, written otherwise"),
        pytest.param("2001:db8:1:3::6", "2001:db8:1:3::/64", id="the next IPv6 network"),
        pytest.param("::ffff:192.0.2.7", "192.0.2.7", id="IPv4 in IPv6"),
        pytest.param("fe80::1%eth0", "fe80::/64", id="with a zone"),
        pytest.param("un:kno:wn", "un:kno:wn", id="nothing of the kind"),
    ],
)
def test_one_subscriber_is_one_client(address: str, client: str) -> None:
    """An IPv6 customer has 2**64 addresses and one bucket; an IPv4 address is one customer."""
    assert client_of(address) == client


def test_an_endless_address_is_cut(limit: ClientLimit) -> None:
    """Law 6: what is remembered of a client is short, whatever a proxy passes on."""
    exhaust(limit, "x" * 10_000)
    assert come(limit, "x" * 20_000).status == 429


def test_browsers_get_a_page(limit: ClientLimit) -> None:
    """It says what happened, when to come back, and is not to be kept."""
    exhaust(limit, "192.0.2.1")
    answer = come(limit, "192.0.2.1", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert "Too many requests" in answer.text
    assert "Try again in 1 second." in answer.text


def test_programs_get_problem_json(limit: ClientLimit) -> None:
    """RFC 9457, for those who ask for JSON."""
    exhaust(limit, "192.0.2.1")
    answer = come(limit, "192.0.2.1", headers={"Accept": "application/json"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.body)["status"] == 429
    assert answer.headers["retry-after"] == "1"


def test_head_gets_no_body(limit: ClientLimit) -> None:
    """HEAD is counted and refused like GET, with the length that GET would have."""
    exhaust(limit, "192.0.2.1")
    answer = come(limit, "192.0.2.1", method="HEAD")
    assert (answer.status, answer.body) == (429, b"")
    assert int(answer.headers["content-length"]) > 1000


def test_a_form_is_refused_unread(limit: ClientLimit) -> None:
    """What a refused client sends is not worth reading."""
    exhaust(limit, "192.0.2.1")
    answer = come(limit, "192.0.2.1", method="POST", data={"title": "x" * 10_000})
    assert answer.status == 429


def test_a_flood_is_one_line_in_the_log(
    limit: ClientLimit, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A line per client and ten seconds, however many requests there are."""
    with caplog.at_level(logging.WARNING):
        exhaust(limit, "192.0.2.1")
        for _ in range(100):
            come(limit, "192.0.2.1")
        assert len(caplog.records) == 1
        assert "192.0.2.1" in caplog.text
        assert "TENANTRY_TRUSTED_PROXIES" in caplog.text

        clock.advance(10)
        exhaust(limit, "192.0.2.1")
        come(limit, "192.0.2.1")
        assert len(caplog.records) == 2


def test_many_floods_are_few_lines_too(
    limit: ClientLimit, rates: ClientRates, caplog: pytest.LogCaptureFixture
) -> None:
    """Law 6: the log does not grow with the number of addresses that somebody has."""
    with caplog.at_level(logging.WARNING):
        for number in range(50):
            exhaust(limit, f"192.0.2.{number}")
            come(limit, f"192.0.2.{number}")
    assert rates.refused == 50
    assert len(caplog.records) == 10


def test_line_breaks_in_an_address_stay_in_the_line(
    limit: ClientLimit, caplog: pytest.LogCaptureFixture
) -> None:
    """What a proxy hands on cannot write a line of its own (R56)."""
    with caplog.at_level(logging.WARNING):
        exhaust(limit, "192.0.2.1\n{}")
        come(limit, "192.0.2.1\n{}")
    assert "\n" not in caplog.records[0].getMessage()
