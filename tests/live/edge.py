"""The shipped files of ``deploy/`` at work: a real proxy with TLS in front of a real server.

Only what each file says is to be replaced is replaced: paths, addresses and, because the tests own no
privileged ports, the ports.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from typing import TYPE_CHECKING, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.live.server import ROOT, free_port, until
from tests.live.wire import DEADLINE, LOOPBACK, Answer, connect

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

DEPLOY = ROOT / "deploy"
DOMAIN = "example.com"
PROGRAMS = {
    "nginx.conf": "nginx",
    "nginx-http.conf": "nginx",
    "Caddyfile": "caddy",
    "haproxy.cfg": "haproxy",
}
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
worker_processes 1;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    uwsgi_temp_path {folder}/uwsgi;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    include {site};
}}
"""
"""What a distribution's nginx.conf does: it includes the site's file."""


def need(program: str) -> str:
    """Return the program's path, or skip; CI has them all."""
    if (path := shutil.which(program)) is not None:
        return path
    sentence = f"{program} is not installed; `make system` installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{sentence}, and CI must not skip it")
    pytest.skip(sentence)


def version_of(program: str) -> tuple[int, ...]:
    """Return major and minor version of Caddy."""
    told = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in told.strip().lstrip("v").split(" ")[0].split(".")[:2])


class Edge:
    """A proxy that runs one of the shipped files.

    :param name: The file in ``deploy/``.
    :param upstream: ``TENANTRY_SOCKET``, or the port of the HTTP listener.
    :param internal: The port of the internal listener, if there is one.
    """

    def __init__(
        self, name: str, folder: Path, *, upstream: str | int, internal: int | None = None
    ) -> None:
        self.name = name
        self.folder = folder
        self._program = need(PROGRAMS[name])
        self.plain_port = free_port()
        self.port = free_port()
        self.log_file = folder / "edge.log"
        self._certificate = make_certificate(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._config = self._write_config(upstream, internal or free_port())

    def _write_config(self, upstream: str | int, internal: int) -> Path:
        text = (DEPLOY / self.name).read_text()
        replacements = {
            "/run/tenantry/app.sock": str(upstream),
            "127.0.0.1:8000": f"{LOOPBACK}:{upstream}",
            "127.0.0.1:8001/-/ask": f"{LOOPBACK}:{internal}/-/ask",
            "/etc/tenantry/tls": str(self.folder),
            "/var/lib/tenantry-certificates": str(self.folder / "certificates"),
            "listen 80": f"listen {LOOPBACK}:{self.plain_port}",
            "listen 443": f"listen {LOOPBACK}:{self.port}",
            "bind :80": f"bind {LOOPBACK}:{self.plain_port}",
            "bind :443": f"bind {LOOPBACK}:{self.port}",
            "\tadmin off\n": f"\tadmin off\n\thttp_port {self.plain_port}\n"
            f"\thttps_port {self.port}\n\tdefault_bind {LOOPBACK}\n"
            # Caddy's own authority stands for the one of the Internet.
            "\tlocal_certs\n\tskip_install_trust\n",
        }
        for old, new in replacements.items():
            text = text.replace(old, new)
        if self._program.endswith("caddy") and version_of(self._program) < (2, 7):
            older = "buffer_requests\n\t\tmax_buffer_size 1048576"
            text = text.replace("\trequest_buffers 1MiB", f"\t{older}")
        config = self.folder / self.name
        config.write_text(text)
        if self._program.endswith("nginx"):
            user = "user root;" if os.geteuid() == 0 else ""
            whole = NGINX.format(folder=self.folder, user=user, site=config)
            config = self.folder / "whole.conf"
            config.write_text(whole)
        return config

    def _command(self) -> list[str]:
        config = str(self._config)
        if self._program.endswith("nginx"):
            return [self._program, "-p", str(self.folder), "-e", "stderr", "-c", config]
        if self._program.endswith("caddy"):
            return [self._program, "run", "--config", config, "--adapter", "caddyfile"]
        return [self._program, "-db", "-f", config]

    def __enter__(self) -> Self:
        # Caddy keeps its state in the home folder.
        env = {**os.environ, "HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder)}
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(), stdout=log, stderr=log, env=env, start_new_session=True
            )
        try:
            until(self._serves, why=f"{self.name} serves")
        except AssertionError:
            self.end()
            pytest.fail(f"{self.name} does not serve:\n{self.log_file.read_text()[-3000:]}")
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _serves(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "it ended"
        try:
            return self.ask(f"acme.{DOMAIN}", "/-/health").status == 200
        except OSError:
            return False

    def end(self) -> None:
        """End the proxy."""
        if self._process is None:
            return
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)
        self._process.wait(DEADLINE)

    # --- talking to it --------------------------------------------------------------------------

    @property
    def authority(self) -> Path:
        """The certificate of Caddy's own authority."""
        return self.folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"

    def tls(self, host: str) -> ssl.SSLSocket:
        """Return an open TLS connection to *host*."""
        context = ssl.create_default_context(cafile=str(self._certificate))
        if self.authority.exists():
            context.load_verify_locations(str(self.authority))
        return context.wrap_socket(connect(self.port), server_hostname=host)

    def ask(
        self,
        host: str,
        path: str = "/",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Answer:
        """Send a request over HTTPS, verified as a browser does."""
        connection = HTTPSConnection(host, self.port, timeout=DEADLINE)
        connection.sock = self.tls(host)
        try:
            sent = {"Host": host, **(headers or {})}
            connection.request(method, path, headers=sent, body=body)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def exchange(self, host: str, request: bytes) -> bytes:
        """Send bytes over TLS, then nothing more, and return what comes back."""
        received = bytearray()
        with self.tls(host) as peer:
            with suppress(OSError):
                peer.sendall(request)
                peer.settimeout(15)
                while data := peer.recv(65536):
                    received += data
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        return bytes(received)


def make_certificate(folder: Path, domain: str = DOMAIN) -> Path:
    """Make a self-signed certificate for a domain and its subdomains, in three files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domain)])
    alternative = x509.SubjectAlternativeName([x509.DNSName(domain), x509.DNSName(f"*.{domain}")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "fullchain.pem").write_bytes(public)
    (folder / "privkey.pem").write_bytes(private)
    (folder / "site.pem").write_bytes(public + private)
    return folder / "fullchain.pem"
