"""An account's own page: where it is signed in, and an end to each of these sessions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tenantry.catalog import SYSTEM

if TYPE_CHECKING:
    from tests.backend_app.conftest import Browser, World

ACME = "acme.example.test"
NEW = "seven quiet rivers meet"


def ends_of(browser: Browser) -> list[str]:
    """Return where the account page's buttons send to that end another session."""
    page = browser.get("/account").text
    return re.findall(r'action="/backend(/account/sessions/[\w-]+/end)"', page)


def test_the_page_shows_where_one_is_signed_in(world: World) -> None:
    """R25: each session by its device, its network and its place; this one is marked."""
    account = world.catalog.accounts.find("olga@example.com")
    assert account is not None
    acme = world.catalog.tenants.get("acme")
    world.catalog.sessions.start(
        account.id,
        lifetime=world.app.permanent_session_lifetime,
        tenant_id=acme.id,
        device="Firefox on Windows",
        network="192.0.2.0/24",
        by=SYSTEM,
    )
    page = world.browser("olga@example.com").get("/account").text

    for text in ("Where you are signed in", "Firefox on Windows", "192.0.2.0/24", "Acme"):
        assert text in page
    assert page.count("This session") == 1


def test_another_session_is_ended(world: World) -> None:
    """R25: at once, also for a copy of its cookie; this one goes on."""
    here, there = world.browser("olga@example.com"), world.browser("olga@example.com", ACME)
    (path,) = ends_of(here)
    assert here.post(path).status_code == 303
    assert there.get("/", ACME).status_code == 302
    assert here.get("/account").status_code == 200
    assert ends_of(here) == []
    assert world.actions(world.catalog.tenants.get("acme").id)[0] == "account.end-session"
    assert "had already ended" in here.post(path, follow_redirects=True).text


def test_nobody_ends_another_accounts_session(world: World) -> None:
    """R40: somebody else's session is not there."""
    olga, there = world.browser("olga@example.com"), world.browser("olga@example.com", ACME)
    (path,) = ends_of(olga)
    otto = world.browser("otto@example.com")
    assert otto.post(path).status_code == 303
    assert there.get("/", ACME).status_code == 200


def test_everywhere_else_is_signed_out(world: World) -> None:
    """R25: one button ends all sessions but this one."""
    here = world.browser("olga@example.com")
    others = [world.browser("olga@example.com") for _ in range(2)]
    otto = world.browser("otto@example.com")
    assert "Sign out everywhere else" in here.get("/account").text
    assert here.post("/account/sign-out-everywhere").status_code == 303
    assert here.get("/account").status_code == 200
    assert [other.get("/sites").status_code for other in others] == [302, 302]
    assert otto.get("/sites").status_code == 200


def test_a_changed_password_ends_the_others(world: World) -> None:
    """R25: who changes it stays signed in, under a new session."""
    here, there = world.browser("olga@example.com"), world.browser("olga@example.com")
    copy = here.cookie()
    assert copy is not None
    form = {"current": "four brown horses walk", "password": NEW, "again": NEW}
    assert here.post("/account", form).status_code == 303
    assert here.get("/account").status_code == 200
    assert there.get("/sites").status_code == 302
    assert world.browser().adopt(copy).get("/sites").status_code == 302


def test_forms_say_what_they_ask_for(world: World) -> None:
    """In the words that everybody uses."""
    page = world.browser("olga@example.com").get("/account").text
    for label in ("Current password", "New password", "Repeat new password"):
        assert f">{label}</label>" in page
