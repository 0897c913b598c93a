"""Which DNS records prove that a host is a tenant's, and what several resolvers' answers amount to.

Two things have to be right. A TXT record beside the host names the tenant's token: only the domain's
owner can set it. The host's own records lead to this platform. Several resolvers have to agree: one
forged answer proves nothing, and one that is missing loses nothing. No DNSSEC is asked for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PREFIX = "_tenantry."
"""What stands before a host in the name of its TXT record."""

SHOWN_ADDRESSES = 3


class Verdict(Enum):
    """What a check amounts to."""

    PROVED = "proved"
    FAILED = "failed"
    """A majority of the resolvers says that the records are missing or wrong."""
    UNKNOWN = "unknown"
    """Too few resolvers answered, or they do not agree yet."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found."""

    verdict: Verdict
    problem: str = ""
    """What keeps the host from being proved, in a sentence for its owner."""


@dataclass(frozen=True, slots=True)
class Record:
    """A DNS record that a domain's owner sets."""

    kind: str
    """``TXT``, ``CNAME``, ``A`` or ``AAAA``."""
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Targets:
    """Where custom domains have to lead."""

    names: tuple[str, ...]
    addresses: frozenset[str] = frozenset()

    @classmethod
    def of(cls, values: Iterable[str]) -> Targets:
        """Return the targets that a setting lists: names and addresses."""
        names, addresses = [], []
        for value in values:
            try:
                addresses.append(str(ip_address(value)))
            except ValueError:
                names.append(value)
        return cls(tuple(names), frozenset(addresses))


@dataclass(frozen=True, slots=True)
class View:
    """What one resolver says of a host."""

    texts: frozenset[str] = frozenset()
    """The TXT records beside it."""
    names: tuple[str, ...] = ()
    """The names that its CNAME records lead to, one after the other."""
    addresses: frozenset[str] = frozenset()
    ours: frozenset[str] = frozenset()
    """The addresses of the platform's own names."""


def proof_name(host: str) -> str:
    """Return the name of the TXT record that proves *host*."""
    return PREFIX + host


def records_of(host: str, token: str, targets: Targets) -> tuple[Record, tuple[Record, ...]]:
    """Return the TXT record of a host, and the records of which one kind has to lead here."""
    aliases = [Record("CNAME", host, name) for name in targets.names[:1]]
    addresses = [
        Record("AAAA" if ":" in address else "A", host, address)
        for address in sorted(targets.addresses)
    ]
    return Record("TXT", proof_name(host), token), (*aliases, *addresses)


def judge(views: Sequence[View | None], *, host: str, token: str, targets: Targets) -> Finding:
    """Return what the resolvers' answers amount to; ``None`` stands for one that gave none."""
    problems = [_find_problem(view, host, token, targets) for view in views if view is not None]
    needed = len(views) // 2 + 1
    proved = problems.count("")
    if proved >= needed:
        return Finding(Verdict.PROVED)
    wrong = Counter(problem for problem in problems if problem)
    if wrong.total() >= needed:
        return Finding(Verdict.FAILED, wrong.most_common(1)[0][0])
    if proved:
        seen = f"{proved} of {len(views)} resolvers see the records."
        return Finding(Verdict.UNKNOWN, f"Only {seen} A change takes time to reach all of them.")
    silent = f"{len(views) - len(problems)} of {len(views)} resolvers did not answer."
    return Finding(Verdict.UNKNOWN, f"The DNS could not be read: {silent}")


def _find_problem(view: View, host: str, token: str, targets: Targets) -> str:
    """Return what is wrong in one resolver's eyes; nothing if the host is proved."""
    if token not in view.texts:
        if view.texts:
            return f"The TXT record {proof_name(host)} has another value."
        return f"There is no TXT record {proof_name(host)}."
    if any(name in view.names for name in targets.names):
        return ""
    if not view.addresses:
        return f"{host} does not lead anywhere yet."
    # Each of them: a visitor whose browser takes the other one would end at another server.
    foreign = sorted(view.addresses - targets.addresses - view.ours)
    if foreign:
        shown = ", ".join(foreign[:SHOWN_ADDRESSES])
        return f"{host} leads to {shown}, which is not this platform."
    return ""
