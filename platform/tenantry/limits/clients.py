"""Maps client addresses to subscribers: an IPv4 address or an IPv6 /64."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address


@lru_cache(maxsize=1024)
def client_of(address: str) -> str:
    """Return whom an address stands for: one subscriber has a whole IPv6 /64, but one IPv4 address.

    Proxies also write ``192.0.2.7:4711`` and ``[2001:db8::7]:4711``. What is no address at all stands
    for itself.
    """
    if ":" not in address:
        return address
    if address.startswith("["):
        address = address[1:].partition("]")[0]
    elif address.count(":") == 1:
        return address.partition(":")[0]
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
