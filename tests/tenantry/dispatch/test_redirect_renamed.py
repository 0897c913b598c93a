"""From a tenant's former address to the one that it has now, and never anywhere else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from flask import Flask, session

from tenantry import init_tenant
from tenantry.catalog import SYSTEM
from tenantry.errors import NameHeldError
from tenantry.values.tenant import Tenant, TenantState
from tests.conftest import DOMAIN
from tests.tenantry.support import make_environ, send

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.tenantry.door import Door

    MakeDoor = Callable[..., Door]

DAY = timedelta(days=1)


def rename(door: Door, slug: str, new: str, *, lasting: timedelta = DAY) -> None:
    until = datetime.now(UTC) + lasting
    tenant = door.catalog.tenants.get(slug)
    door.catalog.names.rename(tenant.id, new, redirects_until=until, by=SYSTEM)


@pytest.fixture
def renamed(door: Door) -> Door:
    """Return a door behind which acme is called bolt now, and was asked for before."""
    assert door.ask("/", "acme").status == 200
    rename(door, "acme", "bolt")
    return door


def test_the_old_host_leads_to_the_same_page_on_the_new_one(renamed: Door) -> None:
    """Law 7: from the next request on, with path and query; nobody keeps that answer."""
    for method in ("GET", "HEAD", "POST"):
        answer = renamed.ask("/a%20b/c?d=e&f=%2F", "acme", method=method)
        assert answer.status == 308
        assert answer.headers["location"] == f"http://bolt.{DOMAIN}/a%20b/c?d=e&f=%2F"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.body == b""
    assert renamed.ask("/a", "bolt").text == "site bolt||/a"


def test_custom_hosts_notice_nothing(renamed: Door) -> None:
    """Their address is their own."""
    assert renamed.ask("/a", host="www.acme.org").text == "site bolt||/a"


def test_every_former_name_leads_straight_to_the_present_one(renamed: Door) -> None:
    """a, then b, then c: from a and from b it is one step to c; and back again."""
    rename(renamed, "bolt", "coil")
    for slug in ("acme", "bolt"):
        assert renamed.ask("/", slug).headers["location"] == f"http://coil.{DOMAIN}/"
    rename(renamed, "coil", "acme")
    assert renamed.ask("/", "acme").status == 200
    for slug in ("bolt", "coil"):
        assert renamed.ask("/", slug).headers["location"] == f"http://acme.{DOMAIN}/"


def test_the_backend_of_the_site_moves_too(renamed: Door) -> None:
    """A bookmark of its owner goes on to work."""
    answer = renamed.ask("/backend/posts?page=2", "acme")
    assert answer.headers["location"] == f"http://bolt.{DOMAIN}/backend/posts?page=2"


def test_when_the_time_is_over_the_name_is_nobodys(door: Door) -> None:
    """The name is not offered to anybody, and leads nowhere; `create` refuses it in the same words."""
    rename(door, "acme", "bolt", lasting=-DAY)
    answer = door.ask("/", "acme")

    assert answer.status == 404
    assert "stays reserved" in answer.text
    assert "is free" not in answer.text
    with pytest.raises(NameHeldError, match="stays reserved"):
        door.catalog.names.check("acme")
    assert "location" not in answer.headers
    assert "bolt" not in answer.text
    assert door.seen == []


@pytest.mark.parametrize(
    ("state", "status"),
    [
        pytest.param(TenantState.SUSPENDED, 403, id="suspended"),
        pytest.param(TenantState.ARCHIVED, 410, id="archived"),
    ],
)
def test_the_new_host_says_what_the_matter_is(
    renamed: Door, state: TenantState, status: int
) -> None:
    """A former name tells nothing but the new one."""
    tenant = renamed.catalog.tenants.get("bolt")
    renamed.catalog.tenants.transition(tenant.id, state, by=SYSTEM)

    assert renamed.ask("/", "acme").status == 308
    assert renamed.ask("/", "bolt").status == status


def test_nobody_can_tell_a_purged_site_from_an_archived_one(door: Door) -> None:
    """R34: the pages differ in nothing but the request's number; its former name leads there."""
    tenant = door.catalog.tenants.get("acme")
    rename(door, "acme", "bolt")
    pages = []

    def look() -> None:
        environ = {"tenantry.request_id": None}
        answer = door.ask("/", "bolt", environ=environ)
        assert answer.status == 410
        pages.append(answer.text.replace(answer.headers.get("x-request-id", "?"), ""))

    door.catalog.tenants.transition(tenant.id, TenantState.ARCHIVED, by=SYSTEM)
    look()
    door.catalog.tenants.transition(tenant.id, TenantState.DELETED, by=SYSTEM)
    look()
    door.catalog.purges.begin(tenant.id, early=True, by=SYSTEM)
    door.catalog.purges.clear(tenant.id, by=SYSTEM)
    door.catalog.purges.finish(tenant.id, by=SYSTEM)
    look()

    assert len(set(pages)) == 1
    assert door.ask("/", "acme").status == 308
    assert door.ask(host="www.acme.org").status == 421


@pytest.mark.parametrize(
    "path",
    [
        "//evil.test/",
        "//evil.test/%2e%2e",
        "/@evil.test",
        "/:80@evil.test/",
        "/%3f%23@evil.test",
        "/\u00c3\u00a9",
        "/?http://evil.test",
        '/?a=b c\u00e9"<>',
        "/x?\u00e4",
    ],
)
def test_nothing_in_a_request_chooses_the_host(renamed: Door, path: str) -> None:
    """R12: whatever stands in path and query, the redirect stays on the tenant's host."""
    environ = make_environ("/", f"acme.{DOMAIN}")
    environ["PATH_INFO"], _, environ["QUERY_STRING"] = path.partition("?")
    answer = send(renamed.app, environ)

    assert answer.status == 308
    location = answer.headers["location"]
    assert location.isascii()
    assert not set(location) & set(' "<>\\')
    parts = urlsplit(location)
    assert (parts.scheme, parts.netloc) == ("http", f"bolt.{DOMAIN}")
    assert not parts.fragment


def test_a_host_with_another_spelling_or_port_leads_to_ours(make_door: MakeDoor) -> None:
    """R9: scheme and port are the platform's own, never the request's."""
    door = make_door(base_url=f"https://{DOMAIN}:8443")
    door.add("acme")
    rename(door, "acme", "bolt")
    answer = door.ask("/", host=f"ACME.{DOMAIN}.:99")

    assert answer.headers["location"] == f"https://bolt.{DOMAIN}:8443/"


@pytest.mark.parametrize("routing", ["path", "both"])
def test_an_old_path_leads_to_the_new_one(make_door: MakeDoor, routing: str) -> None:
    """Path-routed sites stay on the apex, whatever follows the name."""
    door = make_door(routing=routing, allow_shared_origin=True)
    door.add("acme")
    assert door.ask("/sites/acme/a").text == "site acme|/sites/acme|/a"
    rename(door, "acme", "bolt")

    for old, new in (
        ("/sites/acme", "/sites/bolt"),
        ("/sites/acme/", "/sites/bolt/"),
        ("/sites/acme/a%20b?c=d", "/sites/bolt/a%20b?c=d"),
        ("/sites/acme//evil.test/", "/sites/bolt//evil.test/"),
    ):
        answer = door.ask(old)
        assert (answer.status, answer.headers["location"]) == (308, new)
    assert door.ask("/sites/bolt/a").text == "site bolt|/sites/bolt|/a"
    assert door.ask("/sites/acmes/a").status == 404
    by_host = door.ask("/x", "acme")
    if routing == "both":
        assert by_host.headers["location"] == f"http://bolt.{DOMAIN}/x"
    else:
        assert by_host.status == 404


def test_an_old_path_leads_nowhere_when_the_time_is_over(make_door: MakeDoor) -> None:
    """It is answered like any name that nobody has."""
    door = make_door(routing="path", allow_shared_origin=True)
    door.add("acme")
    rename(door, "acme", "bolt", lasting=-DAY)
    old, unknown = door.ask("/sites/acme/"), door.ask("/sites/nobody/")

    assert (old.status, unknown.status) == (404, 404)
    assert "bolt" not in old.text


def test_sessions_stay_valid_where_the_browser_still_sends_them(make_door: MakeDoor) -> None:
    """A session is the tenant's, whose id stays: on its own host, and after the name's return."""

    def build(tenant: Tenant) -> Flask:
        app = Flask(tenant.slug)
        init_tenant(app, tenant, settings=door.settings)

        @app.get("/sign-in")
        def sign_in() -> str:
            session["user"] = "ada"
            return "in"

        @app.get("/who")
        def who() -> str:
            return str(session.get("user"))

        return app

    door = make_door(build=build)
    door.add("acme", hosts=("www.acme.org",))
    cookies = {
        host: door.ask("/sign-in", host=host).cookies[0].partition(";")[0]
        for host in ("www.acme.org", f"acme.{DOMAIN}")
    }

    def who(host: str) -> str:
        return door.ask("/who", host=host, headers={"Cookie": cookies[host]}).text

    rename(door, "acme", "bolt")
    assert who("www.acme.org") == "ada"
    rename(door, "bolt", "acme")
    assert who(f"acme.{DOMAIN}") == "ada"
