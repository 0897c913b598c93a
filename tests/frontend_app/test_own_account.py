"""An account's own pages: what changes, who is told, what ends, and that it is one's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM, Account
from tests.frontend_app.conftest import PASSWORD
from tests.mails import text_of
from tests.markup import find_flaws

if TYPE_CHECKING:
    from tests.frontend_app.conftest import Front

OLGA = "olga@mail.test"
NEW = "seven green umbrellas in rain"


@pytest.fixture
def olga(front: Front) -> Account:
    """Return the owner of Acme."""
    account = front.add_account(OLGA)
    front.add_tenant("acme", OLGA)
    return account


PAGES = (
    "",
    "/email",
    "/password",
    "/sessions",
    "/security",
    "/security/authenticator",
    "/data",
    "/delete",
)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_valid_and_private(front: Front, olga: Account, path: str) -> None:
    """A browser may show it to its person, and no cache keeps it."""
    answer = front.person(OLGA).get(f"/account{path}")
    assert find_flaws(answer.text) == []
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert front.person().get(f"/account{path}").status_code == 303


def test_the_profile(front: Front, olga: Account) -> None:
    """Name, language and time zone; what is none is refused."""
    person = front.person(OLGA)
    form = {"name": "Olga <b>O.</b>", "language": "de", "time_zone": "Europe/Berlin"}
    assert person.post("/account/", form).status_code == 303
    account = front.catalog.accounts.find(OLGA)
    assert account is not None
    assert (account.name, account.language, account.time_zone) == (
        "Olga <b>O.</b>",
        "de",
        "Europe/Berlin",
    )
    page = person.get("/account/sessions").text
    assert "CET" in page or "CEST" in page
    for wrong in ({"time_zone": "Mars/Base"}, {"language": "xx"}, {"name": "x" * 101}):
        assert person.post("/account/", form | wrong).status_code == 422


def test_an_address_changes_when_both_confirm(front: Front, olga: Account) -> None:
    """A link goes to each; sites follow the address, and signing in does."""
    person = front.person(OLGA)
    assert person.post("/account/email", {"email": OLGA}).status_code == 422
    assert person.post("/account/email", {"email": "olga@new.test"}).status_code == 303
    old, new = front.link(OLGA), front.link("olga@new.test")
    anyone = front.person()
    assert find_flaws(anyone.get(old).text) == []
    assert front.catalog.accounts.find("olga@new.test") is None
    assert "Confirmed" in anyone.post(old).text
    assert anyone.post(old).status_code == 404
    assert "is changed" in anyone.post(new).text
    assert front.catalog.tenants.get("acme").owners == ("olga@new.test",)
    assert front.person().sign_in(OLGA).status_code == 422
    assert front.person().sign_in("olga@new.test").status_code == 303


def test_a_change_of_address_can_be_taken_back(front: Front, olga: Account) -> None:
    """Its links then do nothing."""
    person = front.person(OLGA)
    person.post("/account/email", {"email": "olga@new.test"})
    link = front.link("olga@new.test")
    assert "olga@new.test" in person.get("/account/email").text
    person.post("/account/email/withdraw")
    assert front.person().post(link).status_code == 404


def test_the_password_changes_and_other_sessions_end(front: Front, olga: Account) -> None:
    """Only with the current one; guessing it is slowed down; its holder is told."""
    person, other = front.person(OLGA), front.person(OLGA)
    form = {"current": PASSWORD, "password": NEW, "again": NEW}
    assert person.post("/account/password", form | {"password": "short"}).status_code == 422
    assert person.post("/account/password", form | {"current": "wrong"}).status_code == 422
    assert person.post("/account/password", form).status_code == 303
    assert person.get("/account/").status_code == 200
    assert other.get("/account/").status_code == 303
    assert "was changed" in text_of(front.mails(OLGA)[-1])
    texts = [person.post("/account/password", form | {"current": "wrong"}).text for _ in range(12)]
    assert "Too many tries" in texts[-1]


def test_sessions_end_one_by_one_or_all(front: Front, olga: Account) -> None:
    """One's own, and never this one or another account's (R40)."""
    front.add_account("eve@mail.test")
    person, other, third = (front.person(OLGA) for _ in range(3))
    eve = front.person("eve@mail.test")
    ids = {session.id for session in front.catalog.sessions.list(olga.id)}
    with person.client.session_transaction(base_url="http://example.test") as kept:
        own = kept["id"]
    page = person.get("/account/sessions").text
    assert page.count("End<span") == 2
    target = next(it for it in ids - {own})
    assert eve.post(f"/account/sessions/{target}/end").status_code == 303
    assert {session.id for session in front.catalog.sessions.list(olga.id)} == ids
    assert person.post(f"/account/sessions/{own}/end").status_code == 404
    person.post(f"/account/sessions/{target}/end")
    assert sorted([other.get("/sites").status_code, third.get("/sites").status_code]) == [200, 303]
    person.post("/account/sessions/end-others")
    assert {other.get("/sites").status_code, third.get("/sites").status_code} == {303}
    assert person.get("/sites").status_code == 200


def test_the_export(front: Front, olga: Account) -> None:
    """A file of JSON with what is known, and no secret."""
    answer = front.person(OLGA).post("/account/data/export")
    assert "attachment" in answer.headers["Content-Disposition"]
    found = json.loads(answer.data)
    assert found["email"] == OLGA
    assert found["sites"] == [{"slug": "acme", "name": "Acme", "role": "owner"}]
    assert "argon2" not in answer.text


def test_an_account_ends_when_no_site_needs_it(front: Front, olga: Account) -> None:
    """Its address is typed; the only owner of a site stays; afterwards nobody signs in."""
    person = front.person(OLGA)
    assert person.post("/account/delete", {"typed": "eve@mail.test"}).status_code == 422
    refused = person.post("/account/delete", {"typed": OLGA})
    assert (refused.status_code, "only owner of acme" in refused.text) == (422, True)
    acme = front.catalog.tenants.get("acme")
    front.catalog.memberships.add_owner(acme.id, "otto@mail.test", by=SYSTEM)
    answer = person.post("/account/delete", {"typed": OLGA.upper()})
    assert "Your account is deleted" in answer.text
    assert find_flaws(answer.text) == []
    assert person.get("/account/").status_code == 303
    assert front.person().sign_in(OLGA).status_code == 422
    assert front.catalog.tenants.get("acme").owners == ("otto@mail.test",)


def test_passkeys_need_a_challenge_of_this_session(front: Front, olga: Account) -> None:
    """Made-up answers, and answers without a question, add and open nothing."""
    person = front.person(OLGA)
    options = person.post("/account/security/passkeys/options").get_json()
    assert options["rp"]["id"] == "example.test"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    for answer in ("", "{}", "not json", '{"id": 1}', '{"id": "AAAA", "rawId": "AAAA"}'):
        person.post("/account/security/passkeys/options")
        person.post("/account/security/passkeys", {"answer": answer, "name": "x"})
    assert front.catalog.second_factors.list_passkeys(olga.id) == ()
    stranger = front.person()
    for answer in ("", "{}", '{"id": "AAAA", "response": {}}'):
        stranger.post("/signin/passkey/options")
        assert stranger.post("/signin/passkey", {"answer": answer}).location == "/signin"
    assert stranger.get("/sites").status_code == 303
