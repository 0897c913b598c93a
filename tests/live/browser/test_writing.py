"""Text is never lost: sessions that end, two editors, leaving a page, with scripts and without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.live.browser.test_stories import give_role

if TYPE_CHECKING:
    from playwright.sync_api import Dialog

    from tests.live.browser.conftest import NewPerson
    from tests.live.browser.person import Person

SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])


def seat(new_person: NewPerson, name: str, role: str, *, scripts: bool) -> tuple[Person, str]:
    """Return a new member of Acme with a role, and the e-mail address."""
    person = new_person(java_script_enabled=scripts)
    email = person.join("acme", name)
    owner = new_person()
    owner.enter_backend("owner@acme.test")
    give_role(owner, name, role)
    return person, email


def open_editor(person: Person) -> None:
    """Open an empty page to write on."""
    person.go("acme", "/write?new=")
    person.sees("Write a post")


def sign_out_elsewhere(person: Person) -> None:
    """End the session in another tab of the same browser."""
    tab = person.context.new_page()
    tab.goto(person.address("acme"))
    tab.get_by_role("button", name="Sign out").click()
    expect(
        tab.get_by_role("navigation", name="Main").get_by_role("link", name="Join")
    ).to_be_visible()
    tab.close()


@SCRIPTS
def test_text_survives_a_session_that_ended_elsewhere(new_person: NewPerson, scripts: bool) -> None:  # noqa: FBT001
    """Write, sign out in another tab, publish, sign in: the text is in the editor, and is published."""
    title = f"Of patience {scripts}"
    author, email = seat(new_person, f"Una Lost {scripts}", "author", scripts=scripts)
    open_editor(author)
    author.fill("Title", title)
    author.fill("Text", "It is *not* lost.")
    sign_out_elsewhere(author)
    author.expect_status(401)
    author.click("Publish")
    author.sees("Sign in")
    author.is_told("Nothing is lost")
    author.look(f"sign-in-with-text-{scripts}") if scripts else None
    author.sign_in(email)
    author.sees("Write a post")
    expect(author.page.get_by_label("Title", exact=True)).to_have_value(title)
    expect(author.page.get_by_label("Text", exact=True)).to_have_value("It is *not* lost.")
    expect(author.page.get_by_text("This text is not saved.")).to_be_visible()
    if scripts:
        author.look("editor-restored")
    author.click("Publish")
    author.sees(title)
    expect(author.page.locator("em", has_text="not")).to_be_visible()
    author.go("acme", "/write")
    expect(author.page.get_by_label("Text", exact=True)).to_have_value("")


def test_back_from_the_sign_in_page_has_the_text(new_person: NewPerson) -> None:
    """Back leads to the sign-in page at most; after signing in there, the editor has the text."""
    author, email = seat(new_person, "Bea Back", "author", scripts=True)
    open_editor(author)
    author.fill("Title", "Going back")
    author.fill("Text", "Still here.")
    sign_out_elsewhere(author)
    author.expect_status(401)
    author.click("Publish")
    author.sees("Sign in")
    author.page.go_back()
    if author.page.get_by_role("heading", name="Sign in", level=1).count():
        author.sign_in(email)
    author.sees("Write a post")
    expect(author.page.get_by_label("Text", exact=True)).to_have_value("Still here.")


@SCRIPTS
def test_two_editors_of_one_post_see_both_texts(new_person: NewPerson, scripts: bool) -> None:  # noqa: FBT001
    """The second to save is shown what the first one saved, and merges by hand."""
    title = f"Of two minds {scripts}"
    first, _ = seat(new_person, f"Ann First {scripts}", "author", scripts=scripts)
    second, _ = seat(new_person, f"Bob Second {scripts}", "editor", scripts=scripts)
    open_editor(first)
    first.fill("Title", title)
    first.fill("Text", "One.")
    first.click("Publish")
    first.sees(title)
    address = first.page.url
    for person in (first, second):
        person.page.goto(address)
        person.click("Edit", role="link")
        person.sees("Edit the post")
    first.fill("Text", "One, by Ann.")
    first.click("Save")
    first.sees(title)

    second.expect_status(409)
    second.fill("Text", "One, by Bob.")
    second.click("Save")
    second.sees("This post was saved while you were writing")
    mine = second.page.locator("form").filter(has_text="Your text")
    theirs = second.page.locator("form").filter(has_text="The saved text")
    expect(mine.get_by_label("Text", exact=True)).to_have_value("One, by Bob.")
    expect(theirs.get_by_label("Text", exact=True)).to_have_value("One, by Ann.")
    if scripts:
        second.look("conflict")
    mine.get_by_label("Text", exact=True).fill("One, by Ann and Bob.")
    second.click("Save my text")
    second.sees(title)
    expect(second.page.get_by_text("One, by Ann and Bob.")).to_be_visible()


def test_leaving_with_unsaved_text_asks_and_keeps_it(new_person: NewPerson) -> None:
    """A link out of the editor asks; whoever leaves finds the text there again."""
    author, _ = seat(new_person, "Lea Leaves", "author", scripts=True)
    open_editor(author)
    author.page.get_by_label("Text", exact=True).press_sequentially("Half a thought")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    author.page.once("dialog", stay)
    author.menu().get_by_role("link", name="Posts").click()
    expect(author.page.get_by_label("Text", exact=True)).to_have_value("Half a thought")
    assert asked == ["beforeunload"]
    author.page.once("dialog", lambda dialog: dialog.accept())
    author.menu().get_by_role("link", name="Posts").click()
    author.sees("Acme Workshop")
    author.menu().get_by_role("link", name="Write").click()
    expect(author.page.get_by_label("Text", exact=True)).to_have_value("Half a thought")


def test_text_is_kept_on_the_site_while_it_is_typed(new_person: NewPerson) -> None:
    """A few seconds after a change another browser of the same member has the text."""
    author, email = seat(new_person, "Kay Keeps", "author", scripts=True)
    open_editor(author)
    author.page.get_by_label("Text", exact=True).press_sequentially("Typed here")
    expect(author.page.get_by_text("It is not saved yet.")).to_be_visible()
    elsewhere = new_person()
    elsewhere.go("acme", "/members/sign-in?next=/write")
    elsewhere.sign_in(email)
    expect(elsewhere.page.get_by_label("Text", exact=True)).to_have_value("Typed here")


def test_a_preview_without_a_session_says_so(new_person: NewPerson) -> None:
    """No sign-in page appears in the editor, and the text stays where it is."""
    author, _ = seat(new_person, "Pia Preview", "author", scripts=True)
    open_editor(author)
    author.fill("Text", "Look at me")
    sign_out_elsewhere(author)
    author.expect_status(401)
    author.click("Preview")
    expect(author.page.get_by_role("alert")).to_contain_text("no longer signed in")
    expect(author.page.get_by_role("heading", name="Sign in")).to_have_count(0)
    expect(author.page.get_by_label("Text", exact=True)).to_have_value("Look at me")
    author.page.once("dialog", lambda dialog: dialog.accept())


@SCRIPTS
def test_a_deleted_post_is_asked_for_and_restored(new_person: NewPerson, scripts: bool) -> None:  # noqa: FBT001
    """A dialog asks, or a page; afterwards Undo brings the post back."""
    title = f"Of regret {scripts}"
    author, _ = seat(new_person, f"Rae Regret {scripts}", "author", scripts=scripts)
    open_editor(author)
    author.fill("Title", title)
    author.fill("Text", "Keep me.")
    author.click("Publish")
    author.click("Delete")
    if scripts:
        question = author.page.get_by_role("dialog")
        expect(question).to_contain_text("and its comments?")
        author.look("dialog")
        question.get_by_role("button", name="Delete").click()
    else:
        author.sees(f"Delete “{title}” and its comments?")
        author.click("Delete")
    author.sees(f"“{title}” is deleted")
    if scripts:
        author.look("deleted")
    author.click("Undo")
    author.sees(title)
    author.is_told("is restored.")


@SCRIPTS
def test_a_comment_is_confirmed_beside_the_form(new_person: NewPerson, scripts: bool) -> None:  # noqa: FBT001
    """The message is in sight, and has the focus."""
    member = new_person(java_script_enabled=scripts)
    member.join("acme", f"Com Menter {scripts}")
    member.page.locator("article").get_by_role("link").first.click()
    member.fill("Your comment", "Well said.")
    member.click("Comment")
    message = member.page.get_by_role("status").filter(has_text="Your comment is here.")
    expect(message).to_be_in_viewport()
    expect(message).to_be_focused()
    expect(member.page.get_by_label("Your comment", exact=True)).to_have_value("")
    if scripts:
        member.look("commented")
