"""An owner brings a domain, with nothing but what is written on the page, and opens it over HTTPS."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Error, expect

from tenantry.catalog import SYSTEM
from tests.live.browser.conftest import ARGUMENTS, PATIENCE
from tests.live.browser.person import PASSWORD, Person
from tests.live.edge import DOMAIN, Edge
from tests.live.server import free_port, until
from tests.nameserver import NameServer
from tests.tenantry.lifecycle.test_host_checks import set_back

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Playwright, Request

    from tests.live.browser.conftest import NewPerson
    from tests.live.conftest import NewServer
    from tests.live.server import Server

SHOP = "shop.example.org"
OWNER = "owner@acme.test"
TARGET = "203.0.113.7"


@pytest.fixture
def resolver() -> Iterator[NameServer]:
    """Return a resolver that knows nothing."""
    with NameServer() as server:
        yield server


@pytest.fixture
def environment(resolver: NameServer) -> dict[str, str]:
    """Return the settings of a platform that asks this resolver."""
    return {
        "TENANTRY_DNS_RESOLVERS": resolver.text,
        "TENANTRY_DNS_TARGETS": f"sites.example.com, {TARGET}",
    }


def let_owner_in(server: Server) -> None:
    """Give Acme's owner a password."""
    owner = server.catalog.accounts.find(OWNER)
    assert owner is not None
    server.catalog.accounts.set_password(owner.id, PASSWORD, by=SYSTEM)


def bring(owner: Person, server: Server, resolver: NameServer, *, looks: bool) -> None:
    """Add a domain, set its records as the page says, check them, and choose it."""
    owner.enter_backend(OWNER, slug="acme")
    owner.menu().get_by_role("link", name="Domains").click()
    owner.sees("Domains")
    owner.fill("Domain", SHOP)
    owner.page.get_by_label("Domain", exact=True).press("Enter")
    owner.is_told(f"{SHOP} is not verified yet. There is no TXT record _tenantry.{SHOP}.")
    if looks:
        owner.look("site-backend-domains-pending")
    (host,) = server.catalog.hosts.list()
    records = owner.page.get_by_role("region", name=f"The record that proves it of {SHOP}")
    expect(records).to_contain_text(host.token)
    resolver.records[f"_tenantry.{SHOP}", "TXT"] = [host.token]
    resolver.records[SHOP, "A"] = [TARGET]
    set_back(server.catalog, checked_at=timedelta(minutes=1))
    owner.click(f"Check now {SHOP}")
    owner.is_told(f"{SHOP} is verified: the site answers there.")
    owner.click(f"Make primary {SHOP}")
    owner.is_told(f"The site's other addresses redirect to {SHOP} now.")
    expect(owner.page.get_by_text("Primary domain", exact=True)).to_be_visible()
    if looks:
        owner.look("site-backend-domains-verified")


def test_an_owner_brings_a_domain_without_scripts(
    new_server: NewServer, environment: dict[str, str], resolver: NameServer, new_person: NewPerson
) -> None:
    """Add, set the records, check, choose, remove: each is a form, and asks on a page of its own."""
    with new_server(env=environment) as server:
        let_owner_in(server)
        owner = new_person(server=server, java_script_enabled=False)
        bring(owner, server, resolver, looks=False)
        owner.click("End all redirects")
        owner.is_told("The site answers on each of its addresses now.")
        owner.click(f"Remove {SHOP}")
        owner.click("Remove")
        owner.is_told(f"{SHOP} is removed.")
        assert server.catalog.hosts.list() == ()


class SecurePerson(Person):
    """A browser that finds all hosts at Caddy, as the net's name servers would have it."""

    def address(self, slug: str = "", path: str = "/") -> str:
        """Return the address of a page over HTTPS."""
        return f"https://{slug}.{DOMAIN}{path}" if slug else f"https://{DOMAIN}{path}"

    def _watch(self, request: Request) -> None:
        host = request.url.partition("://")[2].partition("/")[0]
        if host not in {SHOP, DOMAIN, f"acme.{DOMAIN}", "unknown.example.net"}:
            self.strangers.append(request.url)


@pytest.fixture
def secure(
    new_server: NewServer, environment: dict[str, str], folder: Path
) -> Iterator[tuple[Server, Edge]]:
    """Return the example sites behind the shipped Caddyfile."""
    internal = free_port()
    env = environment | {
        "TENANTRY_DOMAIN": DOMAIN,
        "TENANTRY_BASE_URL": f"https://{DOMAIN}",
        "TENANTRY_TRUSTED_PROXIES": "1",
        "TENANTRY_INTERNAL_LISTEN": f"127.0.0.1:{internal}",
    }
    base = Path(tempfile.mkdtemp(prefix="caddy-", dir=folder))
    with new_server(env=env) as server:
        let_owner_in(server)
        with Edge("Caddyfile", base, upstream=server.port, internal=internal) as edge:
            until(edge.authority.exists, why="Caddy has its own authority")
            yield server, edge


def pin_of(certificate: Path) -> str:
    """Return what Chromium knows a certificate's key by."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


@pytest.fixture
def owner(
    secure: tuple[Server, Edge], playwright: Playwright, chromium: str
) -> Iterator[SecurePerson]:
    """Return a browser that trusts Caddy's authority and the platform's certificate alone."""
    _, edge = secure
    trusted = (edge.authority.with_name("intermediate.crt"), edge.folder / "fullchain.pem")
    rules = f"MAP *:443 127.0.0.1:{edge.port}, MAP *:80 127.0.0.1:{edge.plain_port}"
    options = (
        f"--host-resolver-rules={rules}",
        f"--ignore-certificate-errors-spki-list={','.join(pin_of(it) for it in trusted)}",
    )
    browser = playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS, *options])
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    person = SecurePerson(context, edge.port)
    yield person
    browser.close()
    assert person.strangers == []


def test_a_domain_opens_over_https(
    secure: tuple[Server, Edge], owner: SecurePerson, resolver: NameServer
) -> None:
    """Brought, proved, chosen: Caddy gets its certificate, the other addresses lead there."""
    server, _ = secure
    bring(owner, server, resolver, looks=True)
    for address in (f"https://{SHOP}/", f"http://{SHOP}/", owner.address("acme")):
        answer = owner.page.goto(address)
        assert answer is not None
        assert (answer.status, owner.page.url) == (200, f"https://{SHOP}/")
    assert answer is not None
    security = answer.security_details()
    assert security is not None
    assert "Caddy Local Authority" in (security["issuer"] or "")
    assert "max-age=" in answer.headers["strict-transport-security"]

    owner.click("Join", role="link")
    owner.fill("Name", "Ada")
    owner.fill("E-mail address", "ada@example.org")
    owner.fill("Password", PASSWORD)
    owner.click("Join")
    owner.sign_in("ada@example.org")
    expect(owner.menu().get_by_role("link", name="Ada")).to_be_visible()
    cookies = [it for it in owner.context.cookies(f"https://{SHOP}/") if it["httpOnly"]]
    found = {(it["name"][:7], it["secure"], it["domain"]) for it in cookies}
    assert found == {("__Host-", True, SHOP)}
    assert owner.complaints() == []

    with pytest.raises(Error, match="ERR_SSL"):
        owner.page.goto("https://unknown.example.net/")
