"""Host headers."""

from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tenantry.errors import BadHostError
from tenantry.values.hosts import canonical_host, label_under, parse_host

LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
GRAMMAR = re.compile(rf"{LABEL}(?:\.{LABEL})*")

HOSTISH = st.text("abzABZ019-._:[]@/\\ ,\x00\n%K\u212a\u00df\u3002", max_size=40) | st.text(
    max_size=300
)


@pytest.mark.parametrize(
    ("header", "host"),
    [
        pytest.param("acme.example.com", "acme.example.com", id="plain"),
        pytest.param("ACME.Example.COM", "acme.example.com", id="upper case"),
        pytest.param("acme.example.com.", "acme.example.com", id="trailing dot"),
        pytest.param("acme.example.com:8000", "acme.example.com", id="port"),
        pytest.param("acme.example.com.:443", "acme.example.com", id="trailing dot and port"),
        pytest.param("acme.example.com:", "acme.example.com", id="empty port (RFC 3986, 3.2.3)"),
        pytest.param("acmeexample.com", "acmeexample.com", id="no border: another name"),
        pytest.param("a.b.example.com", "a.b.example.com", id="two labels deep: kept whole"),
        pytest.param("xn--bcher-kva.example", "xn--bcher-kva.example", id="A-label"),
        pytest.param("localhost", "localhost", id="single label"),
        pytest.param("localhost:65535", "localhost", id="highest port"),
        pytest.param("4chan.org", "4chan.org", id="digit first"),
        pytest.param(f"{'a' * 63}.test", f"{'a' * 63}.test", id="label of 63"),
        pytest.param(f"{'a' * 63}." * 3 + "b" * 61, f"{'a' * 63}." * 3 + "b" * 61, id="253"),
        pytest.param(f"{'a' * 63}." * 3 + "b" * 61 + ".", f"{'a' * 63}." * 3 + "b" * 61, id="253."),
    ],
)
def test_a_host_has_one_spelling(header: str, host: str) -> None:
    """R5: case, port and trailing dot say nothing; everything else stays as it is."""
    assert parse_host(header) == host


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("", id="missing or empty"),
        pytest.param(".", id="only a dot"),
        pytest.param(":80", id="only a port"),
        pytest.param(" ", id="blank"),
        pytest.param("a.test, b.test", id="doubled, joined by the server"),
        pytest.param("a.test b.test", id="two words"),
        pytest.param("a.test,", id="comma"),
        pytest.param("a..test", id="empty label"),
        pytest.param(".a.test", id="leading dot"),
        pytest.param("a.test..", id="two trailing dots"),
        pytest.param("-a.test", id="hyphen first"),
        pytest.param("a-.test", id="hyphen last"),
        pytest.param("a_b.test", id="underscore"),
        pytest.param(f"{'a' * 64}.test", id="label of 64"),
        pytest.param(f"{'a' * 63}." * 3 + "b" * 62, id="254"),
        pytest.param("a.test\x00", id="NUL"),
        pytest.param("a.test\n", id="newline"),
        pytest.param("\ta.test", id="tab"),
        pytest.param("user@a.test", id="userinfo"),
        pytest.param("a.test/..", id="path"),
        pytest.param("a.test/../b", id="dot segments"),
        pytest.param("a.test?x", id="query"),
        pytest.param("a.test#x", id="fragment"),
        pytest.param("a.test\\b", id="backslash"),
        pytest.param("a%2etest", id="percent"),
        pytest.param("a.test:http", id="port in words"),
        pytest.param("a.test:0", id="port 0"),
        pytest.param("a.test:65536", id="port 65536"),
        pytest.param("a.test:-1", id="negative port"),
        pytest.param("a.test:+80", id="signed port"),
        pytest.param("a.test:80 ", id="blank after the port"),
        pytest.param("a.test:80:80", id="two ports"),
        pytest.param("a.test:000080", id="six digits"),
        pytest.param("a.test:\u0668\u0660", id="Arabic digits"),
        pytest.param("127.0.0.1", id="IPv4"),
        pytest.param("127.0.0.1:8000", id="IPv4 and port"),
        pytest.param("127.1", id="short IPv4"),
        pytest.param("2130706433", id="IPv4 as a number"),
        pytest.param("0x7f000001", id="IPv4 in hexadecimal"),
        pytest.param("a.0x", id="hexadecimal without digits"),
        pytest.param("1.2.3.4.", id="IPv4, trailing dot"),
        pytest.param("[::1]", id="IPv6"),
        pytest.param("[::1]:8000", id="IPv6 and port"),
        pytest.param("::1", id="bare IPv6"),
        pytest.param("b\u00fccher.example", id="U-label"),
        pytest.param("\u212aacme.test", id="Kelvin sign: lower() makes it a k"),
        pytest.param("acme.te\u017ft", id="long s: upper() makes it an S"),
        pytest.param("a\uff0etest", id="full-width dot"),
        pytest.param("b\xc3\xbccher.example", id="UTF-8 as WSGI hands it over"),
    ],
)
def test_what_is_no_host_is_refused(header: str) -> None:
    """R5: a malformed host, or an address, is an error and never a guess."""
    with pytest.raises(BadHostError) as caught:
        parse_host(header)

    assert caught.value.value == header
    assert str(caught.value).endswith(".")


@given(HOSTISH)
@example("\u212a.test")
@example("a.test:\u00b2")
def test_parsing_is_strict_and_idempotent(header: str) -> None:
    """R5: whatever comes out follows the grammar and parses to itself; nothing else is raised."""
    try:
        host = parse_host(header)
    except BadHostError:
        return

    assert GRAMMAR.fullmatch(host)
    assert len(host) <= 253
    assert parse_host(host) == host
    assert parse_host(f"{host.upper()}.:80") == host


@given(HOSTISH | st.text("a\u00e4\u00df\u05d0\u0627-.\u3002\u200d\U0001f600x1", max_size=80))
@example("\u3002")
@example("xn--\u00e4")
@example("\u05d0a.test")
def test_typed_hosts_are_strict_and_idempotent(name: str) -> None:
    """Whatever a person types is a full canonical host or a BadHostError."""
    try:
        host = canonical_host(name)
    except BadHostError:
        return

    assert GRAMMAR.fullmatch(host)
    assert "." in host
    assert canonical_host(host) == parse_host(host) == host


@pytest.mark.parametrize(
    ("name", "host"),
    [
        pytest.param("B\u00dcCHER.example", "xn--bcher-kva.example", id="IDN"),
        pytest.param("b\u00fccher\u3002example", "xn--bcher-kva.example", id="ideographic dot"),
        pytest.param("stra\u00dfe.example", "xn--strae-oqa.example", id="sharp s (IDNA 2008)"),
        pytest.param("  Shop.Example.org. ", "shop.example.org", id="blanks, case, dot"),
        pytest.param("\u212aacme.test", "kacme.test", id="the Kelvin sign is a k, as in browsers"),
    ],
)
def test_a_typed_host_becomes_what_browsers_send(name: str, host: str) -> None:
    """International names become A-labels, so that the Host header matches."""
    assert canonical_host(name) == host


@pytest.mark.parametrize(
    "name", ["localhost", "https://a.test", "a.test:80", "127.0.0.1", "a b.test", "", "\u00e4" * 70]
)
def test_a_typed_host_is_a_full_name(name: str) -> None:
    """A custom host has two labels at least, and no scheme, port or address."""
    with pytest.raises(BadHostError):
        canonical_host(name)


@pytest.mark.parametrize(
    ("host", "label"),
    [
        ("ops.example.com", "ops"),
        ("a.b.example.com", "a.b"),
        ("opsexample.com", ""),
        ("example.com", ""),
        ("", ""),
    ],
)
def test_a_label_stands_before_the_domain(host: str, label: str) -> None:
    """Law 2: only behind the border of a label."""
    assert label_under(host, "example.com") == label


def test_a_flood_of_hosts_is_not_kept() -> None:
    """However many are asked for, what is remembered of how they were written stays below 1 MiB."""
    parse_host.cache_clear()
    tracemalloc.start()
    try:
        for number in range(10_000):
            parse_host(f"www.random-{number:06}.example.test:8000")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        parse_host.cache_clear()
    assert kept < 1024 * 1024
