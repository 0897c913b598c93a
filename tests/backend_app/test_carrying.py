"""A reason that was typed is not lost when its session has ended meanwhile."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from tenantry.catalog import SYSTEM
from tenantry.catalog.models import SessionRecord
from tests.backend_app.conftest import PASSWORD

if TYPE_CHECKING:
    from tests.backend_app.conftest import Browser, World

PAGE = "/tenants/acme/suspend"
REASON = "The rent was not paid, \u00fcberhaupt nicht.\nTwice."


def send(browser: Browser, writer: str | None = None) -> str:
    """Send the form of the page without its session; return where that leads."""
    page = browser.get(PAGE).text
    found = re.search(r'name="writer" value="([^"]+)"', page)
    assert found is not None
    form = {"reason": REASON, "writer": found[1] if writer is None else writer}
    browser.client("example.test").delete_cookie("account", domain="example.test")
    headers = {"Referer": f"http://example.test/backend{PAGE}"}
    answer = browser.open("POST", PAGE, data=form, headers=headers)
    assert answer.status_code == 303
    return str(answer.location)


def reason_on(browser: Browser) -> str:
    """Return the text that the page's field has."""
    found = re.search(r'name="reason"[^>]*>\s*([^<]*)</textarea>', browser.get(PAGE).text)
    assert found is not None
    return html.unescape(found[1]).replace("\r\n", "\n")


def test_a_reason_survives_its_session(world: World, operator: Browser) -> None:
    """Whoever signs in again finds the page with what they typed, once."""
    location = send(operator)
    assert location == "http://example.test/signin?next=%2Fbackend%2Ftenants%2Facme%2Fsuspend"
    data = {"email": "operator@example.com", "password": "four brown horses walk"}
    data["csrf_token"] = operator.token()
    signed_in = operator.front("POST", location.removeprefix("http://example.test"), data=data)
    assert signed_in.location == f"/backend{PAGE}"
    assert reason_on(operator) == REASON
    assert reason_on(operator) == ""
    assert world.catalog.tenants.get("acme").state == "active"


def test_nobody_else_finds_it(world: World, operator: Browser) -> None:
    """Another operator who signs in on that browser sees an empty field."""
    world.add_account("second@example.com", operator=True)
    send(operator)
    assert operator.sign_in("second@example.com").status_code == 303
    assert reason_on(operator) == ""


@pytest.mark.parametrize("writer", ["", "x", "W10.x.y"])
def test_a_text_needs_the_note_of_whose_it_is(operator: Browser, writer: str) -> None:
    """What a form does not vouch for is not kept."""
    send(operator, writer)
    operator.sign_in("operator@example.com")
    assert reason_on(operator) == ""


def post_without_session(browser: Browser, path: str, form: dict[str, str]) -> str:
    """Send a page's form as its writer, without the session; return where that leads."""
    found = re.search(r'name="writer" value="([^"]+)"', browser.get(path).text)
    assert found is not None
    browser.client("example.test").delete_cookie("account", domain="example.test")
    headers = {"Referer": f"http://example.test/backend{path}"}
    data = {**form, "writer": found[1]}
    return str(browser.open("POST", path, data=data, headers=headers).location)


def test_a_whole_announcement_survives(operator: Browser) -> None:
    """A thousand characters and the subject, each once; the way back has no other query."""
    text = " ".join(f"word-{number}" for number in range(200))[:1000]
    post_without_session(operator, "/announcements", {"subject": "Works", "text": text})
    operator.sign_in("operator@example.com")
    page = operator.get("/announcements").text
    assert 'value="Works"' in page
    assert text in page
    assert text not in operator.get("/announcements").text


def test_what_does_not_fit_a_cookie_is_cut_and_not_lost(operator: Browser) -> None:
    """Text that cannot be compressed keeps its beginning, and the sign-in still works."""
    text = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(1000))
    post_without_session(operator, "/announcements", {"subject": "Works", "text": text})
    assert len(operator.cookie() or "") < 4000
    operator.sign_in("operator@example.com")
    page = operator.get("/announcements").text
    assert text[:250] in page
    assert text not in page


def test_a_reason_survives_the_question_for_the_password(world: World, operator: Browser) -> None:
    """A deletion asks for it after a quarter of an hour; nothing is deleted meanwhile."""
    path = "/bulk/delete?search=acme"
    found = re.search(r'name="writer" value="([^"]+)"', operator.get(path).text)
    assert found is not None
    with world.catalog.store.writing(SYSTEM) as writer:
        past = datetime.now(UTC) - timedelta(minutes=16)
        writer.session.execute(update(SessionRecord).values(proved_at=past))
    form = {"reason": REASON, "expected": "1", "typed": "1", "writer": found[1]}
    headers = {"Referer": f"http://example.test/backend{path}"}
    answer = operator.post(path, form, headers=headers)
    assert answer.location.startswith("http://example.test/signin/again?next=")
    form = {"password": PASSWORD, "csrf_token": operator.token()}
    assert operator.front("POST", "/signin/again", data=form).status_code == 303
    page = html.unescape(operator.get(path).text).replace("\r\n", "\n")
    assert REASON in page
    assert re.search(r'name="typed"[^>]*value=""', page)
    assert world.catalog.jobs.list(name="operations.bulk").total == 0


def test_the_way_back_keeps_the_filter(operator: Browser) -> None:
    """Who signs in again acts on the sites that they had chosen, and not on all of them."""
    path = "/bulk/suspend?search=acme"
    location = post_without_session(operator, path, {"reason": REASON, "expected": "1"})
    assert location.endswith("next=%2Fbackend%2Fbulk%2Fsuspend%3Fsearch%3Dacme")
    operator.sign_in("operator@example.com")
    page = html.unescape(operator.get(path).text).replace("\r\n", "\n")
    assert REASON in page
    assert "It would be done to 1 site." in page
