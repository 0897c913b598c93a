"""Signing in and out, and what ends a session."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update
from werkzeug.test import Client

from tenantry.catalog import SYSTEM
from tenantry.catalog.models import SessionRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.backend_app.conftest import Browser, World

ACME, BOLT = "acme.example.test", "bolt.example.test"
PASSWORD = "four brown horses walk"


def test_an_operator_sees_the_dashboard_and_an_owner_the_sites(world: World) -> None:
    """Signing in leads to the page that this account comes for."""
    operator = world.browser("operator@example.com")
    assert "Overview" in operator.get("/").text
    owner = world.browser("olga@example.com")
    assert owner.get("/").location == "http://example.test/sites"
    assert "Acme" in owner.front("GET", "/sites").text
    assert "Bolt" not in owner.front("GET", "/sites").text


def test_an_anonymous_visit_comes_back_to_its_page(world: World) -> None:
    """The page that asked for a sign-in is where it leads afterwards."""
    response = world.browser().get("/tenants?search=ac")
    path = "%2Fbackend%2Ftenants%3Fsearch%3Dac"
    assert response.location == f"http://example.test/signin?next={path}"
    response = world.browser().get("/settings", ACME)
    path = "%2Fbackend%2Fsettings"
    assert response.location == f"http://example.test/signin?site=acme&next={path}"


def test_htmx_is_told_to_go_to_the_sign_in_page(world: World) -> None:
    """A fragment request would follow a redirect and show the sign-in page inside a table."""
    response = world.browser().get("/tenants", headers={"HX-Request": "true"})
    assert response.status_code == 401
    assert response.headers["HX-Redirect"] == "http://example.test/signin"
    shown = {"HX-Request": "true", "HX-Current-URL": "http://example.test/backend/tenants?page=2"}
    response = world.browser().get("/tenants?page=3", headers=shown)
    path = "%2Fbackend%2Ftenants%3Fpage%3D2"
    assert response.headers["HX-Redirect"] == f"http://example.test/signin?next={path}"


def test_signing_in_makes_a_new_session(world: World) -> None:
    """A form token, or anything else from before the sign-in, is worth nothing after it."""
    browser = world.browser()
    before = browser.token()
    browser.sign_in("operator@example.com")
    stale = browser.open("POST", "/sign-out", data={"csrf_token": before})
    assert stale.status_code == 400


def test_signing_out_ends_this_session_and_its_copies_only(world: World) -> None:
    """R25: whoever holds a copy of the cookie is signed out as well, and other browsers are not."""
    browser, other = world.browser("olga@example.com"), world.browser("olga@example.com")
    site = world.browser("olga@example.com", ACME)
    copy = browser.cookie()
    assert copy
    assert browser.post("/sign-out").status_code == 303
    assert browser.front("GET", "/sites").status_code == 303
    assert world.browser().adopt(copy).front("GET", "/sites").status_code == 303
    assert world.actions()[0] == "account.sign-out"
    assert other.front("GET", "/sites").status_code == 200
    assert site.get("/", ACME).status_code == 200


def test_a_new_password_ends_sessions_everywhere(world: World) -> None:
    """R25: sessions are looked up at every request, on every host."""
    apex, site = world.browser("olga@example.com"), world.browser("olga@example.com", ACME)
    account = world.catalog.accounts.find("olga@example.com")
    assert account
    world.catalog.accounts.set_password(account.id, "another long phrase here", by=SYSTEM)
    assert apex.front("GET", "/sites").status_code == 303
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
    assert world.browser().adopt(olga).front("GET", "/sites").status_code == 303
    assert world.browser().adopt(olga, BOLT).get("/", BOLT).status_code == 302


def test_sign_ins_are_in_the_trail_of_their_site(world: World, olga: Browser) -> None:
    """R58: entering a tenant's backend is in that tenant's trail, a refused try too."""
    world.browser().sign_in("otto@example.com", ACME)
    actions = world.actions(world.catalog.tenants.get("acme").id)
    assert actions[:2] == ["backend.refused", "backend.entered"]


def test_two_cookies_of_one_name_are_nobody(world: World, operator: Browser) -> None:
    """R18: if somebody planted a second cookie, neither is trusted."""
    assert operator.get("/").status_code == 200
    operator.client("example.test").set_cookie(
        "account", "planted", domain="example.test", path="/backend"
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
    page = client.get("/signin", base_url="https://example.test").text
    token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page)
    assert token
    form = {"csrf_token": token[1], "email": "operator@example.com", "password": PASSWORD}
    response = client.post("/signin", base_url="https://example.test", data=form)
    assert response.status_code == 303
    cookies = {it.partition("=")[0]: it for it in response.headers.getlist("Set-Cookie")}
    assert set(cookies) == {"__Host-account", "__Host-account_device"}
    cookie = cookies["__Host-account"]
    attributes = {part.strip().partition("=")[0] for part in cookie.split(";")[1:]}
    assert {"Secure", "HttpOnly", "Path", "SameSite"} <= attributes
    assert "Domain" not in attributes
    assert "Path=/;" in cookie


def test_operators_need_a_second_factor_after_a_day(world: World, operator: Browser) -> None:
    """The console then leads to where one is added; on localhost the grace does not end."""
    assert "Operators need a second factor" in operator.get("/").text
    account = world.catalog.accounts.find("operator@example.com")
    assert account is not None
    with world.catalog.store.writing(SYSTEM) as writer:
        writer.get_account(account.id).created_at -= timedelta(days=1)
    for path in ("/tenants", "/accounts", "/audit"):
        assert operator.get(path).location == "http://example.test/account/security"
    world.catalog.second_factors.set_secret(account.id, "sealed", step=1, by=SYSTEM)
    assert operator.get("/tenants").status_code == 200
    assert "Operators need a second factor" not in operator.get("/").text


def test_sensitive_actions_want_a_recent_proof(world: World, operator: Browser) -> None:
    """After a quarter of an hour the password is asked for again; pages can still be read."""
    account = world.catalog.accounts.find("olga@example.com")
    assert account is not None
    link = f"/accounts/{account.id}/link"
    with world.catalog.store.writing(SYSTEM) as writer:
        past = datetime.now(UTC) - timedelta(minutes=16)
        writer.session.execute(update(SessionRecord).values(proved_at=past))
    assert operator.get("/accounts").status_code == 200
    headers = {"Referer": "http://example.test/backend/accounts"}
    answer = operator.post(link, {"confirmed": "yes"}, headers=headers)
    assert answer.location == "http://example.test/signin/again?next=%2Fbackend%2Faccounts"
    assert operator.post("/tenants/acme/purge").location == "http://example.test/signin/again"
    form = {"password": PASSWORD, "csrf_token": operator.token()}
    assert operator.front("POST", "/signin/again", data=form).status_code == 303
    assert operator.post(link, {"confirmed": "yes"}).location.endswith("/link")
