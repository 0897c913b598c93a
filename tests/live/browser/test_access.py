"""Themes, keyboards, and who is who where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.live.browser.person import WINDOWS

if TYPE_CHECKING:
    from playwright.sync_api import Cookie

    from tests.live.browser.conftest import NewPerson
    from tests.live.browser.person import Person

DARK, LIGHT = "rgb(18, 22, 20)", "rgb(250, 249, 246)"
WATCH_THEME = """
    window.themes = [];
    new MutationObserver(() => window.themes.push(
        [document.documentElement.getAttribute("data-theme"), performance.now()]
    )).observe(document, {subtree: true, attributeFilter: ["data-theme"]});
"""
FIRST_PAINT = """new Promise((resolve) => {
    const take = (list) => resolve(list.getEntries()[0].startTime);
    new PerformanceObserver(take).observe({type: "paint", buffered: true});
})"""


def test_a_chosen_theme_is_remembered(visitor: Person) -> None:
    """The button switches to dark; it stays dark on the next page and after a reload."""
    visitor.go("acme")
    visitor.wears(LIGHT)
    visitor.click("Switch to the dark theme")
    visitor.wears(DARK)
    visitor.page.reload()
    visitor.wears(DARK)
    visitor.click("Join", role="link")
    visitor.sees("Join Acme Workshop")
    visitor.wears(DARK)
    visitor.click("Switch to the light theme")
    visitor.page.reload()
    visitor.wears(LIGHT)


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("slug", "path"), [("", "/"), ("acme", "/"), ("", "/backend/")])
def test_no_page_flashes(new_person: NewPerson, slug: str, path: str, theme: str) -> None:
    """The system's theme is on before the first paint, and is set once."""
    visitor = new_person(color_scheme=theme)
    visitor.context.add_init_script(WATCH_THEME)
    visitor.go(slug, path)
    painted = visitor.page.evaluate(FIRST_PAINT)
    ((chosen, moment),) = visitor.page.evaluate("window.themes")
    assert chosen == theme
    assert moment < painted
    visitor.wears(DARK if theme == "dark" else LIGHT)


def focused(person: Person) -> str:
    """Return the words of what has the focus, which must be seen to have it."""
    seen = "getComputedStyle(document.activeElement).outlineStyle"
    assert person.page.evaluate(seen) not in {"none", ""}
    text: str = person.page.evaluate(
        "document.activeElement.ariaLabel || document.activeElement.innerText"
    )
    return text.strip()


def test_the_keyboard_is_enough(visitor: Person) -> None:
    """Skip to the content, walk through the menu, sign in: no mouse."""
    email = visitor.join("acme", "Kay Board")
    visitor.click("Sign out")
    keyboard = visitor.page.keyboard

    visitor.go("acme")
    keyboard.press("Tab")
    assert focused(visitor) == "Skip to the content"
    keyboard.press("Enter")
    assert visitor.page.evaluate("document.activeElement.id") == "content"
    keyboard.press("Tab")
    assert visitor.page.evaluate("!!document.activeElement.closest('main article a')")

    visitor.go("acme")
    walked = []
    for _ in range(5):
        keyboard.press("Tab")
        walked.append(focused(visitor))
    assert walked[2:] == ["Posts", "Search", "Sign in"]
    assert "Acme Workshop" in walked[1]
    keyboard.press("Enter")
    visitor.sees("Sign in")
    visitor.page.get_by_label("E-mail address").focus()
    keyboard.type(email)
    keyboard.press("Tab")
    keyboard.type("a purple lantern over the harbour")
    keyboard.press("Enter")
    expect(visitor.menu().get_by_role("link", name="Kay Board")).to_be_visible()


@pytest.mark.parametrize(("slug", "path"), [("", "/"), ("acme", "/")])
def test_the_menu_opens_in_a_narrow_window(visitor: Person, slug: str, path: str) -> None:
    """It is folded away at first, and Escape folds it again."""
    visitor.page.set_viewport_size(WINDOWS["narrow"])
    visitor.go(slug, path)
    link = visitor.menu().get_by_role("link").first
    expect(visitor.page.get_by_role("navigation", name="Main")).to_have_count(0)
    visitor.click("Menu")
    expect(link).to_be_visible()
    visitor.page.keyboard.press("Escape")
    expect(link).to_have_count(0)
    expect(visitor.page.get_by_role("button", name="Menu")).to_be_focused()


def test_the_menu_is_open_without_scripts(new_person: NewPerson) -> None:
    """In a narrow window without scripts nothing is folded away."""
    visitor = new_person(java_script_enabled=False, viewport=WINDOWS["narrow"])
    visitor.go("acme")
    expect(visitor.menu().get_by_role("link", name="Join")).to_be_visible()


def secrets_of(person: Person) -> list[Cookie]:
    """Return the cookies that no script reads: the session's, and the one that knows the device."""
    return [cookie for cookie in person.context.cookies() if cookie.get("httpOnly")]


def copy(person: Person, cookies: list[Cookie], url: str) -> None:
    """Put cookies where they do not belong."""
    person.context.add_cookies(
        [{"name": cookie["name"], "value": cookie["value"], "url": url} for cookie in cookies]
    )


def test_a_member_of_one_site_is_nobody_at_the_next(visitor: Person) -> None:
    """A session of acme does not count at globex, not even when its cookie is copied there."""
    visitor.join("acme", "Noah Body")
    secrets = secrets_of(visitor)
    assert {cookie["domain"] for cookie in secrets} == {"acme.localhost"}
    visitor.go("globex")
    expect(visitor.menu().get_by_role("link", name="Sign in")).to_be_visible()

    copy(visitor, secrets, visitor.address("globex"))
    visitor.go("globex")
    expect(visitor.menu().get_by_role("link", name="Sign in")).to_be_visible()
    visitor.go("globex", "/members/me")
    visitor.sees("Sign in")
    visitor.go("acme")
    expect(visitor.menu().get_by_role("link", name="Noah Body")).to_be_visible()


def test_an_owner_of_one_site_is_nobody_at_the_next(new_person: NewPerson) -> None:
    """A session of acme's backend opens neither globex's backend nor the platform's."""
    owner = new_person().enter_backend("owner@acme.test", slug="acme")
    secrets = [cookie for cookie in secrets_of(owner) if cookie["domain"] == "acme.localhost"]
    assert secrets
    owner.context.clear_cookies(domain="localhost")
    for slug in ("globex", ""):
        copy(owner, secrets, owner.address(slug, "/backend/"))
        owner.go(slug, "/backend/")
        owner.sees("Sign in")


def test_the_console_needs_no_mouse(operator: Person) -> None:
    """Skip to the content, find a site, open the menu of one's account and close it again."""
    keyboard = operator.page.keyboard
    operator.go("", "/backend/")
    keyboard.press("Tab")
    assert focused(operator) == "Skip to the content"
    keyboard.press("Control+k")
    assert focused(operator) == "Find sites, accounts, hosts"
    keyboard.type("globex")
    keyboard.press("Enter")
    operator.sees("Find")
    operator.look("backend-find")
    operator.page.get_by_role("region", name="Sites found").get_by_role("link").focus()
    keyboard.press("Enter")
    operator.sees("Globex Field Journal")
    menu = operator.page.locator(".user-menu > summary")
    menu.focus()
    keyboard.press("Enter")
    expect(operator.page.get_by_role("button", name="Sign out")).to_be_visible()
    operator.look("backend-user-menu")
    keyboard.press("Escape")
    expect(operator.page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(menu).to_be_focused()


def test_the_consoles_menu_opens_in_a_narrow_window(operator: Person) -> None:
    """A button opens it, a line leads on, and Escape closes it."""
    operator.page.set_viewport_size(WINDOWS["narrow"])
    operator.go("", "/backend/")
    expect(operator.menu()).to_be_hidden()
    operator.click("Menu")
    expect(operator.menu()).to_be_visible()
    operator.look("backend-menu-open")
    operator.page.set_viewport_size(WINDOWS["narrow"])
    operator.page.keyboard.press("Escape")
    expect(operator.menu()).to_be_hidden()
    operator.click("Menu")
    operator.menu().get_by_role("link", name="People").click()
    operator.sees("People")
