"""From a stranger to the owner of a site, and on to the end of the account, as people do it."""

from __future__ import annotations

import email
import email.policy
import re
import time
from typing import TYPE_CHECKING

import pyotp
import pytest
from playwright.sync_api import expect

from tests.conftest import eventually
from tests.live.browser.person import PASSWORD

if TYPE_CHECKING:
    from tests.live.browser.conftest import NewPerson
    from tests.live.browser.person import Person
    from tests.live.server import Server

NEW_PASSWORD = "seven green umbrellas in rain"
LINK = re.compile(r"http://localhost:\d+/\S+")


def find_link(server: Server, to: str, subject: str) -> str:
    """Return the link of the newest mail to somebody about something."""

    def find() -> list[tuple[int, str]]:
        found = []
        for file in (server.data / "mail").rglob("*.eml"):
            mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            if mail["To"] == to and subject in mail["Subject"]:
                body = mail.get_body(("plain",))
                assert body is not None
                link = LINK.findall(body.get_content())[-1]
                found.append((file.stat().st_mtime_ns, link))
        return sorted(found)

    eventually(find)
    return find()[-1][1]


def sign_up(person: Person, slug: str, title: str, address: str) -> None:
    """Go to a name that nobody has, and make it one's own."""
    person.go(slug, status=404)
    person.click("Get this name", role="link")
    person.sees("Get a site")
    expect(person.page.get_by_label("Name of the site")).to_have_value(slug)
    person.fill("Title", title)
    person.fill("E-mail", address)
    person.fill("Password", PASSWORD)
    person.page.wait_for_timeout(1600)  # people type
    person.click("Create the site")
    person.sees(title)


def sign_in(person: Person, address: str, password: str = PASSWORD) -> None:
    """Sign in at the platform."""
    person.go("", "/signin")
    person.fill("E-mail", address)
    person.fill("Password", password)
    person.click("Sign in")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "none"])
def test_a_stranger_owns_a_site(platform: Server, new_person: NewPerson, *, scripts: bool) -> None:
    """Three clicks to the first post; the address is confirmed from the mail; a colleague joins."""
    kind = "js" if scripts else "plain"
    slug, address = f"bakery-{kind}", f"olga-{kind}@mail.test"
    olga = new_person(java_script_enabled=scripts)
    sign_up(olga, slug, "Olga's Bakery", address)
    expect(olga.page.get_by_text("This site is new")).to_be_visible()
    expect(olga.page.get_by_role("heading", name="First steps")).to_be_visible()
    if scripts:
        olga.look("new-site")
    olga.click("Write the first post", role="link")
    olga.fill("Title", "Bread")
    olga.fill("Text", "It is *fresh*.")
    olga.click("Publish")
    olga.sees("Bread")

    olga.page.goto(find_link(platform, address, "Confirm your address"))
    olga.click("Confirm the address")
    olga.is_told("is confirmed")
    olga.go(slug)
    expect(olga.page.get_by_text("This site is new")).to_have_count(0)

    olga.go("", f"/sites/{slug}/people")
    colleague = f"otto-{kind}@mail.test"
    olga.page.get_by_label("E-mail").first.fill(colleague)
    olga.click("Send the invitation")
    olga.is_told(f"A mail went to {colleague}")
    otto = new_person(java_script_enabled=scripts)
    otto.page.goto(find_link(platform, colleague, "invites you"))
    otto.fill("Your name", "Otto")
    otto.fill("New password", PASSWORD)
    otto.fill("Repeat new password", PASSWORD)
    otto.click("Create the account and accept")
    otto.is_told("Welcome to Olga's Bakery")
    otto.click("Manage Olga's Bakery")
    otto.click("Continue")
    otto.sees("Olga's Bakery")

    hand_over(platform, olga, otto, slug, colleague)
    forgetful = new_person(java_script_enabled=scripts)
    forget_password(platform, forgetful, colleague)
    use_second_factor(forgetful, colleague)
    leave_and_delete(olga, slug, address)


def hand_over(platform: Server, olga: Person, otto: Person, slug: str, colleague: str) -> None:
    """Offer the site, and say so twice; the other one accepts from the mail."""
    olga.go("", f"/sites/{slug}/people")
    olga.page.get_by_label("E-mail").last.fill(colleague)
    olga.click("Offer the site")
    olga.click("Offer the site")
    olga.is_told(f"A mail went to {colleague}")
    otto.page.goto(find_link(platform, colleague, "wants to give you"))
    otto.click("Accept")
    otto.is_told("Welcome to Olga's Bakery")
    expect(otto.page.get_by_text("· owner")).to_be_visible()


def forget_password(platform: Server, person: Person, address: str) -> None:
    """Ask for a link, and set another password with it."""
    person.go("", "/signin")
    person.click("Forgot your password?", role="link")
    person.fill("E-mail", address)
    person.click("Send a link")
    person.sees("Look into your mail")
    person.page.goto(find_link(platform, address, "Set a new password"))
    person.fill("New password", NEW_PASSWORD)
    person.fill("Repeat new password", NEW_PASSWORD)
    person.click("Set password and sign in")
    person.sees("Olga's Bakery")


def use_second_factor(person: Person, address: str) -> None:
    """Add an authenticator, and sign in with a code of it."""
    totp = add_authenticator(person)
    person.click("Sign out")
    sign_in(person, address, NEW_PASSWORD)
    person.sees("Second factor")
    person.fill("Code", totp.now())
    person.click("Continue")
    person.sees("My sites")


def add_authenticator(person: Person) -> pyotp.TOTP:
    """Add an authenticator; its code of the step before is used up with that."""
    person.go("", "/account/security/authenticator")
    totp = pyotp.TOTP(person.page.locator("code").inner_text())
    person.fill("Code", totp.at(int(time.time()) - 30))
    person.click("Continue")
    person.is_told("Your authenticator works")
    return totp


def leave_and_delete(person: Person, slug: str, address: str) -> None:
    """Leave the site that is another one's now, and delete the account."""
    person.go("", f"/sites/{slug}/people")
    person.click("Leave")
    dialog = person.page.get_by_role("dialog")
    (dialog if dialog.count() else person.page).get_by_role("button", name="Leave").click()
    person.is_told("You have left")
    person.go("", "/account/data")
    person.click("Delete my account", role="link")
    person.fill("Type your e-mail address to delete your account", address)
    person.click("Delete my account")
    person.sees("Your account is deleted")
    person.expect_status(422)
    sign_in(person, address)
    expect(person.page.get_by_role("alert")).to_have_text(
        "Wrong e-mail or password. Check both, and try again."
    )


def test_a_second_factor(new_person: NewPerson) -> None:
    """An authenticator and a passkey: each signs in, and the password alone does not."""
    owner = new_person()
    sign_in(owner, "owner@initech.test")
    owner.sees("My sites")
    totp = add_authenticator(owner)
    expect(owner.page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    owner.look("account-security-with-codes")

    device = owner.context.new_cdp_session(owner.page)
    device.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    device.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    owner.go("", "/account/security")
    owner.fill("Name of the passkey", "My telephone")
    owner.click("Add a passkey")
    owner.is_told("Your passkey is added")
    expect(owner.page.get_by_text("My telephone").first).to_be_visible()

    owner.click("Sign out")
    sign_in(owner, "owner@initech.test")
    owner.sees("Second factor")
    owner.look("front-second")
    owner.fill("Code", totp.now())
    owner.click("Continue")
    owner.sees("My sites")

    owner.click("Sign out")
    owner.go("", "/signin")
    owner.click("Use a passkey")
    owner.sees("My sites")
