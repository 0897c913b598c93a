"""An operator makes the front page their own in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tenantry.catalog import SYSTEM
from tenantry.values.front_page import CONTENT, FrontPage
from tests.live.browser.person import OPERATOR
from tests.pictures import png

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.browser.conftest import NewPerson
    from tests.live.browser.person import Person
    from tests.live.server import Server

ARABIC = "مكان للمتاجر الصغيرة"


@pytest.fixture(autouse=True)
def _as_it_was(platform: Server) -> Iterator[None]:
    """Give the front page back to the other tests as Tenantry comes."""
    yield
    pages, plain = platform.catalog.front_pages, FrontPage()
    content = {name: getattr(plain, name) for name in CONTENT}
    pages.save(content, after=pages.get().revision, by=SYSTEM)


def test_an_operator_gives_the_platform_a_look(
    operator: Person, visitor: Person, tmp_path: Path
) -> None:
    """Visitors see it at their next page; an earlier revision can be used again."""
    operator.go("", "/backend/")
    operator.menu().get_by_role("link", name="Front page").click()
    operator.sees("Front page")
    operator.fill("Name of the platform", "Souk al-Kutub")
    operator.fill("Headline", ARABIC)
    operator.fill("Colour", "#b4541f")
    logo = tmp_path / "logo.png"
    logo.write_bytes(png(120, 40))
    operator.page.get_by_label("Logo", exact=True).set_input_files(logo)
    operator.click("Save")
    operator.is_told("Saved. Visitors see it now.")
    operator.look("backend-front-page")

    visitor.go("")
    visitor.sees(ARABIC)
    expect(visitor.page).to_have_title("Souk al-Kutub: many sites, one deployment")
    is_drawn = "image => image.complete && image.naturalWidth === 120"
    assert visitor.page.locator(".brand-logo").evaluate(is_drawn)
    visitor.look("front-in-its-own-look")
    visitor.go("nobody-has-this", status=404)
    assert visitor.page.locator(".brand-logo").evaluate(is_drawn)
    visitor.go("", "/signin")
    visitor.wears("rgb(180, 84, 31)", "main .btn-primary")

    operator.click("Imprint", role="link")
    operator.fill("Text", "# Imprint\n\nSouk GmbH, Main Street 1")
    operator.click("Save")
    operator.is_told("Saved. Visitors see it now.")
    operator.look("backend-legal-page")
    visitor.page.reload()
    visitor.click("Imprint", role="link")
    expect(visitor.page.get_by_text("Main Street 1")).to_be_visible()

    operator.click("Revisions", role="link")
    operator.look("backend-front-page-revisions")
    operator.click("0", role="link")
    operator.look("backend-front-page-revision")
    operator.click("Use it again")
    operator.page.get_by_role("dialog").get_by_role("button", name="Use it again").click()
    operator.is_told("Visitors see it now.")
    visitor.go("")
    visitor.sees("Many sites, one deployment, real walls between")


def test_it_works_without_scripts(new_person: NewPerson, platform: Server) -> None:
    """Also the upload, and what another operator has saved meanwhile."""
    operator = new_person(java_script_enabled=False).enter_backend(OPERATOR)
    operator.go("", "/backend/front-page")
    platform.catalog.front_pages.save({"footer": "Souk GmbH"}, after=_newest(platform), by=SYSTEM)
    operator.fill("Headline", "Mine")
    operator.expect_status(409)
    operator.click("Save")
    expect(operator.page.get_by_role("alert")).to_contain_text("tenantry has saved revision")
    expect(operator.page.get_by_label("Headline", exact=True)).to_have_value("Mine")
    operator.click("Save")
    operator.is_told("Saved. Visitors see it now.")
    assert platform.catalog.front_pages.get().headline == "Mine"


def _newest(platform: Server) -> int:
    return platform.catalog.front_pages.get().revision
