"""The front app's mails speak the language of their reader, and name times in the reader's zone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest
from jinja2 import Environment, meta

import frontend_app
from frontend_app.mails import SecurityChange, send_security_note
from tenantry.catalog import SYSTEM
from tests.mails import text_of

if TYPE_CHECKING:
    from tests.frontend_app.conftest import Front

OLGA = "olga@mail.test"
FOLDER = Path(frontend_app.__file__).parent / "templates" / "mail"
TEMPLATES = sorted(path for path in FOLDER.glob("*.txt") if len(path.suffixes) == 1)
GERMAN = {"Accept-Language": "de-AT,de;q=0.9"}


def configure(front: Front, language: str, zone: str = "") -> None:
    """Let Olga choose a language and a time zone."""
    account = front.catalog.accounts.find(OLGA) or front.add_account(OLGA)
    front.catalog.account_changes.configure(
        account.id, name="Olga", language=language, time_zone=zone, by=SYSTEM
    )


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_each_mail_is_there_in_german(path: Path) -> None:
    """It says the same: it uses the same values."""
    parse, german = Environment(autoescape=True).parse, path.with_suffix(".de.txt")
    wanted, found = (
        meta.find_undeclared_variables(parse(it.read_text(encoding="utf-8")))
        for it in (path, german)
    )
    assert found == wanted


@pytest.mark.parametrize(
    ("chosen", "headers", "subject"),
    [
        pytest.param("de", {}, "Neues Passwort", id="chosen"),
        pytest.param("en", GERMAN, "Set a new password", id="chosen, on another's browser"),
        pytest.param("", GERMAN, "Neues Passwort", id="the browser's"),
        pytest.param("", {"Accept-Language": "fr"}, "Set a new password", id="neither"),
    ],
)
def test_a_mail_is_in_the_readers_language(
    front: Front, chosen: str, headers: dict[str, str], subject: str
) -> None:
    """What the account has chosen counts more than the browser; the page says which it is."""
    configure(front, chosen)
    front.person().post("/forgot", {"email": OLGA}, headers=headers)
    (mail,) = front.mails(OLGA)
    assert (
        mail["Subject"] == f"{subject} {'für' if subject.startswith('N') else 'for'} example.test"
    )
    page = mail.get_body(("html",))
    assert page is not None
    assert f'<html lang="{"de" if subject.startswith("N") else "en"}">' in page.get_content()


def test_an_invitation_is_in_the_sites_language(front: Front) -> None:
    """Nobody knows that of an address without an account."""
    front.add_account(OLGA)
    site = front.add_tenant("acme", OLGA)
    front.catalog.tenants.configure(site.id, settings={"language": "de"}, by=SYSTEM)
    form = {"invite-email": "otto@mail.test", "invite-role": "staff"}
    front.person(OLGA).post("/sites/acme/people/invite", form)
    (mail,) = front.mails("otto@mail.test")
    assert "lädt Sie zu Acme ein" in mail["Subject"]
    assert "als Verwalter" in text_of(mail)


def test_a_sign_in_is_told_in_the_readers_time(front: Front) -> None:
    """Auckland is half a day ahead."""
    configure(front, "de", "Pacific/Auckland")
    front.person(OLGA)
    (mail,) = front.mails(OLGA)
    assert "NZDT" in text_of(mail) or "NZST" in text_of(mail)


def test_each_security_note_has_its_sentence(front: Front) -> None:
    """In both languages, and each is another one."""
    told = set()
    changes: tuple[SecurityChange, ...] = get_args(SecurityChange)
    for language in ("en", "de"):
        configure(front, language)
        account = front.catalog.accounts.find(OLGA)
        assert account is not None
        with front.app.test_request_context():
            for what in changes:
                send_security_note(account, what)
    for mail in front.mails(OLGA):
        told.add(text_of(mail).splitlines()[0])
    assert len(told) == 2 * len(changes)
