"""Asks several resolvers for a host's records. It connects to resolvers only, never to what they name.

The addresses that a stranger's zone names are compared, and no request goes to one of them (R33).
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from tenantry.values.domain_proof import View, proof_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.values.domain_proof import Targets
    from tenantry.values.resolver_address import ResolverAddress

SECONDS = 5.0
"""For everything that is asked of one resolver about one host."""

TRY_SECONDS = 2.0
"""For one answer; a datagram may be lost, so there is a second try."""

TRIES = 2

PAYLOAD = 1232
"""Bytes of a datagram that cross every network whole; a longer answer comes over TCP."""


class Resolvers:
    """Resolvers that are asked at the same time, each for itself.

    :param addresses: Several that do not depend on each other. If there is only one, it is asked
        over TCP, where a third party cannot forge an answer.
    :param seconds: How long one of them may take for all that is asked about a host.
    """

    def __init__(self, addresses: Sequence[ResolverAddress], *, seconds: float = SECONDS) -> None:
        self._addresses = tuple(addresses)
        self._seconds = seconds

    def look_up(self, host: str, targets: Targets) -> tuple[View | None, ...]:
        """Return what each resolver says of *host*; ``None`` for one that does not answer."""
        over_tcp = len(self._addresses) == 1

        def ask(address: ResolverAddress) -> View | None:
            return _Questions(address, time.monotonic() + self._seconds, over_tcp).view(
                host, targets
            )

        with ThreadPoolExecutor(len(self._addresses), thread_name_prefix="resolver") as threads:
            return tuple(threads.map(ask, self._addresses))


class _NoAnswerError(Exception):
    """The resolver is silent, refuses or talks nonsense."""


@dataclass(frozen=True, slots=True)
class _Questions:
    """What one resolver is asked about one host, until a deadline."""

    resolver: ResolverAddress
    deadline: float
    over_tcp: bool

    def view(self, host: str, targets: Targets) -> View | None:
        try:
            texts = self._texts(proof_name(host))
            names, addresses = self._lead(host)
            ours: frozenset[str] = frozenset()
            if addresses and not set(names) & set(targets.names):
                ours = frozenset().union(*(self._lead(name)[1] for name in targets.names))
        except _NoAnswerError:
            return None
        return View(texts, names, addresses, ours)

    def _texts(self, name: str) -> frozenset[str]:
        found = self._ask(name, dns.rdatatype.TXT)
        if found is None or found.answer is None:
            return frozenset()
        return frozenset(
            b"".join(record.strings).decode("ascii", "replace") for record in found.answer
        )

    def _lead(self, name: str) -> tuple[tuple[str, ...], frozenset[str]]:
        """Return the names and the addresses that a name leads to."""
        names: dict[str, None] = {}
        addresses: set[str] = set()
        for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
            found = self._ask(name, kind)
            if found is None:
                continue
            for alias in found.cnames:
                for record in alias:
                    names[record.target.to_text(omit_final_dot=True).lower()] = None
            for record in found.answer or ():
                addresses.add(str(ip_address(record.address)))
        return tuple(names), frozenset(addresses)

    def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> dns.message.ChainingResult | None:
        """Return the records of one kind; ``None`` if the name has none or does not resolve."""
        response = self._send(dns.message.make_query(name, kind, use_edns=0, payload=PAYLOAD))
        code = response.rcode()
        if code in {dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL}:
            return None  # a zone that nobody can read proves nothing
        if code != dns.rcode.NOERROR:
            raise _NoAnswerError
        try:
            return response.resolve_chaining()
        except dns.exception.DNSException as error:
            raise _NoAnswerError from error

    def _send(self, query: dns.message.QueryMessage) -> dns.message.QueryMessage:
        for _ in range(TRIES):
            left = self.deadline - time.monotonic()
            if left <= 0:
                break
            try:
                return self._exchange(query, min(left, TRY_SECONDS))
            except (OSError, EOFError, dns.exception.DNSException):
                continue
        raise _NoAnswerError

    def _exchange(
        self, query: dns.message.QueryMessage, seconds: float
    ) -> dns.message.QueryMessage:
        where, port = self.resolver.address, self.resolver.port
        if self.over_tcp:
            response = dns.query.tcp(query, where, timeout=seconds, port=port)
        else:
            # A datagram from elsewhere, or for another question, does not end the wait for ours.
            response, _ = dns.query.udp_with_fallback(
                query, where, timeout=seconds, port=port, ignore_unexpected=True, ignore_errors=True
            )
        if not isinstance(response, dns.message.QueryMessage):
            raise _NoAnswerError
        return response
