"""What people come for, done as they do it: by clicking and typing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.live.browser.person import OPERATOR, PASSWORD
from tests.live.server import ROOT

if TYPE_CHECKING:
    from tests.live.browser.conftest import NewPerson
    from tests.live.browser.person import Person
    from tests.live.conftest import NewServer
    from tests.live.server import Server

FIRST = "first@platform.test"


def make_first_link(server: Server) -> str:
    """Return the set-up link that ``tenantry init`` prints."""
    told = subprocess.run(
        [Path(sys.executable).with_name("tenantry"), "init", "--operator", FIRST],
        cwd=ROOT,
        env=server.environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.search(r"http://\S+/password/\S+", told)
    assert found is not None, told
    return found.group()


def test_the_first_operator_sets_a_password(new_server: NewServer, new_person: NewPerson) -> None:
    """The link of ``tenantry init`` leads to a password and into the backend, once."""
    with new_server() as server:
        link = make_first_link(server)
        someone = new_person(server=server)
        page = someone.page
        page.goto(link)
        someone.sees("Welcome")
        someone.fill("New password", PASSWORD)
        someone.fill("Repeat new password", PASSWORD)
        someone.click("Set password and sign in")
        someone.sees("Overview")
        someone.is_told("Your password is set")

        someone.leave_backend()
        someone.sees("Sign in")
        someone.enter_backend(FIRST)
        someone.sees("Overview")

        page.goto(link)
        someone.sees("Overview")
        someone.is_told("This link has expired or was already used")
        someone.leave_backend()
        someone.expect_status(404)
        page.goto(link)
        someone.sees("This link has expired or was already used")


def test_a_visitor_becomes_an_author(new_person: NewPerson) -> None:
    """Join, comment, be made an author, write, be read, edit and delete."""
    visitor, owner = new_person(), new_person()
    visitor.join("acme", "Ada Byron")
    comment(visitor, "Springs are **patient**.")

    owner.enter_backend("owner@acme.test")
    make_author(owner, "Ada Byron")

    write(visitor, "On the first of springs", "It was *made by hand*.\n\n- wire\n- patience")
    address = visitor.page.url
    expect(visitor.page.locator("em", has_text="made by hand")).to_be_visible()
    expect(visitor.page.get_by_role("listitem").filter(has_text="patience")).to_be_visible()

    visitor.click("Edit", role="link")
    visitor.fill("Text", "It was made by **nobody**.")
    visitor.click("Save")
    expect(visitor.page.locator("strong", has_text="nobody")).to_be_visible()

    write(visitor, "A mistake", "Nobody should read this.")
    delete(visitor, "A mistake")

    anybody = new_person()
    anybody.expect_status(404)  # beside a feed, Chromium asks for /favicon.ico
    feed = anybody.go("acme", "/feed.xml").text()
    assert "On the first of springs" in feed
    assert "A mistake" not in feed
    anybody.go("acme")
    anybody.click("On the first of springs", role="link")
    assert anybody.page.url == address
    expect(anybody.page.get_by_text("made by nobody")).to_be_visible()


def comment(person: Person, markdown: str) -> None:
    """Comment on the newest post."""
    person.page.locator("article").get_by_role("link").first.click()
    person.fill("Your comment", markdown)
    person.click("Comment")
    said = person.page.get_by_role("article").filter(has_text="Ada Byron")
    expect(said.locator("strong", has_text="patient")).to_be_visible()


def make_author(owner: Person, name: str) -> None:
    """Make a member an author."""
    give_role(owner, name, "author")


def give_role(owner: Person, name: str, role: str) -> None:
    """Change a member's role in the site's own backend."""
    owner.manage("Acme Workshop")
    owner.menu().get_by_role("link", name="Members").click()
    row = owner.page.get_by_role("row").filter(has_text=name)
    row.get_by_label("Change the role").select_option(role)
    row.get_by_role("button", name="Change the role").click()
    owner.is_told(f"{name} is an {role} now.")


def write(author: Person, title: str, text: str) -> None:
    """Write a post, look at its preview, publish it and see it on the front page."""
    author.go("acme")
    author.menu().get_by_role("link", name="Write").click()
    author.fill("Title", title)
    author.fill("Text", text)
    author.click("Preview")
    expect(author.page.get_by_role("region", name="Preview")).to_be_visible()
    author.click("Publish")
    author.is_told("Published.")
    author.menu().get_by_role("link", name="Posts").click()
    author.click(title, role="link")
    author.sees(title)


def delete(author: Person, title: str) -> None:
    """Delete the post that is shown: not if the question is answered with no."""
    question = author.page.get_by_role("dialog", name=f"Delete “{title}” and its comments?")
    author.click("Delete")
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_have_count(0)
    author.sees(title)
    author.click("Delete")
    question.get_by_role("button", name="Delete").click()
    author.sees(f"“{title}” is deleted")
    author.click("Go to the front page", role="link")
    expect(author.page.get_by_role("link", name=title)).to_have_count(0)


def test_a_suspended_site_turns_its_visitors_away(operator: Person, visitor: Person) -> None:
    """The next click shows a dressed page that says so; after resuming, the site is back."""
    visitor.go("initech")
    post = visitor.page.locator("article").get_by_role("link").first

    operator.menu().get_by_role("link", name="Sites", exact=True).click()
    operator.click("initech", role="link")
    operator.click("Suspend", role="link")
    operator.fill("Reason", "The rent was not paid")
    operator.click("Suspend")
    operator.is_told("initech is suspended")
    expect(operator.page.get_by_text("The rent was not paid").first).to_be_visible()

    visitor.expect_status(403)
    with visitor.page.expect_navigation() as turned_away:
        post.click()
    assert turned_away.value.status == 403
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("suspended")
    expect(visitor.page.get_by_text("The rent was not paid")).to_have_count(0)
    visitor.wears("rgb(250, 249, 246)")
    expect(visitor.page.locator("h1")).to_have_css("font-family", re.compile("Georgia"))
    visitor.look("door-suspended")

    operator.click("Resume the site")
    operator.is_told("initech is served again")
    visitor.page.reload()
    expect(visitor.page.get_by_role("link", name="Join").first).to_be_visible()


ASK_AT_ONCE = """async () => {
    const ask = async () => {
        const answer = await fetch("/", {cache: "no-store"});
        return [answer.headers.get("X-Request-ID").split("-")[0], await answer.text()];
    };
    return Promise.all(Array.from({length: 8}, ask));
}"""


def test_an_owner_changes_the_look(new_person: NewPerson, visitor: Person) -> None:
    """Name, tagline and colour are there at the next load, whichever worker answers."""
    visitor.go("globex")
    visitor.wears("rgb(3, 105, 161)", ".brand-letter")

    owner = new_person().enter_backend("owner@globex.test")
    owner.manage("Globex Field Journal")
    owner.menu().get_by_role("link", name="Settings").click()
    owner.fill("Name of the site", "Globex Weather Letters")
    owner.fill("Tagline", "Mostly drizzle.")
    owner.fill("Accent colour", "#8a1c5b")
    owner.click("Save")
    owner.is_told("Saved.")

    visitor.page.reload()
    visitor.sees("Globex Weather Letters")
    expect(visitor.page.get_by_text("Mostly drizzle.")).to_be_visible()
    visitor.wears("rgb(138, 28, 91)", ".brand-letter")
    workers = set()
    for _ in range(20):
        for worker, text in visitor.page.evaluate(ASK_AT_ONCE):
            assert "Globex Weather Letters" in text
            workers.add(worker)
        if len(workers) == 2:
            return
    raise AssertionError(f"only {workers} answered")


def test_an_operator_creates_a_site(operator: Person, new_person: NewPerson) -> None:
    """The site is online at once; its owner's link leads to the first post in three clicks."""
    operator.click("New site", role="link")
    operator.fill("Address", "rosebud")
    operator.fill("Name of the site", "Rosebud Bakery")
    operator.fill("Owner's e-mail", "rosa@rosebud.test")
    operator.click("Create site")
    operator.sees("Rosebud Bakery is online")
    link = operator.page.get_by_label("Link", exact=True).input_value()

    owner = new_person()
    owner.page.goto(link)
    owner.fill("New password", PASSWORD)
    owner.fill("Repeat new password", PASSWORD)
    owner.click("Set password and sign in")
    owner.sees("Rosebud Bakery")
    assert owner.page.url == owner.address("rosebud")
    owner.click("Write the first post", role="link")
    owner.fill("Title", "Roses")
    owner.fill("Text", "They are open.")
    owner.click("Publish")
    owner.sees("Roses")
    owner.manage("Rosebud Bakery")


def test_an_operator_visits_a_site(operator: Person) -> None:
    """An operator manages a customer's site under a banner, and leaves it again."""
    operator.go("", "/backend/tenants/acme")
    visit = operator.page.locator("form").filter(has_text="For one hour")
    visit.get_by_label("Reason").fill("The owner called")
    visit.get_by_role("button", name="Manage as operator").click()
    operator.sees("Manage Acme Workshop")
    operator.click("Continue")
    expect(operator.page.get_by_text("You are signed in as platform operator")).to_be_visible()
    expect(
        operator.page.get_by_text("Entered the site's backend: The owner called")
    ).to_be_visible()
    operator.look("site-backend-as-operator")
    operator.click("Leave")
    operator.sees("Overview")
    assert OPERATOR in (operator.page.locator(".user-menu").text_content() or "")
