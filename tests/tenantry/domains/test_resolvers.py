"""Asking resolvers on loopback: what proves a host, and what one bad resolver cannot do."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import dns.message
import dns.rcode
import dns.rrset
import pytest

from tenantry.domains.resolvers import Resolvers
from tenantry.values.domain_proof import Finding, Targets, Verdict, judge
from tests.nameserver import NameServer

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOP = "shop.example.org"
PROOF = f"_tenantry.{SHOP}"
TOKEN = "tenantry-0123"
TARGETS = Targets.of(["sites.example.com", "203.0.113.7", "2001:DB8::7"])
RECORDS = {
    (PROOF, "TXT"): ["v=something", TOKEN],
    (SHOP, "CNAME"): ["sites.example.com"],
    ("sites.example.com", "A"): ["203.0.113.9"],
}
"""A domain that is proved, with a CNAME."""


@pytest.fixture
def servers() -> Iterator[list[NameServer]]:
    """Return three resolvers that know a proved domain."""
    with ExitStack() as stack:
        yield [stack.enter_context(NameServer(dict(RECORDS))) for _ in range(3)]


def check(servers: list[NameServer], *, host: str = SHOP, seconds: float = 5) -> Finding:
    """Return what a check of the host finds."""
    resolvers = Resolvers([server.address for server in servers], seconds=seconds)
    views = resolvers.look_up(host, TARGETS)
    return judge(views, host=host, token=TOKEN, targets=TARGETS)


def change(servers: list[NameServer], name: str, kind: str, *values: str) -> None:
    """Let some resolvers see other records under a name; without values, none."""
    for server in servers:
        server.records.pop((name, "CNAME"), None)
        server.records.pop((name, kind), None)
        if values:
            server.records[name, kind] = list(values)


def test_a_token_and_a_cname_prove_a_host(servers: list[NameServer]) -> None:
    """R30: the TXT record beside it names the tenant, and the host leads here."""
    assert check(servers) == Finding(Verdict.PROVED)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        pytest.param("A", ["203.0.113.7"], id="our address"),
        pytest.param("AAAA", ["2001:db8::7"], id="our IPv6 address"),
        pytest.param("A", ["203.0.113.9", "203.0.113.7"], id="an address of our name"),
        pytest.param("CNAME", ["SITES.example.com"], id="our name in capitals"),
    ],
)
def test_each_way_of_leading_here_counts(
    servers: list[NameServer], kind: str, values: list[str]
) -> None:
    """An apex cannot have a CNAME record: addresses prove it as well."""
    change(servers, SHOP, kind, *values)
    for server in servers:
        server.records["SITES.example.com", "A"] = ["203.0.113.9"]
    assert check(servers).verdict is Verdict.PROVED


@pytest.mark.parametrize(
    ("name", "kind", "values", "problem"),
    [
        pytest.param(PROOF, "TXT", [], f"There is no TXT record {PROOF}.", id="no TXT"),
        pytest.param(
            PROOF, "TXT", ["tenantry-9999"], f"The TXT record {PROOF} has another value.",
            id="another tenant's TXT",
        ),
        pytest.param(
            PROOF, "TXT", [TOKEN + "x"], f"The TXT record {PROOF} has another value.", id="longer"
        ),
        pytest.param(SHOP, "A", [], f"{SHOP} does not lead anywhere yet.", id="no address"),
        pytest.param(
            SHOP, "A", ["198.51.100.1", "203.0.113.7"],
            f"{SHOP} leads to 198.51.100.1, which is not this platform.", id="also elsewhere",
        ),
        pytest.param(
            SHOP, "A", ["127.0.0.1"], f"{SHOP} leads to 127.0.0.1, which is not this platform.",
            id="inside",
        ),
        pytest.param(
            SHOP, "CNAME", ["evil.example.net"], f"{SHOP} does not lead anywhere yet.", id="CNAME"
        ),
    ],
)  # fmt: skip
def test_wrong_records_prove_nothing(
    servers: list[NameServer], name: str, kind: str, values: list[str], problem: str
) -> None:
    """R30, R33: each of them is named to the owner, and only the resolvers are ever talked to."""
    change(servers, name, kind, *values)
    assert check(servers) == Finding(Verdict.FAILED, problem)


def test_one_resolver_proves_nothing(servers: list[NameServer]) -> None:
    """An answer that somebody forged at one resolver is outvoted, whichever way it lies."""
    change(servers[1:], PROOF, "TXT")
    assert check(servers).verdict is Verdict.FAILED
    servers[1].records[PROOF, "TXT"] = [TOKEN]
    assert check(servers).verdict is Verdict.PROVED


def test_what_nobody_knows_is_no_failure(servers: list[NameServer]) -> None:
    """Resolvers that are silent or refuse take no host from anybody, and prove none."""
    servers[0].silent = True
    servers[1].code = dns.rcode.REFUSED
    change(servers[2:], PROOF, "TXT")
    began = time.monotonic()
    found = check(servers, seconds=0.5)
    assert time.monotonic() - began < 5
    assert found == Finding(
        Verdict.UNKNOWN, "The DNS could not be read: 2 of 3 resolvers did not answer."
    )
    servers[2].records[PROOF, "TXT"] = [TOKEN]
    assert check(servers, seconds=0.5) == Finding(
        Verdict.UNKNOWN,
        "Only 1 of 3 resolvers see the records. A change takes time to reach all of them.",
    )


def test_a_zone_that_is_broken_proves_nothing(servers: list[NameServer]) -> None:
    """SERVFAIL is what a domain without name servers has for an answer: it is not served for long."""
    for server in servers:
        server.code = dns.rcode.SERVFAIL
    assert check(servers).verdict is Verdict.FAILED


def test_forged_datagrams_are_passed_over(servers: list[NameServer]) -> None:
    """A datagram with another id, as a third party would have to guess it, ends no question."""

    def forge(question: dns.message.Message) -> bytes:
        answer = dns.message.make_response(question)
        name = question.question[0].name.to_text()
        answer.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", '"forged"'))
        answer.id = question.id ^ 1
        return answer.to_wire()

    for server in servers:
        server.forged = forge
    assert check(servers) == Finding(Verdict.PROVED)


def test_long_answers_come_over_tcp(servers: list[NameServer]) -> None:
    """A truncated datagram is no answer."""
    for server in servers:
        server.truncated = True
    assert check(servers).verdict is Verdict.PROVED


def test_a_single_resolver_is_asked_over_tcp(servers: list[NameServer]) -> None:
    """Nobody can outvote it, so its answers come on a way that is hard to forge."""
    assert check(servers[:1]).verdict is Verdict.PROVED
    assert {how for how, _, _ in servers[0].asked} == {"tcp"}


def test_a_circle_of_names_ends(servers: list[NameServer]) -> None:
    """A zone that leads in circles, or answers with another kind of message, is no answer."""
    for server in servers:
        server.records[SHOP, "CNAME"] = ["other.example.org"]
        server.records["other.example.org", "A"] = []
        server.code = dns.rcode.FORMERR
    assert check(servers, seconds=0.5).verdict is Verdict.UNKNOWN
