"""Names that nobody has, the directory, and tables that search while one types, or without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.live.browser.person import OPERATOR

if TYPE_CHECKING:
    from tests.live.browser.conftest import NewPerson
    from tests.live.browser.person import Person


def test_a_free_name_leads_to_a_site(visitor: Person) -> None:
    """Nobody's name shows what it is, and the way to get it."""
    visitor.go("nobody", "/some/where", status=404)
    visitor.sees("No site has this name yet")
    expect(visitor.page.get_by_text("nobody.localhost", exact=False).first).to_be_visible()
    visitor.click("Get this name", role="link")
    expect(visitor.page.get_by_role("heading", name="Get a site")).to_be_in_viewport()
    expect(visitor.page.get_by_label("Name of the site")).to_have_value("nobody")


def test_the_directory_leads_to_sites(visitor: Person) -> None:
    """It lists the public sites, and searching shows those that fit without a new page."""
    visitor.go()
    visitor.menu().get_by_role("link", name="Sites").click()
    page = visitor.page
    expect(page.get_by_role("main").get_by_role("article")).not_to_have_count(0)
    page.evaluate("window.stayed = true")
    page.get_by_role("searchbox", name="Name or address").press_sequentially("workshop")
    expect(page.get_by_role("main").get_by_role("article")).to_have_count(1)
    assert page.evaluate("window.stayed") is True
    assert page.url == visitor.address("", "/directory?search=workshop")
    visitor.click("Acme Workshop", role="link")
    visitor.sees("Acme Workshop")
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("workshop")


def test_nothing_found_says_so(visitor: Person) -> None:
    """A search without results offers a way back to everything."""
    visitor.go("", "/directory")
    visitor.page.get_by_role("searchbox").fill("no such thing")
    expect(visitor.page.get_by_role("heading", name="No sites match")).to_be_visible()
    visitor.click("Clear search", role="link")
    expect(visitor.page.get_by_role("link", name="Acme Workshop")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_the_table_of_sites_is_searched(new_person: NewPerson, scripts: bool) -> None:  # noqa: FBT001
    """The operator's table finds a site while one types; without scripts, with the button."""
    operator = new_person(java_script_enabled=scripts).enter_backend(OPERATOR)
    operator.menu().get_by_role("link", name="Sites", exact=True).click()
    page = operator.page
    rows = page.get_by_role("row").filter(has=page.get_by_role("link"))
    expect(page.get_by_role("link", name="initech", exact=True)).to_be_visible()
    page.get_by_role("searchbox", name="Address, name, domain, owner or id").press_sequentially(
        "work"
    )
    if not scripts:
        operator.click("Search")
    expect(page.get_by_role("link", name="initech", exact=True)).to_have_count(0)
    expect(page.get_by_role("status").filter(has_text="1 site")).to_be_visible()
    expect(rows.filter(has_text="Acme Workshop")).to_have_count(1)
    page.get_by_role("combobox", name="State").select_option("Suspended")
    if not scripts:
        operator.click("Search")
    expect(page.get_by_role("heading", name="No suspended sites match")).to_be_visible()


def test_everything_is_reached_without_scripts(new_person: NewPerson) -> None:
    """Joining, entering the backend and the way to a site's own backend need no scripts."""
    visitor = new_person(java_script_enabled=False)
    visitor.join("acme", "Plain Jane")
    owner = new_person(java_script_enabled=False).enter_backend("owner@acme.test")
    owner.manage("Acme Workshop")
    owner.menu().get_by_role("link", name="Members").click()
    expect(owner.page.get_by_role("row").filter(has_text="Plain Jane")).to_be_visible()
