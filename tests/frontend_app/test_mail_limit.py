"""Nobody fills a mailbox from the front app: five mails an hour to an address, over all forms."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

from frontend_app import mails

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.frontend_app.conftest import Front

VICTIM, EVE = "victim@mail.test", "eve@mail.test"
TRIES = 8
MOST = 5

COUNTED = {"send_confirmation", "send_reset", "send_email_change", "send_invitation"}
"""Mails that a stranger can cause."""
OWN = {"send_new_device", "send_security_note"}
"""Mails about what their reader has just done: a stranger would need the reader's password."""


def sign_up(front: Front, number: int) -> None:
    """Sign up for another site each time, with the victim's address."""
    front.person().sign_up(f"site-{number}", email=VICTIM)


def forget(front: Front, number: int) -> None:
    """Ask for a link, also to a tag of the address, which arrives in the same mailbox."""
    front.person().post("/forgot", {"email": VICTIM if number else "victim+tag@mail.test"})


def invite(front: Front, number: int) -> None:
    """Invite from one site and the other."""
    site = ("bolt", "acme")[number % 2]
    form = {"invite-email": VICTIM, "invite-role": "staff"}
    assert front.person(EVE).post(f"/sites/{site}/people/invite", form).status_code == 303


def transfer(front: Front, number: int) -> None:
    """Offer a site to the victim, again and again."""
    site = ("bolt", "acme")[number % 2]
    form = {"transfer-email": VICTIM, "confirmed": "yes"}
    assert front.person(EVE).post(f"/sites/{site}/people/transfer", form).status_code == 303


def change_address(front: Front, _number: int) -> None:
    """Change one's own address to the victim's, which has to confirm."""
    assert front.person(EVE).post("/account/email", {"email": VICTIM}).status_code == 303


FORMS = (sign_up, forget, invite, transfer, change_address)


@pytest.fixture(autouse=True)
def _people(front: Front) -> None:
    """Let Eve own two sites. The victim has an account."""
    for email in (VICTIM, EVE):
        front.add_account(email)
    for slug in ("acme", "bolt"):
        front.add_tenant(slug, EVE)


def count(front: Front) -> int:
    """Return how many mails went to the victim's mailbox."""
    return len([mail for mail in front.mails() if mail["To"].startswith("victim")])


@pytest.mark.parametrize("send", FORMS)
def test_no_form_fills_a_mailbox(front: Front, send: Callable[[Front, int], None]) -> None:
    """Each form sends something, and the answers stay the same when no more mail goes out."""
    for number in range(TRIES):
        send(front, number)
    assert 0 < count(front) <= MOST


def test_all_forms_together_have_one_limit(front: Front) -> None:
    """Who takes another form, another account or another network causes no sixth mail."""
    for number in range(2):
        for send in FORMS:
            send(front, number)
    assert count(front) == MOST


def test_each_mail_is_counted_or_ones_own() -> None:
    """A new mail of the front app has to be put into one of the two lists, and a form in the test."""
    found = {
        name
        for name, _ in inspect.getmembers(mails, inspect.isfunction)
        if name.startswith("send_")
    }
    assert found - {"send_mail"} == COUNTED | OWN
    for name in COUNTED:
        assert "_send_counted(" in inspect.getsource(getattr(mails, name)), name
    for name in OWN:
        assert "_send(" in inspect.getsource(getattr(mails, name)), name
