"""Which app a host leads to."""

from __future__ import annotations

from html import unescape
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tenantry.errors import BadSlugError
from tenantry.values.slugs import judge_name
from tenantry.values.tenant import TenantState
from tests.conftest import DOMAIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.values.tenant import Tenant
    from tests.tenantry.door import Door

    MakeDoor = Callable[..., Door]


@pytest.mark.parametrize(
    ("host", "text"),
    [
        pytest.param(DOMAIN, "front||/a", id="apex"),
        pytest.param(f"{DOMAIN.upper()}.:80", "front||/a", id="apex, another spelling"),
        pytest.param(f"acme.{DOMAIN}", "site acme||/a", id="subdomain"),
        pytest.param(f"ACME.{DOMAIN}.:8000", "site acme||/a", id="subdomain, another spelling"),
        pytest.param("www.acme.org", "site acme||/a", id="custom host"),
    ],
)
def test_a_host_leads_to_its_app(door: Door, host: str, text: str) -> None:
    """R1: Host alone, in any spelling, decides whose app answers."""
    answer = door.ask("/a", host=host)

    assert (answer.status, answer.text) == (200, text)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param(f"acme{DOMAIN}", 421, id="no label border"),
        pytest.param(f"acme.{DOMAIN}.evil.org", 421, id="ours in front"),
        pytest.param("acme.org", 421, id="parent of a custom host"),
        pytest.param("a.www.acme.org", 421, id="below a custom host"),
        pytest.param("acme", 421, id="a slug alone"),
        pytest.param(f"a.acme.{DOMAIN}", 404, id="two labels deep"),
        pytest.param(f"acme.acme.{DOMAIN}", 404, id="two labels deep, both a slug"),
        pytest.param("127.0.0.1", 400, id="address"),
        pytest.param("acme.example.test, evil", 400, id="two hosts"),
        pytest.param("", 400, id="empty"),
        pytest.param(None, 400, id="missing"),
        pytest.param(f"acme_.{DOMAIN}", 400, id="underscore"),
        pytest.param("<script>alert(1)</script>", 400, id="markup"),
    ],
)
def test_what_nobody_owns_reaches_nobody(door: Door, host: str | None, status: int) -> None:
    """Law 1, 2, R6, R28: no tenant in reach is an error; nothing is built, redirected or echoed."""
    answer = door.ask(environ={"HTTP_HOST": host})

    assert answer.status == status
    assert "location" not in answer.headers
    assert "<script>alert" not in answer.text
    assert door.built == []
    assert door.seen == []


def test_a_free_name_is_the_front_apps(door: Door) -> None:
    """An unknown subdomain gets the front app with the name that could be claimed."""
    assert door.ask("/any/path", "bolt").text == "front||/any/path"
    assert door.seen[0]["tenantry.unknown_slug"] == "bolt"
    assert "tenantry.tenant" not in door.seen[0]
    assert door.built == []

    door.ask("/")
    assert "tenantry.unknown_slug" not in door.seen[1]
    door.add("bolt")
    assert door.ask("/", "bolt").text == "site bolt||/"


def test_a_name_of_two_labels_is_not_offered(door: Door) -> None:
    """Nobody can have it: the page says what a site's name is, in the words of the command."""
    answer = door.ask("/", "a.b")
    assert answer.status == 404
    assert judge_name("a.b").problem in unescape(answer.text)
    assert "is free" not in answer.text
    with pytest.raises(BadSlugError, match="one word before the domain"):
        door.catalog.names.check("a.b")


def test_www_leads_to_the_apex(door: Door) -> None:
    """The name that people type in front of a domain is a redirect, never a tenant."""
    answer = door.ask("/a?b=c", "www")

    assert (answer.status, answer.headers["location"]) == (308, f"http://{DOMAIN}/")
    assert answer.body == b""


def test_the_app_sees_its_tenant_and_canonical_host(door: Door) -> None:
    """Apps read whose they are from the environ; a header of that name means nothing."""
    door.ask("/", "acme", headers={"Tenantry-Tenant": "bolt", "Tenantry.Tenant": "bolt"})
    (environ,) = door.seen

    assert environ["tenantry.tenant"].slug == "acme"
    assert environ["tenantry.host"] == f"acme.{DOMAIN}"
    assert len(environ["tenantry.request_id"]) >= 8
    assert environ["SCRIPT_NAME"] == ""


def test_paths_name_tenants_only_where_that_is_on(make_door: MakeDoor) -> None:
    """With path routing alone, no host but the platform's own leads anywhere."""
    door = make_door(routing="path", allow_shared_origin=True)
    door.add("acme", hosts=("www.acme.org",))

    assert door.ask("/", "acme").status == 404
    assert door.ask(host="www.acme.org").status == 421
    assert door.ask("/sites/acme/").text == "site acme|/sites/acme|/"


def test_a_change_is_seen_by_the_next_request(door: Door) -> None:
    """Law 7: suspended, resumed, renamed: whatever was committed is what is answered."""
    assert door.ask("/", "acme").status == 200
    tenant = door.catalog.tenants.get("acme")
    door.catalog.tenants.transition(tenant.id, TenantState.SUSPENDED, by=SYSTEM)
    assert door.ask("/", "acme").status == 403
    door.catalog.tenants.transition(tenant.id, TenantState.ACTIVE, by=SYSTEM)
    assert door.ask("/", "acme").status == 200
    door.catalog.hosts.remove(tenant.id, "www.acme.org", by=SYSTEM)
    assert door.ask(host="www.acme.org").status == 421


@pytest.mark.parametrize("host", [f"acme.{DOMAIN}", "www.acme.org"])
def test_cookies_do_not_reach_siblings(make_door: MakeDoor, host: str) -> None:
    """Law 9: a cookie for the whole domain would be sent to every other site; the rest stays."""

    def build(_tenant: Tenant) -> WSGIApplication:
        def app(_environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
            headers = [
                ("Set-Cookie", f"wide=1; Domain=.{DOMAIN}; Path=/; HttpOnly"),
                ("set-cookie", f"odd=domain; DOMAIN = {DOMAIN} ;Secure"),
                ("Set-Cookie", "own=1; Path=/here; SameSite=Lax"),
            ]
            start_response("200 OK", headers)
            return [b"ok"]

        return app

    door = make_door(build=build)
    door.add("acme", hosts=("www.acme.org",))
    assert door.ask("/", host=host).cookies == (
        "wide=1; Path=/; HttpOnly",
        "odd=domain; Secure",
        "own=1; Path=/here; SameSite=Lax",
    )
