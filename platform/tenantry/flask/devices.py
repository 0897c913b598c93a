"""Describes a session's device for its owner: browser and network."""

from __future__ import annotations

import ipaddress

from tenantry.limits.clients import client_of

# The first that is found counts: browsers also say that they are those which came before them.
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
    "curl/": "curl",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}
UNKNOWN = "Unknown device"


def describe_device(agent: str | None) -> str:
    """Return a browser and its system in words, as ``"Firefox on Linux"``."""
    text = agent or ""
    browser = next((name for mark, name in BROWSERS.items() if mark in text), "")
    system = next((name for mark, name in SYSTEMS.items() if mark in text), "")
    return " on ".join(filter(None, (browser, system))) or UNKNOWN


def network_of(address: str | None) -> str:
    """Return the network that an address is in: enough to recognise, too little to find a person.

    It has 24 bits of an IPv4 address and 48 of an IPv6 address. Empty if there is no address.
    """
    try:
        parsed = ipaddress.ip_address(client_of(address or "").partition("/")[0])
    except ValueError:
        return ""
    bits = 24 if parsed.version == 4 else 48  # noqa: PLR2004 - the versions of the protocol
    return str(ipaddress.ip_network((parsed, bits), strict=False))
