"""Signing in and out, and what ends a session."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import Client

from tenantry.catalog import SYSTEM
from tenantry.limits.sign_in import PAIR
from tests.hashing import every_place_taken

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.backend_app.conftest import Browser, World

ACME, BOLT = "acme.example.test", "bolt.example.test"
PASSWORD = "four brown horses walk"


def test_an_operator_sees_the_dashboard_and_an_owner_the_sites(world: World) -> None:
    """Signing in leads to the page that this account comes for."""
    operator = world.browser("operator@example.com")
    assert "Dashboard" in operator.get("/").text
    owner = world.browser("olga@example.com")
    assert owner.get("/").location == "/backend/sites"
    assert "Acme" in owner.get("/sites").text
    assert "Bolt" not in owner.get("/sites").text


@pytest.mark.parametrize(
    ("email", "host"),
    [
        pytest.param("olga@example.com", "example.test", id="wrong password"),
        pytest.param("nobody@example.com", "example.test", id="no such account"),
        pytest.param("otto@example.com", ACME, id="another site's owner"),
        pytest.param("operator@example.com", ACME, id="an operator on a tenant's host"),
        pytest.param("olga@example.com", ACME, id="wrong password on a tenant's host"),
    ],
)
def test_every_refusal_reads_the_same(world: World, email: str, host: str) -> None:
    """R34: the answer does not say whether the account exists or belongs elsewhere."""
    browser = world.browser()
    password = "not this one at all" if email.startswith("olga") else PASSWORD
    response = browser.sign_in(email, host, password)
    assert response.status_code == 422
    assert "Wrong e-mail or password." in response.text
    assert browser.get("/", host).status_code == 302


def try_from(world: World, address: str, email: str, password: str = PASSWORD) -> Any:
    """Send the form from an address, in a new browser."""
    form = {"email": email, "password": password}
    where = {"REMOTE_ADDR": address}
    return world.browser().post("/sign-in", form, environ_overrides=where)


@pytest.mark.parametrize("email", ["olga@example.com", "nobody@example.com"])
def test_too_many_tries_have_to_wait(world: World, email: str) -> None:
    """R51: guessing is slowed down, whether or not there is an account, however it is spelt."""
    statuses = [
        try_from(world, "192.0.2.7", spelt, f"guess number {n}").status_code
        for n, spelt in enumerate([email, email.upper()] * PAIR.burst)
    ]
    assert statuses == [422] * PAIR.burst + [429] * PAIR.burst
    last = try_from(world, "192.0.2.7", email)
    assert last.status_code == 429
    assert 0 < int(last.headers["Retry-After"]) <= PAIR.seconds


def test_nobody_is_kept_out_by_somebody_elses_tries(world: World) -> None:
    """R51: other networks, and devices that have signed in before, are not slowed down."""
    known = world.browser()
    attack: dict[str, Any] = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.7"}}
    right = {"email": "olga@example.com", "password": PASSWORD}
    assert known.post("/sign-in", right, **attack).status_code == 303
    known.post("/sign-out")
    for number in range(PAIR.burst + 1):
        last = try_from(world, "192.0.2.7", "olga@example.com", f"guess number {number}")
    assert last.status_code == 429
    assert try_from(world, "192.0.2.8", "olga@example.com").status_code == 303
    assert known.post("/sign-in", right, **attack).status_code == 303


def test_nobody_waits_for_a_place_to_hash_in(world: World) -> None:
    """While all places are taken, 24 sign-ins are refused at once, and none of them is counted."""
    with every_place_taken():
        answers = [try_from(world, "192.0.2.7", "olga@example.com") for _ in range(24)]
    assert {(answer.status_code, answer.headers["Retry-After"]) for answer in answers} == {
        (503, "2")
    }
    assert try_from(world, "192.0.2.7", "olga@example.com").status_code == 303


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        pytest.param("/backend/tenants?search=a", "/backend/tenants?search=a", id="a page"),
        pytest.param("https://evil.example/", "/backend/", id="another site"),
        pytest.param("//evil.example/", "/backend/", id="another host"),
        pytest.param("/\\evil.example", "/backend/", id="backslash"),
        pytest.param("/\t/evil.example", "/backend/", id="control character"),
        pytest.param("", "/backend/", id="nothing"),
    ],
)
def test_signing_in_leads_only_to_local_paths(world: World, target: str, leads_to: str) -> None:
    """R12: ``next`` never leaves this host."""
    browser = world.browser()
    response = browser.post(
        "/sign-in",
        {"email": "operator@example.com", "password": PASSWORD},
        query_string={"next": target},
    )
    assert response.status_code == 303
    assert response.location == leads_to


def test_an_anonymous_visit_comes_back_to_its_page(world: World) -> None:
    """The page that asked for a sign-in is where it leads afterwards."""
    response = world.browser().get("/tenants?search=ac")
    assert response.location == "/backend/sign-in?next=/backend/tenants?search%3Dac"


def test_htmx_is_told_to_go_to_the_sign_in_page(world: World) -> None:
    """A fragment request would follow a redirect and show the sign-in page inside a table."""
    response = world.browser().get("/tenants", headers={"HX-Request": "true"})
    assert response.status_code == 401
    assert response.headers["HX-Redirect"] == "/backend/sign-in"
    shown = {"HX-Request": "true", "HX-Current-URL": "http://example.test/backend/tenants?page=2"}
    response = world.browser().get("/tenants?page=3", headers=shown)
    assert response.headers["HX-Redirect"] == "/backend/sign-in?next=/backend/tenants?page%3D2"


def test_signing_in_makes_a_new_session(world: World) -> None:
    """A form token, or anything else from before the sign-in, is worth nothing after it."""
    browser = world.browser()
    before = browser.token()
    browser.sign_in("olga@example.com")
    stale = browser.open("POST", "/sign-out", data={"csrf_token": before})
    assert stale.status_code == 400


def test_signing_out_ends_this_session_and_its_copies_only(world: World) -> None:
    """R25: whoever holds a copy of the cookie is signed out as well, and other browsers are not."""
    browser, other = world.browser("olga@example.com"), world.browser("olga@example.com")
    site = world.browser("olga@example.com", ACME)
    copy = browser.cookie()
    assert copy
    assert browser.post("/sign-out").status_code == 303
    assert browser.get("/sites").status_code == 302
    assert world.browser().adopt(copy).get("/sites").status_code == 302
    assert world.actions()[0] == "account.sign-out"
    assert other.get("/sites").status_code == 200
    assert site.get("/", ACME).status_code == 200


def test_a_new_password_ends_sessions_everywhere(world: World) -> None:
    """R25: sessions are looked up at every request, on every host."""
    apex, site = world.browser("olga@example.com"), world.browser("olga@example.com", ACME)
    account = world.catalog.accounts.find("olga@example.com")
    assert account
    world.catalog.accounts.set_password(account.id, "another long phrase here", by=SYSTEM)
    assert apex.get("/sites").status_code == 302
    assert site.get("/", ACME).status_code == 302


@pytest.mark.parametrize(
    "spoiled",
    [
        pytest.param({"id": "0" * 43}, id="unknown"),
        pytest.param({"id": None}, id="nothing"),
        pytest.param({"id": ["x"]}, id="no name"),
        pytest.param({"lifetime": timedelta(seconds=-1)}, id="over"),
        pytest.param({"tenant_id": None}, id="another scope"),
        pytest.param({"as_operator": True}, id="not an operator"),
    ],
)
def test_a_session_that_does_not_hold_is_over(world: World, spoiled: dict[str, Any]) -> None:
    """What a session claims is checked, not believed."""
    good = world.browser().adopt(world.sign_cookie("olga@example.com", "acme"), ACME)
    assert good.get("/", ACME).status_code == 200
    cookie = world.sign_cookie("olga@example.com", "acme", **spoiled)
    assert world.browser().adopt(cookie, ACME).get("/", ACME).status_code == 302


def test_sessions_are_worthless_on_other_hosts(world: World, operator: Browser) -> None:
    """The apex's session opens no tenant, and a tenant's opens neither the apex nor a neighbour."""
    apex, olga = operator.cookie(), world.browser("olga@example.com", ACME).cookie(ACME)
    assert apex
    assert olga
    assert world.browser().adopt(apex, ACME).get("/", ACME).status_code == 302
    assert world.browser().adopt(olga).get("/sites").status_code == 302
    assert world.browser().adopt(olga, BOLT).get("/", BOLT).status_code == 302


def test_sign_ins_are_in_the_trail_of_their_site(world: World, olga: Browser) -> None:
    """R58: a sign-in on a tenant's host is in that tenant's trail, a refused one too."""
    world.browser().sign_in("otto@example.com", ACME)
    actions = world.actions(world.catalog.tenants.get("acme").id)
    assert actions[:2] == ["backend.refused", "account.sign-in"]


def test_two_cookies_of_one_name_are_nobody(world: World, operator: Browser) -> None:
    """R18: if somebody planted a second cookie, neither is trusted."""
    assert operator.get("/").status_code == 200
    operator.client("example.test").set_cookie(
        "backend", "planted", domain="example.test", path="/backend"
    )
    assert operator.get("/").status_code == 302


def test_pages_for_somebody_are_not_kept_by_caches(operator: Browser) -> None:
    """R23: what was made for an account is private and not stored."""
    assert operator.get("/").headers["Cache-Control"] == "private, no-store"


def test_over_https_the_cookie_is_bound_to_its_host(make_world: Callable[..., World]) -> None:
    """R17: no sibling can plant it, no script reads it; and no Referer is needed to sign in."""
    world = make_world(base_url="https://example.test")
    world.add_account("operator@example.com", operator=True)
    client = Client(world)
    page = client.get("/backend/sign-in", base_url="https://example.test").text
    token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page)
    assert token
    form = {"csrf_token": token[1], "email": "operator@example.com", "password": PASSWORD}
    response = client.post("/backend/sign-in", base_url="https://example.test", data=form)
    assert response.status_code == 303
    cookies = {it.partition("=")[0]: it for it in response.headers.getlist("Set-Cookie")}
    assert set(cookies) == {"__Host-backend", "__Host-backend_device"}
    cookie = cookies["__Host-backend"]
    attributes = {part.strip().partition("=")[0] for part in cookie.split(";")[1:]}
    assert {"Secure", "HttpOnly", "Path", "SameSite"} <= attributes
    assert "Domain" not in attributes
    assert "Path=/;" in cookie
