"""How often tenants may be asked, by their plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.errors import RateLimitError
from tenantry.limits import BURST_SECONDS, UNLIMITED, RateTable, TenantLimits
from tests.tenantry.support import FakeClock, a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

    MakeSettings = Callable[..., Settings]


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands still."""
    return FakeClock()


@pytest.fixture
def table(clock: FakeClock, tmp_path: Path) -> Iterator[RateTable]:
    """Return a table in a file."""
    table = RateTable(tmp_path / "rates", clock=clock)
    yield table
    table.close()


def drain(rates: TenantLimits, tenant: Tenant) -> int:
    """Draw until there is nothing left; return how many tokens there were."""
    total = 0
    for _ in range(10_000):
        try:
            total += rates.take_tokens(tenant)
        except RateLimitError:
            return total
    raise AssertionError("there is no end to it")


def test_a_tenant_gets_five_seconds_worth_at_once(
    make_settings: MakeSettings, table: RateTable, clock: FakeClock
) -> None:
    """After that its rate, whatever the size of the portions."""
    rates = TenantLimits(table, make_settings(limit_tenant_requests=200))
    assert drain(rates, a_tenant()) == 200 * BURST_SECONDS
    clock.advance(1)
    assert drain(rates, a_tenant()) == 200
    assert rates.refused == 2


def test_a_neighbour_has_its_own(make_settings: MakeSettings, table: RateTable) -> None:
    """Law 4: a flooded tenant takes nothing from the others."""
    rates = TenantLimits(table, make_settings(limit_tenant_requests=10))
    assert drain(rates, a_tenant("acme")) == 50
    assert drain(rates, a_tenant("globex")) == 50


def test_workers_share_a_tenants_bucket(
    make_settings: MakeSettings, table: RateTable, clock: FakeClock, tmp_path: Path
) -> None:
    """Limits are per machine: a second worker has what the first has left."""
    other = RateTable(tmp_path / "rates", clock=clock)
    settings = make_settings(limit_tenant_requests=10)
    assert drain(TenantLimits(table, settings), a_tenant()) == 50
    assert drain(TenantLimits(other, settings), a_tenant()) == 0
    other.close()


@pytest.mark.parametrize(
    ("rate", "portion"),
    [
        pytest.param(0.1, 1, id="one in ten seconds"),
        pytest.param(20, 1, id="the least"),
        pytest.param(1000, 50, id="a twentieth of a second's worth"),
    ],
)
def test_a_portion_grows_with_the_rate(
    make_settings: MakeSettings, table: RateTable, rate: float, portion: int
) -> None:
    """A busy worker asks the table twenty times a second at most; a small one keeps no store."""
    rates = TenantLimits(table, make_settings(limit_tenant_requests=rate))
    assert rates.take_tokens(a_tenant()) == portion


def test_plans_have_their_own_rates(make_settings: MakeSettings, table: RateTable) -> None:
    """A plan that says nothing about it has the common one; nought is no limit."""
    plans = {"free": {"requests": 2}, "gold": {"requests": 0}, "slim": {"in_flight": 1}}
    rates = TenantLimits(table, make_settings(limit_tenant_requests=10, limit_plans=plans))
    assert drain(rates, a_tenant("a", plan="free")) == 10
    assert drain(rates, a_tenant("b", plan="slim")) == 50
    assert drain(rates, a_tenant("c", plan="standard")) == 10  # not named: as the default plan
    assert [rates.take_tokens(a_tenant("d", plan="gold")) for _ in range(3)] == [UNLIMITED] * 3


def test_the_refusal_says_who_and_when(
    make_settings: MakeSettings, table: RateTable, clock: FakeClock
) -> None:
    """Seconds are whole, and never so few that the next try is in vain."""
    rates = TenantLimits(table, make_settings(limit_tenant_requests=0.4))
    drain(rates, a_tenant())
    with pytest.raises(RateLimitError, match="acme") as refusal:
        rates.take_tokens(a_tenant())

    assert refusal.value.retry_after == 3
    clock.advance(3)
    assert rates.take_tokens(a_tenant()) == 1
