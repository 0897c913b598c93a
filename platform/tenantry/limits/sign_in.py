"""Rate limits of sign-in attempts by network and device; they never lock an account.

Counting by account alone lets anybody keep anybody signed out. So tries are counted

- for an account from one network, and for one network whatever the account: another network's tries
  say nothing about yours;
- for a device that has signed in to the account before, by that device alone: its owner gets in from
  the very network that an attack comes from.

Whether the account exists plays no part. The buckets stand in the table of :class:`RateTable`, so
they are shared by the workers of a machine and take no room that a client can make grow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from tenantry.errors import TooManyTriesError
from tenantry.limits.clients import client_of
from tenantry.limits.table import RateTable

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST_ADDRESS = 64
_LONGEST_ACCOUNT = 320


@dataclass(frozen=True, slots=True)
class Allowance:
    """Tries at once after a quiet time, and the seconds after which there is one more."""

    burst: int
    seconds: float


PAIR = Allowance(5, 60)
"""For one account from one network."""

DEVICE = Allowance(10, 30)
"""For one account from a device that has signed in to it."""

NETWORK = Allowance(30, 20)
"""For one network, an IPv4 address or an IPv6 /64, over all accounts."""

SITE_NETWORK = Allowance(200, 5)
"""For an IPv6 /48, of which a subscriber may have all 65,536 networks."""

SIGN_UP = Allowance(30, 20)
"""New accounts from one network."""

NEW_SITE = Allowance(5, 600)
"""Sign-ups for a site from one network: each costs a database."""

NAME_CHECK = Allowance(30, 1)
"""Questions from one network whether a name is free: fewer than the front door answers."""

RESET = Allowance(10, 60)
"""Questions from one network for a link that sets a password."""


class SignInTry:
    """One try that has been counted."""

    def __init__(self, table: RateTable, counted: tuple[tuple[str, Allowance], ...]) -> None:
        self._table = table
        self._counted = counted

    def succeed(self) -> None:
        """Take the count back: the password was right. The account's own count starts anew."""
        (key, _), *networks = self._counted
        self._table.fill(key)
        for name, allowance in networks:
            self._table.return_token(name, 1 / allowance.seconds)

    def undo(self) -> None:
        """Take the count back: the password was not checked."""
        for name, allowance in self._counted:
            self._table.return_token(name, 1 / allowance.seconds)


class SignInThrottle:
    """Counts tries in *table*."""

    def __init__(self, table: RateTable) -> None:
        self._table = table

    def claim(
        self, *, scope: str, account: str, address: str, device: str | None = None
    ) -> SignInTry:
        """Count a try before its password is checked, so that many at once are not one.

        :param scope: Where accounts are told apart by *account*: a tenant's id, or the platform.
        :param account: The address as it was typed, in the spelling in which it is kept.
        :param address: The client's network address; may be empty.
        :param device: The id of a device that is known to have signed in to the account.
        :raises TooManyTriesError: There were too many, with the seconds to wait.
        """
        account = account[:_LONGEST_ACCOUNT].encode(errors="replace").decode()
        if device is not None:
            return self._claim(((f"sign-in {scope} {account} device {device}", DEVICE),))
        network = client_of(address[:_LONGEST_ADDRESS])
        counted = [
            (f"sign-in {scope} {account} from {network}", PAIR),
            (f"sign-in from {network}", NETWORK),
        ]
        if (site := _site_of(network)) is not None:
            counted.append((f"sign-in from {site}", SITE_NETWORK))
        return self._claim(tuple(counted))

    def claim_sign_up(self, *, scope: str, address: str) -> None:
        """Count a new account.

        :raises TooManyTriesError: There were too many, with the seconds to wait.
        """
        network = client_of(address[:_LONGEST_ADDRESS])
        self._claim(((f"sign-up {scope} from {network}", SIGN_UP),))

    def claim_for_network(self, purpose: str, allowance: Allowance, *, address: str) -> SignInTry:
        """Count what a visitor's network does; an IPv6 /48 has what ten of its networks have.

        :param purpose: What is counted.
        :raises TooManyTriesError: There were too many, with the seconds to wait.
        """
        network = client_of(address[:_LONGEST_ADDRESS])
        counted = [(f"{purpose} from {network}", allowance)]
        if (site := _site_of(network)) is not None:
            wide = Allowance(10 * allowance.burst, allowance.seconds / 10)
            counted.append((f"{purpose} from {site}", wide))
        return self._claim(tuple(counted))

    def _claim(self, wanted: tuple[tuple[str, Allowance], ...]) -> SignInTry:
        for number, (name, allowance) in enumerate(wanted):
            taken, wait = self._table.take_tokens(name, 1 / allowance.seconds, allowance.burst)
            if not taken:
                SignInTry(self._table, wanted[:number]).undo()
                raise TooManyTriesError(max(1, math.ceil(wait)))
        return SignInTry(self._table, wanted)


@lru_cache(maxsize=8)
def open_sign_in_throttle(run_dir: Path) -> SignInThrottle:
    """Return the throttle that the processes with this run-time folder share."""
    return SignInThrottle(RateTable(run_dir / "rates"))


def _site_of(network: str) -> str | None:
    """Return the IPv6 /48 of a /64."""
    address, slash, _ = network.partition("/")
    return f"{IPv6Address(int(IPv6Address(address)) >> 80 << 80)}/48" if slash else None
