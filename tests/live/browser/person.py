"""Somebody at a browser, who does things by what is written on the page."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.markup import find_flaws

if TYPE_CHECKING:
    from playwright.sync_api import (
        BrowserContext,
        ConsoleMessage,
        Locator,
        Request,
        Response,
        ViewportSize,
    )

PASSWORD = "a purple lantern over the harbour"
OPERATOR = "operator@platform.test"
LOUD = {"error", "warning"}
FAILED = re.compile(
    r"(?:Failed to load resource: the server responded with a status of"
    r"|Response Status Error Code) (\d+)"
)
WINDOWS: dict[str, ViewportSize] = {
    "narrow": {"width": 390, "height": 844},
    "wide": {"width": 1440, "height": 900},
}
THEMES: tuple[Literal["dark"], Literal["light"]] = ("dark", "light")
EXAMINED = {("narrow", "dark"), ("wide", "light")}
"""Where axe looks: each width and each theme once, because it takes its time."""
ALBUM = os.environ.get("SCREENSHOTS", "")
AXE = Axe()

LAYOUT_FLAWS = """() => {
    const flaws = [];
    const tooWide = document.documentElement.scrollWidth - window.innerWidth;
    if (tooWide > 0) flaws.push(`scrolls sideways by ${tooWide}px`);
    const headings = document.querySelectorAll("h1").length;
    if (headings !== 1) flaws.push(`${headings} first-level headings`);
    const ids = [...document.querySelectorAll("[id]:not([type=hidden])")].map((e) => e.id);
    for (const id of ids.filter((id, i) => ids.indexOf(id) !== i)) flaws.push(`two #${id}`);
    for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
        if (field.getAttribute("aria-hidden") || field.type === "submit") continue;
        if (!field.labels.length && !field.ariaLabel) flaws.push(`no label: ${field.name}`);
    }
    return flaws;
}"""


class Person:
    """One browser context with one page, and all that it complains about.

    :param port: The platform's.
    """

    def __init__(self, context: BrowserContext, port: int) -> None:
        self.context = context
        self.port = port
        self.strangers: list[str] = []
        self._complaints: list[str] = []
        self._expected: set[str] = set()
        context.on("console", self._hear)
        context.on("weberror", lambda error: self._complaints.append(str(error.error)))
        context.on("request", self._watch)
        self.page = context.new_page()

    # --- what the browser says ------------------------------------------------------------------

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in LOUD:
            self._complaints.append(message.text)

    def _watch(self, request: Request) -> None:
        url = urlsplit(request.url)
        host = url.hostname or ""
        known = host == "localhost" or host.endswith(".localhost")
        if not known or url.port != self.port:
            self.strangers.append(request.url)

    def expect_status(self, status: int) -> None:
        """Let the browser complain about a refusal that the test is after."""
        self._expected.add(str(status))

    def complaints(self) -> list[str]:
        """Return errors and warnings, but for the refusals that were expected."""

        def expected(text: str) -> bool:
            found = FAILED.match(text)
            return found is not None and found.group(1) in self._expected

        return [text for text in self._complaints if not expected(text)]

    # --- going about ----------------------------------------------------------------------------

    def address(self, slug: str = "", path: str = "/") -> str:
        """Return the address of a page of a site, or of the platform itself."""
        host = f"{slug}.localhost" if slug else "localhost"
        return f"http://{host}:{self.port}{path}"

    def go(self, slug: str = "", path: str = "/", *, status: int = 200) -> Response:
        """Type an address."""
        if status >= 400:
            self.expect_status(status)
        response = self.page.goto(self.address(slug, path))
        assert response is not None
        assert response.status == status, response.url
        return response

    def click(self, name: str, *, role: Literal["button", "link"] = "button") -> None:
        """Click a button or a link by its name."""
        self.page.get_by_role(role, name=name, exact=True).click()

    def fill(self, label: str, value: str) -> None:
        """Fill the field with this label."""
        self.page.get_by_label(label, exact=True).fill(value)

    def menu(self) -> Locator:
        """Return the main menu."""
        return self.page.get_by_role("navigation", name="Main")

    def sees(self, heading: str) -> None:
        """Wait for a page with this heading."""
        expect(self.page.get_by_role("heading", name=heading, level=1, exact=True)).to_be_visible()

    def is_told(self, text: str) -> None:
        """Wait for a message."""
        expect(self.page.get_by_role("status").filter(has_text=text)).to_be_visible()

    def wears(self, colour: str, selector: str = "body") -> None:
        """Wait until the ground of an element has this colour."""
        expect(self.page.locator(selector)).to_have_css("background-color", colour)

    # --- doing things ---------------------------------------------------------------------------

    def enter_backend(self, email: str, slug: str = "") -> Person:
        """Sign in at the backend of the platform or of a site, which lead to one page for it."""
        self.go(slug, "/backend/")
        self.sees("Sign in")
        self.fill("E-mail", email)
        self.fill("Password", PASSWORD)
        self.click("Sign in")
        if slug:
            self.click("Continue")
        sign_out = self.page.get_by_role("button", name="Sign out", include_hidden=True)
        expect(sign_out).to_be_attached()
        return self

    def leave_backend(self) -> None:
        """Sign out by the menu of one's account."""
        self.page.locator(".user-menu > summary").click()
        self.click("Sign out")

    def manage(self, site: str) -> None:
        """Go from the list of one's sites on the platform to the backend of one of them."""
        self.go("", "/sites")
        self.click(f"Manage {site}")
        self.sees(f"Manage {site}")
        self.click("Continue")
        self.sees(site)

    def join(self, slug: str, name: str) -> str:
        """Become a member of a site and sign in; return the e-mail address."""
        email = f"{name.lower().replace(' ', '.')}@example.org"
        self.go(slug)
        self.click("Join", role="link")
        self.fill("Name", name)
        self.fill("E-mail address", email)
        self.fill("Password", PASSWORD)
        self.click("Join")
        self.is_told("Sign in with your password.")
        self.sign_in(email)
        expect(self.menu().get_by_role("link", name=name)).to_be_visible()
        return email

    def sign_in(self, email: str) -> None:
        """Fill in the sign-in form of a site."""
        self.fill("E-mail address", email)
        self.fill("Password", PASSWORD)
        self.click("Sign in")

    # --- looking --------------------------------------------------------------------------------

    def fits(self, width: int) -> None:
        """Check the layout in a window of this width, in CSS pixels."""
        self.page.set_viewport_size({"width": width, "height": 640})
        assert self.page.evaluate(LAYOUT_FLAWS) == [], f"{self.page.url}, {width} px"

    def look(self, name: str) -> None:
        """Look at the page in a narrow and a wide window, by night and by day, and at its source."""
        source = self.page.evaluate("fetch(location.href).then((answer) => answer.text())")
        if ALBUM:
            (Path(ALBUM) / f"{name}.html").write_text(source)
        flaws = find_flaws(source)
        assert not flaws, f"{name}: {flaws}"
        for theme in THEMES:
            # Colours that fade from one theme to the other have no contrast halfway.
            self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            expect(self.page.locator("html")).to_have_attribute("data-theme", theme)
            for window, size in WINDOWS.items():
                self.page.set_viewport_size(size)
                assert self.page.evaluate(LAYOUT_FLAWS) == [], f"{name}, {window}, {theme}"
                if (window, theme) in EXAMINED:
                    found = AXE.run(self.page)
                    assert not found.violations_count, f"{name}: {found.generate_report()}"
                if ALBUM:
                    picture = Path(ALBUM) / f"{name}-{window}-{theme}.png"
                    self.page.screenshot(path=picture, full_page=True)
