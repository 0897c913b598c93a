"""``tenantry metrics``: the running workers' figures for Prometheus.

A program beside the server, which asks the workers' sockets. No request to a site can reach it, and it
answers while every thread of the server is busy.
"""

from __future__ import annotations

import socket
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from ipaddress import IPv4Address, IPv6Address, ip_address
from socketserver import TCPServer, ThreadingMixIn
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

import click

from tenantry.settings import get_settings
from tenantry.worker import survey
from tenantry.worker.exposition import CONTENT_TYPE, exposition

if TYPE_CHECKING:
    from pathlib import Path

IPAddress = IPv4Address | IPv6Address
IPV6 = 6
PATH = "/metrics"
MAX_THREADS = 4
"""More scrapers than that wait for their turn."""

READ_SECONDS = 5.0


def _address(
    _ctx: click.Context, _param: click.Parameter, value: str | None
) -> tuple[IPAddress, int] | None:
    """Read ``127.0.0.1:9101`` or ``[::1]:9101``."""
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    try:
        address, number = ip_address(host.strip("[]")), int(port)
    except ValueError:
        address, number = None, -1
    if address is None or number not in range(65536) or host.startswith("[") != (":" in host):
        raise click.BadParameter(
            f"{value!r} is not an address such as 127.0.0.1:9101 or [::1]:9101."
        )
    return address, number


@click.command()
@click.option(
    "--listen",
    callback=_address,
    metavar="ADDRESS:PORT",
    help="Serve them at /metrics until stopped, instead of printing them.",
)
@click.option(
    "--allow-remote",
    is_flag=True,
    help="Let --listen take an address that other machines reach; the figures name sites.",
)
def metrics(*, listen: tuple[IPAddress, int] | None, allow_remote: bool) -> None:
    """Print or serve the running workers' figures for Prometheus."""
    folder = get_settings().workers_dir
    if listen is None:
        click.echo(exposition(survey(folder)), nl=False)
        return
    address, port = listen
    if not (address.is_loopback or allow_remote):
        raise click.ClickException(
            f"{address} can be reached from other machines, and the figures name your sites; "
            "listen on 127.0.0.1, or add --allow-remote behind a firewall."
        )
    try:
        server = _Server(address, port, folder=folder)
    except OSError as error:
        raise click.ClickException(
            f"Cannot listen on {address}:{port}: {error.strerror}."
        ) from error
    with server:
        host = f"[{address}]" if address.version == IPV6 else address
        at = server.server_address[1]
        click.echo(f"Serving http://{host}:{at}{PATH} until Ctrl-C.", err=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


class _Server(ThreadingMixIn, TCPServer):
    """A few threads at most; who comes beyond waits in the kernel's queue."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 16

    def __init__(self, address: IPAddress, port: int, *, folder: Path) -> None:
        self.folder = folder
        self.address_family = socket.AF_INET6 if address.version == IPV6 else socket.AF_INET
        self._free = BoundedSemaphore(MAX_THREADS)
        super().__init__((str(address), port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._free.acquire()
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - its signature
        """Say what went wrong in a line; mostly the other side has left."""
        click.echo(f"{client_address[0]}: {sys.exc_info()[1]}", err=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = READ_SECONDS
    server_version = "tenantry"
    sys_version = ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != PATH:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        body = exposition(survey(self.server.folder))
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: a scraper comes every few seconds."""
