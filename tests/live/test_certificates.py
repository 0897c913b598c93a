"""`tenantry certificates` with a real authority (Pebble), behind the shipped nginx.conf."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tests.live.edge import DOMAIN, Edge, make_certificate, need
from tests.live.odd import OddServer
from tests.live.server import free_port, until
from tests.live.wire import LOOPBACK, ask, connect
from tests.nameserver import NameServer

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOP, ELSEWHERE = "shop.example.org", "elsewhere.example.org"
TENANTRY = Path(sys.executable).with_name("tenantry")


@contextmanager
def pebble(folder: Path, *, resolver: NameServer, http_port: int) -> Iterator[tuple[str, Path]]:
    """Run an authority that checks domains at *http_port*; yield its directory and certificate."""
    program, port = need("pebble"), free_port()
    certificate = make_certificate(folder, "localhost")
    (folder / "pebble.json").write_text(
        json.dumps(
            {
                "pebble": {
                    "listenAddress": f"{LOOPBACK}:{port}",
                    "managementListenAddress": f"{LOOPBACK}:{free_port()}",
                    "certificate": str(certificate),
                    "privateKey": str(folder / "privkey.pem"),
                    "httpPort": http_port,
                    "tlsPort": free_port(),
                }
            }
        )
    )
    with (folder / "pebble.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-config", folder / "pebble.json", "-dnsserver", resolver.text],
            env={
                **os.environ,
                "PEBBLE_VA_NOSLEEP": "1",
                "PEBBLE_WFE_NONCEREJECT": "0",
                # A domain that was proved is not asked again, as at other authorities.
                "PEBBLE_AUTHZREUSE": "100",
            },
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: is_open(port), why="Pebble listens")
        yield f"https://localhost:{port}/dir", certificate
    finally:
        process.kill()
        process.wait(10)


def is_open(port: int) -> bool:
    """Say whether something listens there."""
    try:
        connect(port).close()
    except OSError:
        return False
    return True


def issuer_of(edge: Edge, host: str) -> str:
    """Return who has signed the certificate that a visitor of *host* is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(connect(edge.port), server_hostname=host) as peer:
        found = peer.getpeercert(binary_form=True)
    from cryptography import x509

    assert found is not None
    return x509.load_der_x509_certificate(found).issuer.rfc4514_string()


def test_verified_domains_get_certificates(folder: Path) -> None:
    """A domain opens over HTTPS, one that leads elsewhere is told and stops no other one."""
    base = Path(tempfile.mkdtemp(prefix="certificates-", dir=folder))
    base.chmod(0o711)
    env = {"TENANTRY_DOMAIN": DOMAIN, "TENANTRY_SOCKET": str(base / "app.sock")}
    (base / "authority").mkdir()
    with (
        NameServer({(SHOP, "A"): [LOOPBACK], (ELSEWHERE, "A"): ["127.0.0.9"]}) as resolver,
        OddServer.prepare(base / "odd", ("acme",), env=env) as server,
        Edge("nginx.conf", base, upstream=env["TENANTRY_SOCKET"]) as edge,
        pebble(base / "authority", resolver=resolver, http_port=edge.plain_port) as (url, root),
    ):
        tenant = server.catalog.tenants.get("acme")
        for host in (SHOP, ELSEWHERE):
            server.catalog.hosts.add(tenant.id, host, proof="operator", by=SYSTEM)
        into = base / "certificates"
        words = [str(TENANTRY), "certificates", "--directory", url, "--into", str(into)]

        def run(*more: str) -> subprocess.CompletedProcess[str]:
            trusting = {**server.environment, "REQUESTS_CA_BUNDLE": str(root)}
            return subprocess.run(
                [*words, *more],
                env=trusting,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )

        done = run("--dry-run")
        assert "2 domains, 2 certificates are due." in done.stdout, done.stderr
        assert ask(edge.plain_port, SHOP, "/facts").get("Location") == f"https://{SHOP}/facts"
        with pytest.raises((ssl.SSLError, OSError)):
            issuer_of(edge, SHOP)

        done = run()
        assert done.stdout == f"{SHOP}: {into / SHOP}.pem\n", done.stderr
        assert f"There is no certificate for {ELSEWHERE}: " in done.stderr
        assert "1 of 2 certificates could not be had." in done.stderr
        assert done.returncode == 1
        assert (into / f"{SHOP}.pem").stat().st_mode & 0o777 == 0o640
        assert list(server.settings.acme_dir.iterdir()) == []
        assert "Pebble" in issuer_of(edge, SHOP)
        with pytest.raises((ssl.SSLError, OSError)):
            issuer_of(edge, ELSEWHERE)

        server.catalog.hosts.remove(tenant.id, ELSEWHERE, by=SYSTEM)
        assert run().stdout == "1 domains, 0 certificates are due.\n"
        (into / f"{SHOP}.pem").write_text("no certificate")
        done = run()
        assert done.stdout == f"{SHOP}: {into / SHOP}.pem\n", done.stderr
        (into / f"{SHOP}.pem").unlink()
        stopped = f"https://localhost:{free_port()}/dir"
        done = run("--directory", stopped)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert done.stderr.startswith(f"Error: There is no certificate for {stopped}: ")
