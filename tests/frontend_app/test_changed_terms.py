"""Terms that have changed are accepted at the next sign-in, before there is a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tests.frontend_app.conftest import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.frontend_app.conftest import Front, Person

OLGA = "olga@mail.test"


@pytest.fixture
def terms(tmp_path: Path) -> Path:
    """Return the file with the terms."""
    file = tmp_path / "terms.md"
    file.write_text("# Be kind")
    return file


@pytest.fixture
def front(make_front: Callable[..., Front], terms: Path) -> Front:
    """Return a platform with terms, and an account that has not accepted any."""
    front = make_front(terms_file=terms)
    front.add_account(OLGA)
    return front


def version_in(page: str) -> str:
    """Return the version of the terms that a form was made for."""
    return page.partition('name="terms_version" value="')[2][:12]


def accept(person: Person, path: str, **changes: str) -> tuple[int, str, str]:
    """Send the form as the page shows it; return status, where it leads, and the page."""
    form = {"terms": "y", "terms_version": version_in(person.get(path).text), **changes}
    answer = person.post(path, form)
    return answer.status_code, answer.location or "", answer.text


def test_who_accepts_goes_on_to_the_page_asked_for(front: Front) -> None:
    """There is no session before the yes; afterwards nobody is asked again."""
    person = front.person()
    path = person.sign_in(OLGA, query_string={"next": "/account"}).location
    assert path == "/signin/terms?next=/account"
    page = person.get(path).text
    assert "Be kind</h1>" in page
    assert person.get("/account/").status_code == 303, "not signed in yet"
    assert accept(person, path)[:2] == (303, "/account")
    assert person.get("/account/").status_code == 200
    assert "account.terms" in front.actions()
    assert front.person().sign_in(OLGA).location == "/sites/"


def test_without_a_yes_nobody_is_signed_in(front: Front, terms: Path) -> None:
    """Nor with a yes to terms that have changed since the page was made."""
    person = front.person()
    path = person.sign_in(OLGA).location
    status, _, page = accept(person, path, terms="")
    assert (status, "Accept the terms to go on." in page) == (422, True)
    old = version_in(page)
    terms.write_text("# Be kinder")
    status, _, page = accept(person, path, terms_version=old)
    assert (status, "Be kinder</h1>" in page) == (422, True)
    assert "The terms have changed. Read and accept them" in page
    assert person.get("/sites").status_code == 303
    assert accept(person, path)[0] == 303
    assert person.get("/sites").status_code == 200


def test_changed_terms_are_asked_for_again(front: Front, terms: Path) -> None:
    """A session that is there goes on; the next sign-in asks."""
    person = front.person()
    accept(person, person.sign_in(OLGA).location)
    terms.write_text("# Be kinder")
    assert person.get("/sites").status_code == 200
    assert front.person().sign_in(OLGA).location == "/signin/terms"


def test_nobody_comes_to_the_terms_without_a_proof(front: Front) -> None:
    """The page is a step of a sign-in, and leads to its begin."""
    stranger = front.person()
    assert stranger.get("/signin/terms?next=/account").location == "/signin?next=/account"
    assert stranger.post("/signin/terms", {"terms": "y"}).location == "/signin"


def test_who_joins_by_an_invitation_accepts_them(front: Front, terms: Path) -> None:
    """The account is made with the yes, and its first sign-in does not ask again."""
    front.add_tenant("acme", OLGA)
    acme = front.catalog.tenants.get("acme")
    token = front.catalog.invitations.create(
        "otto@mail.test", "staff", tenant_id=acme.id, by=SYSTEM
    )
    path, otto = f"/invitation/{token}", front.person()
    assert 'href="/terms">Read the terms' in otto.get(path).text
    form = {"password": PASSWORD, "again": PASSWORD}
    status, _, page = accept(otto, path, **form, terms="")
    assert (status, "Accept the terms to go on." in page) == (422, True)
    old = version_in(page)
    terms.write_text("# Be kinder")
    status, _, page = accept(otto, path, **form, terms_version=old)
    assert (status, "The terms have changed." in page) == (422, True)
    assert front.catalog.accounts.find("otto@mail.test") is None
    assert accept(otto, path, **form)[:2] == (303, "/sites/")
    account = front.catalog.accounts.find("otto@mail.test")
    assert account is not None
    assert account.terms_version == version_in(page)
    assert front.person().sign_in("otto@mail.test").location == "/sites/"


def test_unreadable_terms_keep_no_colleague_out(front: Front, terms: Path) -> None:
    """They are asked at a later sign-in, when the file is back."""
    front.add_tenant("acme", OLGA)
    acme = front.catalog.tenants.get("acme")
    token = front.catalog.invitations.create(
        "otto@mail.test", "staff", tenant_id=acme.id, by=SYSTEM
    )
    terms.unlink()
    form = {"password": PASSWORD, "again": PASSWORD}
    assert front.person().post(f"/invitation/{token}", form).status_code == 303
    terms.write_text("# Be kind")
    assert front.person().sign_in("otto@mail.test").location == "/signin/terms"


def test_operators_and_unreadable_terms_keep_nobody_out(front: Front, terms: Path) -> None:
    """Who writes the terms is not asked, and a missing file is the log's business."""
    front.add_account("op@mail.test", operator=True)
    assert front.person().sign_in("op@mail.test", PASSWORD).location != "/signin/terms"
    terms.unlink()
    assert front.person().sign_in(OLGA).location == "/sites/"


def test_terms_in_another_encoding_close_nothing(front: Front, terms: Path) -> None:
    """The file is read for each page: one that an editor has spoilt is as good as none."""
    terms.write_bytes("Räume".encode("latin-1"))
    page = front.get("/")
    assert page.status_code == 200
    assert 'terms">Terms</a>' not in page.text
    assert front.person().sign_in(OLGA).location == "/sites/"


def test_terms_without_a_text_are_none(front: Front, terms: Path) -> None:
    """An emptied file leaves no link to a page that is not there, and nobody has to accept it."""
    assert 'terms">Terms</a>' in front.get("/").text
    terms.write_text(" \n")
    assert 'terms">Terms</a>' not in front.get("/").text
    assert front.get("/terms").status_code == 404
    assert front.person().sign_in(OLGA).location == "/sites/"
