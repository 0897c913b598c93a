"""Answers the machine's own questions on the internal listener, and nothing else there.

``/-/ask?domain=`` is what Caddy asks before it gets a certificate for a visitor's name (R32): 200 for a
custom host that is served and for the platform's own hosts, 404 for any other one. It looks in memory
only. ``/-/ready`` says whether this worker can serve. ``/-/metrics`` is what Prometheus reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from tenantry.errors import BadHostError
from tenantry.limits import TokenBucket
from tenantry.values.hosts import parse_host

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.catalog.directory import Directory
    from tenantry.catalog.node_lease import Lease
    from tenantry.catalog.served_hosts import ServedHosts

ASK, READY, METRICS = "/-/ask", "/-/ready", "/-/metrics"
ELSE = f"this listener answers {ASK}, {READY} and {METRICS}"
PLAIN = "text/plain"
PROMETHEUS = "text/plain; version=1.0.0; charset=utf-8"
UNKNOWN_PER_SECOND = 500
"""Questions about names that are not ours, per second and worker. A flood of them comes from clients
that make names up; each costs a handshake, and a page of log at the proxy."""

MAX_QUERY = 1024


class InternalEndpoints:
    """Stands in front of everything that visitors reach.

    :param app: Answers on the other listeners.
    :param address: Where the internal listener listens.
    :param find_address: Tells the address at which a request's connection came in.
    :param own_hosts: The platform's own.
    :param metrics: Returns the node's figures in Prometheus' text form.
    :param lease: The node's, in a fleet. A node that is drained, or has lost it, is not ready.
    :param unknown_per_second: Questions about unknown names that are answered, at most.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        address: tuple[str, int],
        find_address: Callable[[WSGIEnvironment], tuple[str, int] | None],
        own_hosts: Collection[str],
        served: ServedHosts,
        directory: Directory,
        metrics: Callable[[], bytes],
        lease: Lease | None = None,
        unknown_per_second: int = UNKNOWN_PER_SECOND,
    ) -> None:
        self._app = app
        self._address = address
        self._port = str(address[1])
        self._find_address = find_address
        self._own_hosts = frozenset(own_hosts)
        self._served = served
        self._directory = directory
        self._metrics = metrics
        self._lease = lease
        self._bucket = TokenBucket(unknown_per_second, burst=2 * unknown_per_second)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # The port alone could be a proxy's word; the socket's own address is the kernel's. The port
        # is looked at first because nearly all requests are visitors'.
        if environ.get("SERVER_PORT") != self._port or self._find_address(environ) != self._address:
            return self._app(environ, start_response)
        path, kind = environ.get("PATH_INFO"), PLAIN
        if path == METRICS:
            status, body, kind = "200 OK", self._metrics(), PROMETHEUS
        else:
            if path == ASK:
                status, text = self._judge(environ.get("QUERY_STRING", ""))
            elif path == READY:
                status, text = self._report()
            else:
                status, text = "404 Not Found", ELSE
            body = f"{text}\n".encode()
        headers = [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
        ]
        start_response(status, headers)
        return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else body]

    def _judge(self, query: str) -> tuple[str, str]:
        """Say whether a domain may get a certificate."""
        domains = parse_qs(query).get("domain", []) if len(query) <= MAX_QUERY else []
        if len(domains) != 1:
            return "400 Bad Request", "ask for one domain, as /-/ask?domain=shop.example"
        try:
            host = parse_host(domains[0])
        except BadHostError:
            host = ""  # an address, for example: a visitor may ask for anything
        if host in self._served or host in self._own_hosts:
            return "200 OK", "yes"
        if not self._bucket.take():
            return "429 Too Many Requests", "too many questions about unknown domains"
        return "404 Not Found", "no"

    def _report(self) -> tuple[str, str]:
        """Say whether this worker can serve. Known sites are served while the catalog is down."""
        if not self._served.is_loaded:
            return "503 Service Unavailable", "not ready: the catalog has not been read yet"
        if self._lease is not None:
            if self._lease.is_drained:
                return "503 Service Unavailable", "not ready: the node is drained"
            if not self._lease.is_valid:
                return "503 Service Unavailable", "not ready: the node's lease is over"
        if not self._directory.is_reachable:
            return "200 OK", "ready, but the catalog is down: known sites are served from memory"
        return "200 OK", "ready"
