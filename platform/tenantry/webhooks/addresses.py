"""Which addresses webhooks may call: those of the internet, and never one inside (R33).

A URL that a customer types is asked by a machine that stands in the operator's network. So its name
is resolved once, each address that it has must be outside, and the connection goes to such an address.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from tenantry.errors import BadHostError, BadWebhookError, WebhookFailedError
from tenantry.values.hosts import parse_host

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_URL = 500
HTTPS_PORT = 443

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")
"""Its last 32 bits are an IPv4 address (RFC 6052)."""
_INTERNET = (IPv6Network("2000::/3"), _NAT64)
"""All that is given out of IPv6. Others, as site-local ones, are global to ``ipaddress``, too."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What may be called.

    :param networks: Inside ones that may be called as well, on any port and without TLS.
    :param own_hosts: The platform's domain and other names of its own: they and what is below them
        are never called.
    :param own_addresses: Addresses of the platform that no interface of this machine has.
    """

    networks: tuple[Network, ...] = ()
    own_hosts: frozenset[str] = frozenset()
    own_addresses: frozenset[str] = frozenset()

    def resolve(self, url: SplitResult) -> list[str]:
        """Return the addresses to connect to.

        :raises WebhookFailedError: The host has none, or one of them may not be called.
        """
        host, port = url.hostname or "", port_of(url)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise WebhookFailedError(f"{host} has no address") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            self._check(address, url)
        return addresses

    def _check(self, address: str, url: SplitResult) -> None:
        parsed = ip_address(address.partition("%")[0])  # without the zone of a link-local one
        if any(parsed in network for network in self.networks):
            return
        forms = [str(it) for it in (parsed, *_carried(parsed))]
        is_own = any(it in self.own_addresses or is_of_this_machine(it) for it in forms)
        if is_own or "%" in address or not is_outside(parsed):
            # Which one it is would tell a customer how the network inside is numbered.
            raise WebhookFailedError(f"{url.hostname} leads to an address that is not outside")
        if url.scheme != "https" or port_of(url) != HTTPS_PORT:
            raise WebhookFailedError(f"outside, only https on port {HTTPS_PORT} is called")


def check_webhook_url(text: str, outside: Outside) -> str:
    """Return a URL that could be called; its addresses are looked at each time it is called.

    :raises BadWebhookError: It has another form, or leads to the platform itself.
    """
    url = text.strip()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", port_of(parts)
    except ValueError:
        raise BadWebhookError(url, "it is no URL") from None
    if len(url) > MAX_URL or not url.isascii() or any(it <= " " for it in url):
        problem = f"it has spaces, characters outside ASCII, or more than {MAX_URL} characters"
        raise BadWebhookError(url, problem)
    if parts.scheme not in {"https", "http"} or not host:
        raise BadWebhookError(url, "it does not begin with https:// and a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise BadWebhookError(url, "it has a user name or a fragment")
    _check_host(url, host, outside)
    if not outside.networks and (parts.scheme != "https" or port != HTTPS_PORT):
        raise BadWebhookError(url, f"only https on port {HTTPS_PORT} is called")
    return url


def _check_host(url: str, host: str, outside: Outside) -> None:
    if _is_address(host):
        if not any(ip_address(host) in network for network in outside.networks):
            raise BadWebhookError(url, "it has an address in place of a host's name")
        return
    try:
        name = parse_host(host)
    except BadHostError as error:
        raise BadWebhookError(url, f"its host cannot be: {error.problem}") from error
    if any(name == own or name.endswith(f".{own}") for own in outside.own_hosts):
        raise BadWebhookError(url, "it leads to the platform itself")


def port_of(url: SplitResult) -> int:
    """Return the port that a URL names or means."""
    return url.port or (HTTPS_PORT if url.scheme == "https" else 80)


def is_outside(address: Address) -> bool:
    """Say whether an address is one of the internet, also one that carries another inside.

    ``is_global`` alone is true of multicast, and of NAT64 and 6to4 forms of 127.0.0.1.
    """
    if isinstance(address, IPv6Address) and not any(address in it for it in _INTERNET):
        return False
    return all(it.is_global and not it.is_multicast for it in (address, *_carried(address)))


def _carried(address: Address) -> Iterable[Address]:
    """Yield the IPv4 addresses to which a gateway would send what goes to *address*."""
    if isinstance(address, IPv4Address):
        return
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)


def is_of_this_machine(address: str) -> bool:
    """Say whether an interface of this machine has the address, be it one of the internet.

    The kernel reaches its own addresses from the same address; nothing is sent for that.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))
        return bool(probe.getsockname()[0] == address)
    return False


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
