"""Hosts name sites: the three example tenants, the apex and /backend on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import tenants
from tests.live.server import SITES

if TYPE_CHECKING:
    from tests.live.server import Server


@pytest.mark.parametrize("slug", SITES)
def test_each_host_shows_its_own_site(server: Server, slug: str) -> None:
    """A subdomain shows its tenant's site under its own name, and no neighbour's."""
    answer = server.site(slug)
    assert answer.status == 200
    assert f"<title>{tenants.DEMONSTRATIONS[slug]['name']}</title>" in answer.text
    for other in set(SITES) - {slug}:
        assert tenants.DEMONSTRATIONS[other]["name"] not in answer.text


@pytest.mark.parametrize("path", ["/theme.css", "/feed.xml", "/favicon.svg", "/members/sign-in"])
def test_a_sites_own_files_are_served(server: Server, path: str) -> None:
    """Stylesheet, feed, icon and sign-in page of a site are there."""
    assert server.site("acme", path).status == 200


def test_the_apex_is_the_front_page(server: Server) -> None:
    """The platform's own domain shows the front page and the public sites."""
    answer = server.ask("localhost")
    assert answer.status == 200
    for slug in SITES:
        assert f"http://{slug}.localhost:{server.port}/" in answer.text


def test_www_leads_to_the_apex(server: Server) -> None:
    """``www`` is not a site but another name of the apex."""
    answer = server.ask("www.localhost", "/anything")
    assert answer.status == 308
    assert answer.get("Location") == f"http://localhost:{server.port}/"


@pytest.mark.parametrize("host", ["localhost", "acme.localhost"])
def test_backend_answers_on_both_kinds_of_host(server: Server, host: str) -> None:
    """``/backend`` is the admin app on the apex and on a tenant's host, closed to strangers."""
    answer = server.ask(host, "/backend/", headers={"Accept": "text/html"})
    assert answer.status in {302, 303}
    assert answer.get("Location").startswith(f"http://localhost:{server.port}/signin?")
    assert "next=%2Fbackend%2F" in answer.get("Location")


def test_a_path_that_only_begins_like_the_backend_is_the_sites(server: Server) -> None:
    """``/backendish`` is a path of the site: mounts end at a slash."""
    answer = server.site("acme", "/backendish")
    assert answer.status == 404
    assert "Acme Workshop" in answer.text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("nobody.localhost", 404, id="free-name"),
        pytest.param("a.acme.localhost", 404, id="below-a-site"),
        pytest.param("acmelocalhost", 421, id="no-label-border"),
        pytest.param("acme.localhost.evil.test", 421, id="foreign"),
    ],
)
def test_nobodys_hosts_show_no_site(server: Server, host: str, status: int) -> None:
    """Law 2: a host that is not exactly a tenant's shows no tenant's page."""
    answer = server.ask(host)
    assert answer.status == status
    assert "Acme Workshop" not in answer.text


@pytest.mark.parametrize("host", ["acme.localhost", "localhost", "nobody.localhost", "evil.test"])
def test_shared_assets_are_on_every_host(server: Server, host: str) -> None:
    """Pages of the front door are dressed wherever they are shown."""
    answer = server.ask(host, "/-/assets/tenantry.css")
    assert answer.status == 200
    assert answer.get("Content-Type").startswith("text/css")


@pytest.mark.parametrize("host", ["acme.localhost", "10.0.0.1", "", "evil.test", "a b"])
def test_health_says_ok_and_nothing_more(server: Server, host: str) -> None:
    """A balancer may ask any host how the process is, and learns nothing else."""
    answer = server.ask(host, "/-/health")
    assert (answer.status, answer.body) == (200, b"ok\n")


@pytest.mark.parametrize("path", ["/-/ready", "/-/metrics", "/-/ask", "/-/", "/-/assets/"])
def test_internal_paths_are_no_ones_business(server: Server, path: str) -> None:
    """What is for the operator's network is not reached through a tenant's host."""
    assert server.site("acme", path).status == 404
