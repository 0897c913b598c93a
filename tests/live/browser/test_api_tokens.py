"""API tokens in a browser: created, copied once, tried, revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.live.browser.conftest import NewPerson
    from tests.live.browser.person import Person

LONG = "A nightly report that has an extraordinarily long name (\N{HEBREW LETTER ALEF}\u05d1\u05d2)"


def test_an_operator_creates_and_revokes_a_token(operator: Person) -> None:
    """The token is on the page once; its row says what it may do."""
    operator.go("", "/backend/api-tokens")
    operator.look("backend-api-tokens-none")
    operator.fill("Name", LONG[:60])
    operator.page.get_by_label("Read sites").check()
    operator.page.get_by_label("Cancel jobs").check()
    operator.click("Create the token")
    token = operator.page.get_by_label("Token", exact=True).input_value()
    assert token.startswith("tnt_")
    operator.look("backend-api-tokens")
    operator.page.reload()
    expect(operator.page.get_by_label("Token", exact=True)).to_have_count(0)
    expect(operator.page.get_by_role("cell", name="jobs:write")).to_be_visible()
    operator.page.get_by_role("button", name="Revoke").click()
    operator.page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(operator.page.get_by_text("No tokens yet")).to_be_visible()


def test_the_api_is_tried_on_its_page(operator: Person) -> None:
    """A call shows its values, and the answer to the token that was typed."""
    operator.go("", "/backend/api-tokens")
    operator.fill("Name", "try")
    operator.page.get_by_label("Read sites").check()
    operator.click("Create the token")
    token = operator.page.get_by_label("Token", exact=True).input_value()
    operator.click("What the API can do", role="link")
    operator.sees("API")
    call = operator.page.locator("#tenants_show")
    call.locator("summary").click()
    operator.look("backend-api")
    operator.fill("Token", token)
    call.get_by_label("tenant", exact=True).fill("acme")
    call.get_by_role("button", name="Call").click()
    expect(call.get_by_role("status")).to_contain_text('"slug": "acme"')


def test_an_owner_sees_what_the_form_wants(new_person: NewPerson) -> None:
    """A form without a scope comes back with the reason."""
    owner = new_person().enter_backend("owner@acme.test", slug="acme")
    owner.go("acme", "/backend/site-tokens")
    owner.fill("Name", "sync")
    owner.expect_status(422)
    owner.click("Create the token")
    expect(owner.page.get_by_text("Choose at least one.")).to_be_visible()
    owner.look("site-api-tokens-errors")
