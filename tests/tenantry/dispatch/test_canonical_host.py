"""Redirects to a tenant's primary host and to HTTPS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.tenantry.door import Door

SHOP, WWW = "shop.example.org", "www.shop.example.org"


@pytest.mark.parametrize("host", ["acme.example.test", WWW])
def test_other_hosts_redirect_to_the_primary_one(door: Door, host: str) -> None:
    """With path and query, from the next request on, and nothing of the request decides where to."""
    tenant = door.add("bakery", hosts=(SHOP, WWW))
    host = host.replace("acme", "bakery")
    assert door.ask("/a", host=host).status == 200
    door.catalog.hosts.set_primary(tenant.id, SHOP, by=SYSTEM)
    answer = door.ask("/a b/?c=%20d", host=host, method="POST")
    assert (answer.status, answer.headers["location"]) == (
        308, f"http://{SHOP}/a%20b/?c=%20d"
    )  # fmt: skip
    assert answer.headers["cache-control"] == "no-store"
    assert door.ask("/a", host=SHOP).status == 200
    assert door.ask("/backend/", host=host).text.startswith("backend|")
    door.catalog.hosts.set_primary(tenant.id, None, by=SYSTEM)
    assert door.ask("/a", host=host).status == 200


def test_a_path_routed_site_stays_where_it_is(make_door: Callable[..., Door]) -> None:
    """Its address on the apex is its own, whatever hosts it has."""
    door = make_door(routing="both", allow_shared_origin=True)
    tenant = door.add("acme", hosts=(SHOP,))
    door.catalog.hosts.set_primary(tenant.id, SHOP, by=SYSTEM)
    assert door.ask("/sites/acme/").text.startswith("site acme|")
    assert door.ask("/sites/acme/backend/").text.startswith("backend|")


@pytest.mark.parametrize("path", ["/", "/backend/"])
def test_http_leads_to_https(make_door: Callable[..., Door], path: str) -> None:
    """On the host that was asked for, where a proxy tells how the visitor came."""
    door = make_door(base_url="https://example.test", trusted_proxies=1)
    door.add("acme", hosts=(SHOP,))
    sent = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http"}
    answer = door.ask(path, host=SHOP, headers=sent)
    assert (answer.status, answer.headers["location"]) == (308, f"https://{SHOP}{path}")
    sent["X-Forwarded-Proto"] = "https"
    assert door.ask(path, host=SHOP, headers=sent).status == 200


def test_where_nobody_tells_the_scheme_nothing_is_redirected(
    make_door: Callable[..., Door],
) -> None:
    """A proxy that hides it would send each visitor in circles."""
    door = make_door(base_url="https://example.test")
    door.add("acme", hosts=(SHOP,))
    assert door.ask("/", host=SHOP).status == 200
