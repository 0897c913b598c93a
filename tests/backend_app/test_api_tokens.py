"""The pages of one's own API tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM

if TYPE_CHECKING:
    from tests.backend_app.conftest import Browser, World

ACME = "acme.example.test"
SECRET = re.compile(r"tnt_[0-9A-Za-z]{38}")
FORM = {"name": "nightly", "days": "30", "scopes": ["tenants:read", "audit:read"]}


def account_id(world: World, email: str) -> str:
    """Return an account's id."""
    account = world.catalog.accounts.find(email)
    assert account is not None
    return account.id


@pytest.mark.parametrize(
    ("email", "host", "path"),
    [
        pytest.param("operator@example.com", "example.test", "/api-tokens", id="operator"),
        pytest.param("olga@example.com", ACME, "/site-tokens", id="owner"),
    ],
)
def test_a_token_is_created_shown_once_and_revoked(
    world: World, email: str, host: str, path: str
) -> None:
    """An operator's is for the platform, an owner's for the site whose host she is on."""
    browser = world.browser(email, host)
    assert "No tokens yet" in browser.get(path, host).text
    assert browser.post(path, FORM, host).status_code == 303
    page = browser.get(path, host).text
    found = SECRET.search(page)
    assert found is not None
    assert SECRET.search(browser.get(path, host).text) is None
    opened = world.catalog.api_tokens.find(found[0])
    assert opened is not None
    made, account = opened
    assert (made.name, made.scopes) == ("nightly", ("tenants:read", "audit:read"))
    assert account.email == email
    acme = world.catalog.tenants.get("acme")
    assert made.tenant_id == (acme.id if host == ACME else None)
    assert world.actions(acme.id if host == ACME else None)[0] == "api-token.create"

    asked = browser.post(f"{path}/{made.id}/revoke", host=host)
    assert "Revoke the token nightly?" in asked.text
    assert browser.post(f"{path}/{made.id}/revoke", {"confirmed": "yes"}, host).status_code == 303
    assert world.catalog.api_tokens.find(found[0]) is None
    assert "The token nightly is revoked." in browser.get(path, host).text
    assert world.actions(acme.id if host == ACME else None)[0] == "api-token.revoke"


def test_the_form_says_what_is_wrong(world: World, operator: Browser, olga: Browser) -> None:
    """A name and a scope are needed, and a site's token has no scope of the platform's."""
    answer = operator.post("/api-tokens", {"name": "", "days": "30"})
    assert answer.status_code == 422
    assert "Enter a name." in answer.text
    assert "Choose at least one." in answer.text
    wrong = {**FORM, "scopes": ["accounts:read"]}
    assert olga.post("/site-tokens", wrong, ACME).status_code == 422
    assert operator.post("/api-tokens", {**FORM, "days": "4000"}).status_code == 422
    assert world.catalog.api_tokens.list().total == 0


def test_too_many_tokens_are_refused(world: World, operator: Browser) -> None:
    """The refusal says how many there may be, and what to do."""
    owner = account_id(world, "operator@example.com")
    for number in range(50):
        world.catalog.api_tokens.create(
            owner, name=f"n{number}", scopes=["jobs:read"], days=1, by=SYSTEM
        )
    answer = operator.post("/api-tokens", FORM)
    assert answer.status_code == 422
    assert "has 50 API tokens" in answer.text


def test_nobody_sees_or_revokes_anothers_token(world: World, olga: Browser) -> None:
    """Not even an operator's, and not the same account's for another site (R40)."""
    acme = world.catalog.tenants.get("acme")
    otto = account_id(world, "otto@example.com")
    world.catalog.memberships.add(otto, acme.id, by=SYSTEM)
    theirs, _ = world.catalog.api_tokens.create(
        otto, name="ottos", scopes=["jobs:read"], days=1, tenant_id=acme.id, by=SYSTEM
    )
    bolt = world.catalog.tenants.get("bolt")
    mine = account_id(world, "olga@example.com")
    world.catalog.memberships.add(mine, bolt.id, by=SYSTEM)
    elsewhere, _ = world.catalog.api_tokens.create(
        mine, name="elsewhere", scopes=["jobs:read"], days=1, tenant_id=bolt.id, by=SYSTEM
    )
    page = olga.get("/site-tokens", ACME).text
    assert "ottos" not in page
    assert "elsewhere" not in page
    for token in (theirs, elsewhere):
        answer = olga.post(f"/site-tokens/{token.id}/revoke", {"confirmed": "yes"}, ACME)
        assert answer.status_code == 404
    assert world.catalog.api_tokens.list().total == 2


def test_staff_have_no_tokens(world: World) -> None:
    """A token could do what only owners may, so the page is theirs."""
    acme = world.catalog.tenants.get("acme")
    otto = account_id(world, "otto@example.com")
    world.catalog.memberships.add(otto, acme.id, "staff", by=SYSTEM)
    browser = world.browser("otto@example.com", ACME)
    assert browser.get("/site-tokens", ACME).status_code == 403
    assert browser.post("/site-tokens", FORM, ACME).status_code == 403
