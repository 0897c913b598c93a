"""Path routing on a real server: a site below ``/sites/<slug>/`` is whole, and confined to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.live.member import Visitor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import NewServer
    from tests.live.server import Server
    from tests.live.wire import Answer

MOUNT = "/sites/acme"
BACKEND = "console.localhost"


@pytest.fixture(scope="module", params=["both", "path"])
def path_server(request: pytest.FixtureRequest, new_module_server: NewServer) -> Iterator[Server]:
    """Return a server with path routing, alone and beside subdomains."""
    env = {"TENANTRY_ROUTING": request.param, "TENANTRY_BACKEND_HOST": BACKEND}
    with new_module_server(env=env) as running:
        yield running


def links(answer: Answer) -> set[str]:
    """Return every address that a page refers to on its own host."""
    found = re.findall(r'(?:href|src|action)="([^"#]*)', answer.text)
    return {link for link in found if link.startswith("/")}


@pytest.mark.parametrize("path", ["/", "/members/sign-in", "/members/sign-up"])
def test_every_link_stays_below_the_mount(path_server: Server, path: str) -> None:
    """A page of a mounted site links only below its mount, and to the shared assets."""
    answer = path_server.ask("localhost", MOUNT + path)
    assert answer.status == 200
    assert "Acme Workshop" in answer.text
    found = links(answer)
    assert f"{MOUNT}/theme.css" in {link.partition("?")[0] for link in found}
    for link in found:
        assert link.startswith((f"{MOUNT}/", "/-/assets/")), link


def test_every_link_leads_somewhere(path_server: Server) -> None:
    """Pages, posts, stylesheet, icon and feed of a mounted site are where its pages say."""
    front = path_server.ask("localhost", f"{MOUNT}/")
    posts = {link for link in links(front) if "/posts/" in link}
    assert posts
    for link in links(front):
        assert path_server.ask("localhost", link).status in {200, 303}, link


def test_a_mount_without_its_slash_is_completed(path_server: Server) -> None:
    """``/sites/acme`` redirects to ``/sites/acme/``, or relative links would miss the site."""
    answer = path_server.ask("localhost", f"{MOUNT}?page=2")
    assert (answer.status, answer.get("Location")) == (308, f"{MOUNT}/?page=2")


def test_the_feed_names_public_addresses(path_server: Server) -> None:
    """The feed's links are the site's canonical ones, which answer."""
    feed = path_server.ask("localhost", f"{MOUNT}/feed.xml")
    assert feed.status == 200
    origin = r"http://([a-z.]+):" + str(path_server.port)
    found = re.findall(rf'href="{origin}([^"]*)"', feed.text)
    assert found
    for host, path in found:
        assert path_server.ask(host, path).status == 200, (host, path)


def test_signing_up_and_in_stays_on_the_mount(path_server: Server) -> None:
    """Sign-up, sign-in and their redirects work below a mount; the session is confined to it."""
    visitor = Visitor(path_server, "acme", host="localhost", mount=MOUNT)
    after = visitor.join()
    assert after.get("Location") == f"{MOUNT}/"
    tenant = path_server.catalog.tenants.get("acme")
    cookies = after.headers.get_all("Set-Cookie", [])
    assert any(cookie.startswith(f"session_{tenant.id}=") for cookie in cookies)
    for cookie in cookies:
        assert f"Path={MOUNT}/" in re.split(r";\s*", cookie)
        assert "domain=" not in cookie.lower()
    assert visitor.get("/members/me").status == 200
    # The same cookie, sent to the neighbour on the same origin, opens nothing.
    neighbour = Visitor(path_server, "globex", host="localhost", mount="/sites/globex")
    neighbour.cookies = visitor.cookies
    assert neighbour.get("/members/me").status in {302, 303, 401, 403}


@pytest.mark.parametrize(
    "path", ["/sites/acme%2Fx", "//sites/acme/", "/sites//acme/", "/sites/globex%2f..%2facme/"]
)
def test_odd_spellings_select_no_neighbour(path_server: Server, path: str) -> None:
    """R11: a spelling that is not ``/sites/<slug>/...`` never shows a site's front page."""
    answer = path_server.ask("localhost", path)
    assert answer.status in {400, 404}


def test_the_backend_has_its_own_host(path_server: Server) -> None:
    """R21: with path routing ``/backend`` leaves the sites' origin, whatever the path there."""
    answer = path_server.ask("localhost", "/backend/")
    assert answer.status == 308
    assert answer.get("Location") == f"http://{BACKEND}:{path_server.port}/backend/"
    assert path_server.ask("localhost", f"{MOUNT}/backend/").status == 404
    answer = path_server.ask(BACKEND, "/backend/", headers={"Accept": "text/html"})
    assert answer.status in {200, 302, 303}
    assert path_server.ask(BACKEND, "/").get("Location").endswith("/backend/")


def test_hosts_name_sites_only_where_they_should(path_server: Server) -> None:
    """With ``both`` a site's subdomain shows it too; with ``path`` no subdomain names a site."""
    both = path_server.environment["TENANTRY_ROUTING"] == "both"
    assert path_server.site("acme").status == (200 if both else 404)


def test_a_suspended_site_is_closed_on_its_path(path_server: Server) -> None:
    """A state counts wherever the site is reached, at once, and only for itself."""
    from tenantry.catalog import SYSTEM
    from tenantry.lifecycle import Operations

    operations = Operations(path_server.catalog, settings=path_server.settings, actor=SYSTEM)
    operations.suspend("initech")
    assert path_server.ask("localhost", "/sites/initech/").status == 403
    assert path_server.ask("localhost", f"{MOUNT}/").status == 200
    operations.resume("initech")
    assert path_server.ask("localhost", "/sites/initech/").status == 200


def test_path_routing_wants_a_host_for_the_backend(new_server: NewServer) -> None:
    """R21: without a host of its own for ``/backend`` the server refuses to start, and says why."""
    server = new_server(env={"TENANTRY_ROUTING": "path"})
    with pytest.raises(AssertionError, match="TENANTRY_BACKEND_HOST"):
        server.start()
