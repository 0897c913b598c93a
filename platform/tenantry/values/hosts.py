r"""One strict parser from a Host header to a canonical host.

Werkzeug answers ``request.host == ""`` for malformed hosts and serves the page all the same, so this
parser runs before any app does. It knows nothing of tenants: whole hosts are looked up exactly, never
by prefix or suffix.
"""

from __future__ import annotations

import re
from functools import lru_cache

import idna

from tenantry.errors import BadHostError
from tenantry.values.scripts import is_one_script, look_of, scripts_of

MAX_HOST = 253
"""Bytes of a host name without the trailing dot (RFC 1035, section 2.3.4)."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\Z")


@lru_cache(maxsize=2048)
def parse_host(header: str) -> str:
    """Return the canonical host of a ``Host`` header: lower-case ASCII, no port, no trailing dot.

    Cached by the whole header, so a known spelling costs one C-level look-up; strange ones push
    each other out, and take half a MiB at most.

    :param header: The header's value as WSGI hands it over.
    :raises BadHostError: It is not exactly one host name with an optional port (RFC 9110, 7.2),
        or it is an IP literal: a tenant is never named by an address.
    """
    # Before lower(): the Kelvin sign is not ASCII, but "\u212a".lower() == "k".
    if not header.isascii():
        raise BadHostError(header, "it has characters outside ASCII; use its xn-- form")
    host, colon, port = header.partition(":")
    if colon and port and not (port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):  # noqa: PLR2004
        raise BadHostError(header, "the port is not a number from 1 to 65535")
    host = host.lower().removesuffix(".")
    if not host:
        raise BadHostError(header, "it is empty")
    if len(host) > MAX_HOST:
        raise BadHostError(header, f"it is longer than {MAX_HOST} characters")
    if _HOST.match(host) is None:
        raise BadHostError(header, "labels are letters, digits and inner hyphens")
    # A last label that is a number makes the whole an IPv4 address (WHATWG URL, 3.5).
    if _NUMERIC.match(host.rpartition(".")[2]):
        raise BadHostError(header, "addresses name no site")
    return host


def canonical_host(name: str) -> str:
    """Return the canonical form of a host that a person typed; international names become A-labels.

    :raises BadHostError: It is no full host name (two labels at least).
    """
    text = name.strip()
    if not text.isascii():
        try:
            text = idna.encode(text, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise BadHostError(name, f"it is not an international domain name ({error})") from error
    if ":" in text:
        raise BadHostError(name, "give the name without a scheme or a port")
    host = parse_host(text)
    if "." not in host:
        raise BadHostError(name, "a custom host needs at least two labels")
    return host


def shown_host(host: str) -> str:
    """Return a canonical host for people: an international one in both of its forms.

    >>> shown_host("xn--bcher-kva.example")
    'b\u00fccher.example (xn--bcher-kva.example)'
    """
    try:
        shown = idna.decode(host) if "xn--" in host else host
    except idna.IDNAError:
        return host
    return host if shown == host else f"{shown} ({host})"


def check_scripts(host: str) -> str:
    """Return a canonical host if each of its labels can be read in one way.

    :raises BadHostError: A label is no international name, or mixes scripts, as one that looks like
        ``apple`` and begins with a Cyrillic letter.
    """
    for label in host.split("."):
        if not label.startswith("xn--"):
            continue
        try:
            shown = idna.ulabel(label)
        except idna.IDNAError as error:
            raise BadHostError(host, f"{label} is no international name ({error})") from error
        if not is_one_script(shown):
            scripts = ", ".join(sorted(scripts_of(shown)))
            raise BadHostError(
                host, f"{shown} ({label}) mixes letters of several scripts: {scripts}"
            )
    return host


def look_of_host(host: str) -> str:
    """Return what a canonical host looks like to people; in ASCII, it is itself.

    :return: The same for two hosts that people take for each other. It need not be ASCII.
    """
    try:
        return look_of(idna.decode(host)) if "xn--" in host else host
    except idna.IDNAError:
        return host


def label_under(host: str, domain: str) -> str:
    """Return what stands before the platform's domain in *host*; nothing if it is not under it."""
    suffix = f".{domain}"
    return host.removesuffix(suffix) if host.endswith(suffix) else ""
