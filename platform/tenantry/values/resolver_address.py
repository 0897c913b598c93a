"""Where a DNS resolver listens."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class ResolverAddress:
    """Where a resolver listens."""

    address: str
    port: int = DNS_PORT

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return host if self.port == DNS_PORT else f"{host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> ResolverAddress:
        """Return the address that a text names: ``9.9.9.9``, ``10.0.0.2:5353`` or ``[::1]:5353``.

        :raises ValueError: It names none.
        """
        host, port = text, ""
        if text.startswith("["):
            host, _, port = text[1:].partition("]")
            port = port.removeprefix(":")
        elif text.count(":") == 1:
            host, _, port = text.partition(":")
        number = int(port) if port else DNS_PORT
        if not 0 < number < 65536:  # noqa: PLR2004 - ports have 16 bits
            raise ValueError(f"{port} is no port")
        return cls(str(ip_address(host)), number)
