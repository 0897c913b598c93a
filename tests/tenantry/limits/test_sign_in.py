"""Tries to sign in are counted by network and by device, never by locking an account."""

from __future__ import annotations

import pytest

from tenantry.errors import SignInError
from tenantry.limits import RateTable, SignInThrottle
from tenantry.limits.sign_in import DEVICE, NETWORK, PAIR, SIGN_UP, SITE_NETWORK, SignInTry
from tests.tenantry.support import FakeClock, at_once


class Tries:
    """A throttle with a clock of its own."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.throttle = SignInThrottle(RateTable(None, clock=self.clock))

    def claim(
        self,
        account: str = "olga@example.com",
        address: str = "192.0.2.7",
        *,
        scope: str = "platform",
        device: str | None = None,
    ) -> SignInTry:
        return self.throttle.claim(scope=scope, account=account, address=address, device=device)

    def wait_for(self, account: str = "olga@example.com", address: str = "192.0.2.7") -> int:
        """Return the seconds that a try is told to wait."""
        with pytest.raises(SignInError) as caught:
            self.claim(account, address)
        assert caught.value.retry_after is not None
        return caught.value.retry_after


@pytest.fixture
def tries() -> Tries:
    return Tries()


def test_the_wait_is_the_truth_and_ends(tries: Tries) -> None:
    """R51: who waits as told may try again, once; the longest wait is a minute."""
    for _ in range(PAIR.burst):
        tries.claim()
    for _ in range(3):
        wait = tries.wait_for()
        assert wait <= PAIR.seconds
        tries.clock.advance(wait)
        tries.claim()


def test_refused_tries_make_nobody_wait_longer(tries: Tries) -> None:
    """R51: hammering renews nothing, neither for the account nor for the network."""
    for _ in range(PAIR.burst):
        tries.claim()
    waits = {tries.wait_for() for _ in range(NETWORK.burst * 2)}
    assert waits == {PAIR.seconds}
    tries.claim("otto@example.com")


def test_accounts_networks_scopes_and_devices_are_counted_apart(tries: Tries) -> None:
    """R51: nobody can use up somebody else's tries from elsewhere."""
    for _ in range(PAIR.burst):
        tries.claim()
    tries.wait_for()
    tries.claim("otto@example.com")
    tries.claim(address="192.0.2.8")
    tries.claim(scope="another site")
    tries.claim(device="d1")


def test_a_network_is_a_subscribers(tries: Tries) -> None:
    """R51: an IPv6 /64 counts as one; a /48 over many of them, with more room."""
    for number in range(PAIR.burst):
        tries.claim(address=f"2001:db8::{number}")
    tries.wait_for(address="2001:db8::ffff")
    counted = PAIR.burst
    for number in range(1, SITE_NETWORK.burst):
        tries.claim(f"somebody{number}@example.com", f"2001:db8:0:{number:x}::1")
        counted += 1
        if counted == SITE_NETWORK.burst:
            break
    tries.wait_for("new@example.com", "2001:db8:0:ffff::1")
    tries.claim("new@example.com", "2001:db8:1::1")


def test_one_network_over_many_accounts_is_counted(tries: Tries) -> None:
    """R51: one try each at many accounts is guessing as well."""
    for number in range(NETWORK.burst):
        tries.claim(f"somebody{number}@example.com")
    assert tries.wait_for("another@example.com") <= NETWORK.seconds
    tries.claim("another@example.com", "192.0.2.8")


def test_a_devices_tries_come_to_an_end(tries: Tries) -> None:
    """R51: a device that was stolen cannot guess for ever."""
    for _ in range(DEVICE.burst):
        tries.claim(device="d1")
    with pytest.raises(SignInError):
        tries.claim(device="d1")
    tries.claim(device="d2")


def test_success_and_an_unchecked_try_are_taken_back(tries: Tries) -> None:
    """Only wrong passwords count: after the right one the account has all its tries again."""
    for _ in range(PAIR.burst - 1):
        tries.claim()
    tries.claim().succeed()
    for _ in range(PAIR.burst):
        tries.claim()
    for _ in range(3 * NETWORK.burst):
        tries.claim("busy@example.com", "192.0.2.9").undo()
        tries.claim("right@example.com", "192.0.2.9").succeed()


def test_many_accounts_take_no_room(tries: Tries) -> None:
    """Law 6: the table is as large as it was, and an account that never was costs nothing."""
    table = tries.throttle._table
    size = len(table._marks)
    for number in range(3 * size // 1000):
        tries.claim("x" * 100_000 + str(number), f"198.51.{number // 200}.{number % 200}")
    assert len(table._marks) == size


def test_sign_ups_are_counted_by_network(tries: Tries) -> None:
    """R34: whoever asks about addresses by signing them up has to wait."""
    for _ in range(SIGN_UP.burst):
        tries.throttle.claim_sign_up(scope="site", address="192.0.2.7")
    with pytest.raises(SignInError):
        tries.throttle.claim_sign_up(scope="site", address="192.0.2.7")
    tries.throttle.claim_sign_up(scope="site", address="192.0.2.8")


def test_many_tries_at_once_are_many_tries(tries: Tries) -> None:
    """R51: a try is counted before its password is checked, so that parallel ones win nothing."""
    answers = at_once(12, lambda _: tries.claim())
    allowed = [answer for answer in answers if not isinstance(answer, SignInError)]
    # Of two that are counted at the very same moment one may be forgotten.
    assert PAIR.burst <= len(allowed) <= PAIR.burst + 1
