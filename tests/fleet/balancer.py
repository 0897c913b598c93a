"""The shipped files of a fleet at work: HAProxy in front, nginx on each node, mTLS in between."""

from __future__ import annotations

import os
import ssl
import subprocess
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from typing import TYPE_CHECKING, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.live.edge import DEPLOY, DOMAIN, NGINX, make_certificate, need
from tests.live.server import free_port, until
from tests.live.wire import DEADLINE, LOOPBACK, Answer, connect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.fleet.node import Node

TLS = "/etc/tenantry/tls"


class Authority:
    """The fleet's own authority, with what it has signed in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign("fleet", self._key, is_authority=True)
        (folder / "fleet-ca.pem").write_bytes(certificate)

    def issue(self, name: str, *, common_name: str) -> tuple[Path, Path]:
        """Write a certificate and its key; return the paths."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(common_name, key, is_authority=False)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        public_file, private_file = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        public_file.write_bytes(certificate + private)
        private_file.write_bytes(private)
        return public_file, private_file

    def _sign(self, name: str, key: ec.EllipticCurvePrivateKey, *, is_authority: bool) -> bytes:
        moment = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fleet")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(moment - timedelta(hours=1))
            .not_valid_after(moment + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)


class Balancer:
    """HAProxy as shipped, and nginx as shipped on each node; it ends with its block.

    :param folder: For certificates, configurations and logs.
    """

    def __init__(self, folder: Path, nodes: Sequence[Node]) -> None:
        self.folder = folder
        self.port = free_port()
        self.authority = Authority(folder)
        self.authority.issue("balancer", common_name="balancer")
        self._public = make_certificate(folder)
        self.node_ports = [(free_port(), free_port()) for _ in nodes]
        self._nodes = nodes
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with self._stack as stack:
            for number, node in enumerate(self._nodes, 1):
                stack.enter_context(self._running("nginx", self._configure_node(number, node)))
            stack.enter_context(self._running("haproxy", self._configure()))
            until(lambda: self.is_serving, why="the balancer serves")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def is_serving(self) -> bool:
        """Whether it finds a node."""
        try:
            return self.ask(f"acme.{DOMAIN}", "/-/health").status == 200
        except OSError:
            return False

    def ask(self, host: str, path: str = "/") -> Answer:
        """Send a request as a browser does."""
        context = ssl.create_default_context(cafile=str(self._public))
        connection = HTTPSConnection(host, self.port, timeout=DEADLINE)
        connection.sock = context.wrap_socket(connect(self.port), server_hostname=host)
        return _answer(connection, host, path)

    def ask_node(
        self, number: int, path: str, *, certificate: str = "", check: bool = False
    ) -> int:
        """Send a node's nginx a request with one of the fleet's certificates; return the status.

        :param check: At the port of the balancer's checks.
        """
        context = ssl.create_default_context(cafile=str(self.folder / "fleet-ca.pem"))
        context.check_hostname = False
        if certificate:
            context.load_cert_chain(self.folder / f"{certificate}.pem")
        port = self.node_ports[number][check]
        connection = HTTPSConnection(LOOPBACK, port, timeout=DEADLINE)
        connection.sock = context.wrap_socket(connect(port), server_hostname=LOOPBACK)
        return _answer(connection, f"acme.{DOMAIN}", path).status

    def _configure_node(self, number: int, node: Node) -> list[str]:
        folder = self.folder / f"nginx{number}"
        folder.mkdir()
        public, private = self.authority.issue(f"node{number}", common_name=f"web{number}")
        port, check_port = self.node_ports[number - 1]
        internal = node.settings.internal_address
        assert internal is not None
        site = folder / "site.conf"
        replacements = {
            "10.0.0.1:8443": f"{LOOPBACK}:{port}",
            "10.0.0.1:8444": f"{LOOPBACK}:{check_port}",
            "127.0.0.1:8001": f"{LOOPBACK}:{internal[1]}",
            f"{TLS}/node.pem": str(public),
            f"{TLS}/node.key": str(private),
            TLS: str(self.folder),
            "/run/tenantry/app.sock": node.settings.socket,
        }
        site.write_text(_replaced("nginx-node.conf", replacements))
        user = "user root;" if os.geteuid() == 0 else ""
        whole = folder / "whole.conf"
        whole.write_text(NGINX.format(folder=folder, user=user, site=site))
        return ["-p", str(folder), "-e", "stderr", "-c", str(whole)]

    def _configure(self) -> list[str]:
        replacements = {TLS: str(self.folder), "bind :443": f"bind {LOOPBACK}:{self.port}"}
        replacements["bind :80"] = f"bind {LOOPBACK}:{free_port()}"
        for number, (port, check_port) in enumerate(self.node_ports, 1):
            replacements[f"10.0.0.{number}:8443 check port 8444"] = (
                f"{LOOPBACK}:{port} check port {check_port}"
            )
            replacements[f"10.0.0.{number}:8443"] = f"{LOOPBACK}:{port}"
        config = self.folder / "haproxy.cfg"
        config.write_text(_replaced("haproxy-fleet.cfg", replacements))
        return ["-db", "-f", str(config)]

    @contextmanager
    def _running(self, program: str, arguments: list[str]) -> Iterator[None]:
        with (self.folder / f"{program}.log").open("ab") as log:
            process = subprocess.Popen(
                [need(program), *arguments], stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait(DEADLINE)


def _replaced(name: str, replacements: dict[str, str]) -> str:
    text = (DEPLOY / name).read_text()
    for old, new in replacements.items():
        assert old in text, f"{old} is not in {name}"
        text = text.replace(old, new)
    return text


def _answer(connection: HTTPSConnection, host: str, path: str) -> Answer:
    try:
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()
