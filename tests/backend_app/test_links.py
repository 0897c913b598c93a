"""One-use links: setting a password, and going from the apex to a site's backend."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM

if TYPE_CHECKING:
    from tests.backend_app.conftest import Browser, World

ACME, BOLT = "acme.example.test", "bolt.example.test"


def make_link(world: World, purpose: str, email: str, slug: str = "", seconds: int = 60) -> str:
    account = world.catalog.accounts.find(email)
    assert account
    return world.catalog.links.create(
        purpose,
        account_id=account.id,
        tenant_id=world.catalog.tenants.get(slug).id if slug else None,
        lifetime=timedelta(seconds=seconds),
        by=SYSTEM,
    )


def test_a_used_link_leads_on_who_is_signed_in(world: World) -> None:
    """Back to a link that has done its work is no dead end."""
    browser = world.browser("olga@example.com", ACME)
    answer = browser.get("/enter/gone", ACME)
    assert (answer.status_code, answer.location) == (303, "/backend/")
    page = browser.get("/", ACME).text
    assert "This link has expired or was already used. You are signed in already." in page
    stranger = world.browser().get("/enter/gone", ACME)
    assert stranger.status_code == 404
    assert "This link has expired or was already used" in stranger.text
    assert 'href="http://example.test/signin?site=acme"' in stranger.text


@pytest.mark.parametrize(
    ("wanted", "leads_to"),
    [
        ("/backend/settings", "/backend/settings"),
        ("//evil.test", "/backend/"),
        ("https://evil.test/", "/backend/"),
    ],
)
def test_an_enter_link_goes_on_within_the_backend(world: World, wanted: str, leads_to: str) -> None:
    """R12: to the page that asked for a sign-in, and to no other host."""
    path = f"/enter/{make_link(world, 'enter', 'olga@example.com', 'acme')}"
    browser = world.browser()
    form = {"csrf_token": browser.token(ACME, path)}
    answer = browser.open("POST", path, ACME, data=form, query_string={"next": wanted})
    assert answer.location == leads_to


def test_the_links_host_comes_from_the_settings(world: World, operator: Browser) -> None:
    """R9: a forged Host header cannot put another address into a set-up link."""
    account = world.catalog.accounts.find("olga@example.com")
    assert account
    operator.post(f"/accounts/{account.id}/link", {"confirmed": "yes"})
    page = operator.get(f"/accounts/{account.id}/link").text
    assert "/password/" not in operator.get(f"/accounts/{account.id}/link").text, "shown once"
    assert re.search(r'value="http://example\.test/password/[\w-]{43}"', page)


def test_an_owner_goes_from_the_apex_to_the_site(world: World) -> None:
    """“Manage” leads to the site's own host, where one button starts a session for it alone."""
    browser = world.browser("olga@example.com")
    form = {"csrf_token": browser.token()}
    response = browser.front("POST", "/sites/acme/manage", data=form)
    link = re.search(r'href="http://(acme\.example\.test)/backend(/enter/[\w-]+)"', response.text)
    assert link
    assert response.headers["Refresh"] == f"0; url=http://{link[1]}/backend{link[2]}"
    assert "olga@example.com" in browser.get(link[2], ACME).text
    assert browser.get("/", ACME).status_code == 302, "looking at the link signs nobody in"
    assert browser.post(link[2], host=ACME).status_code == 303
    page = browser.get("/", ACME).text
    assert "Acme" in page
    assert "as platform operator" not in page
    assert world.actions(world.catalog.tenants.get("acme").id)[:3] == [
        "backend.entered",
        "link.enter.used",
        "link.enter",
    ]


def test_an_enter_link_works_once(world: World) -> None:
    """The second use is refused, whoever tries."""
    path = f"/enter/{make_link(world, 'enter', 'olga@example.com', 'acme')}"
    assert world.browser().post(path, host=ACME).status_code == 303
    late = world.browser()
    assert late.get(path, ACME).status_code == 404
    assert late.post(path, host=ACME).status_code == 404
    assert late.get("/", ACME).status_code == 302


def test_an_enter_link_is_for_one_tenant(world: World) -> None:
    """R53: on another tenant's host it opens nothing, and is not used up there."""
    path = f"/enter/{make_link(world, 'enter', 'operator@example.com', 'acme')}"
    browser = world.browser()
    assert browser.get(path, BOLT).status_code == 404
    assert browser.post(path, host=BOLT).status_code == 404
    assert browser.get("/", BOLT).status_code == 302
    assert browser.post(path, host=ACME).status_code == 303


def test_an_old_enter_link_is_refused(world: World) -> None:
    """A minute is all it has."""
    path = f"/enter/{make_link(world, 'enter', 'olga@example.com', 'acme', seconds=-1)}"
    assert world.browser().get(path, ACME).status_code == 404
    assert world.browser().post(path, host=ACME).status_code == 404


def test_a_lost_role_makes_the_link_worthless(world: World) -> None:
    """Whoever is neither operator nor of the site by then does not get in."""
    path = f"/enter/{make_link(world, 'enter', 'otto@example.com', 'acme')}"
    browser = world.browser()
    assert browser.post(path, host=ACME).status_code == 404
    assert browser.get("/", ACME).status_code == 302


def test_an_operators_visit_is_explicit(world: World, operator: Browser) -> None:
    """R53: a reason, a banner, an end, and a trail that the owner can read."""
    assert operator.post("/tenants/acme/visit", {"visit-reason": ""}).status_code == 422
    page = operator.post("/tenants/acme/visit", {"visit-reason": "Olga called"}).text
    link = re.search(r"http://acme\.example\.test/backend(/enter/[\w-]+)", page)
    assert link
    assert operator.post(link[1], host=ACME).status_code == 303
    assert "You are signed in as platform operator" in operator.get("/", ACME).text
    trail = world.browser("olga@example.com", ACME).get("/activity", ACME).text
    assert "Olga called" in trail
    assert "operator@example.com" in trail


def test_leaving_leads_back_to_the_platform(world: World) -> None:
    """An operator who leaves a site stays signed in on the apex."""
    operator = world.browser("operator@example.com")
    visit = world.visitor("acme").cookie(ACME)
    assert visit
    operator.adopt(visit, ACME)
    response = operator.post("/sign-out", host=ACME)
    assert response.headers["Refresh"] == "0; url=http://example.test/backend/"
    assert operator.get("/", ACME).status_code == 302
    assert operator.get("/").status_code == 200
    assert world.actions()[0] == "backend.left"


def test_a_visit_ends_with_the_operators_rights(world: World) -> None:
    """The account is asked at each request, not remembered."""
    visitor = world.visitor("acme")
    account = world.catalog.accounts.find("operator@example.com")
    assert account
    assert visitor.get("/", ACME).status_code == 200
    world.catalog.sessions.end_all(account.id, by=SYSTEM)
    assert visitor.get("/", ACME).status_code == 302
