"""Signing in: what is refused, a second factor, a forgotten password, and where it leads."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyotp
import pytest
from sqlalchemy import update

from frontend_app.authenticators import STEP
from tenantry.catalog import SYSTEM, Account
from tenantry.catalog.models import LinkRecord, SessionRecord
from tests.frontend_app.conftest import PASSWORD
from tests.hashing import every_place_taken
from tests.mails import text_of
from tests.markup import find_flaws

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.frontend_app.conftest import Front, Person

OLGA = "olga@mail.test"
JSON = {"Accept": "application/json"}


@pytest.fixture
def olga(front: Front) -> Account:
    """Return an account with a password."""
    return front.add_account(OLGA)


def add_authenticator(front: Front, person: Person) -> pyotp.TOTP:
    """Add one as people do, with the code of a step that is over soon."""
    page = person.get("/account/security/authenticator").text
    totp = pyotp.TOTP(re.findall(r"Key: <code>(\w+)</code>", page)[0])
    earlier = int(time.time()) - STEP
    answer = person.post("/account/security/authenticator", {"code": totp.at(earlier)})
    assert answer.status_code == 303, answer.text
    return totp


def test_signing_in_and_out(front: Front, olga: Account) -> None:
    """The cookie is host-only and ends with its record, also for a copy of it."""
    person = front.person()
    answer = person.sign_in("  OLGA@mail.test ")
    assert (answer.status_code, answer.location) == (303, "/sites/")
    cookie = next(it for it in answer.headers.getlist("Set-Cookie") if it.startswith("account="))
    assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    copied = person.client.get_cookie("account", domain="example.test")
    assert copied is not None
    assert person.get("/signin").location == "/sites/"
    assert person.post("/signout").status_code == 303
    thief = front.person()
    thief.client.set_cookie("account", copied.value, domain="example.test")
    assert thief.get("/sites").location == "/signin?next=/sites"
    assert {"account.sign-in", "account.sign-out"} <= set(front.actions())


def test_wrong_and_unknown_are_the_same(front: Front, olga: Account) -> None:
    """R34: one sentence for a wrong password and an unknown address; then R51's wait, for both."""
    texts, statuses = [], []
    for email in (OLGA, "nobody@mail.test"):
        person = front.person()
        answers = [person.sign_in(email, "wrong") for _ in range(6)]
        statuses.append([answer.status_code for answer in answers])
        texts.append(answers[0].text.replace(email, "x"))
    assert statuses == [[422] * 5 + [429]] * 2
    tokens = re.compile(r'name="csrf_token" value="[^"]+"')
    assert tokens.sub("", texts[0]) == tokens.sub("", texts[1])
    assert "Wrong e-mail or password." in texts[0]
    elsewhere = front.person()
    assert elsewhere.sign_in(OLGA).status_code == 303


def test_a_busy_process_counts_no_try(front: Front, olga: Account) -> None:
    """While all places to hash in are taken, the answer is 503 at once."""
    person = front.person()
    with every_place_taken():
        answers = [person.sign_in(OLGA) for _ in range(12)]
    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].headers["Retry-After"] == "2"
    assert person.sign_in(OLGA).status_code == 303


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/account/data", "/account/data"),
        ("//evil.test", "/sites/"),
        ("https://evil.test", "/sites/"),
        ("/\\evil.test", "/sites/"),
        ("", "/sites/"),
    ],
)
def test_it_leads_back_to_this_host_only(
    front: Front, olga: Account, target: str, expected: str
) -> None:
    """R12: a link to the sign-in page leads nowhere else afterwards."""
    person = front.person()
    form = {"email": OLGA, "password": PASSWORD, "csrf_token": person.token()}
    answer = person.open("POST", "/signin", query_string={"next": target}, data=form)
    assert answer.location == expected


def test_an_operator_goes_to_the_console(front: Front) -> None:
    """Everybody else goes to their sites."""
    front.add_account("op@mail.test", operator=True)
    assert front.person().sign_in("op@mail.test").location == "http://example.test:8000/backend/"


def test_a_sites_backend_sends_people_here_and_gets_them_back(front: Front, olga: Account) -> None:
    """By a link for one use; who has no role there stays here, and that is in the site's trail."""
    acme = front.add_tenant("acme", OLGA)
    front.add_account("eve@mail.test")
    form = {"email": OLGA, "password": PASSWORD}
    path = "/signin?site=acme&next=/backend/settings"
    person = front.person()
    answer = person.post(path, form)
    found = re.search(
        r"http://acme\.example\.test:8000/backend/enter/([\w-]+)\?next=%2Fbackend%2Fsettings",
        answer.headers["Refresh"],
    )
    assert found is not None
    assert front.catalog.links.peek("enter", found[1], tenant_id=acme.id).id == olga.id
    assert person.get(path).location.startswith("http://acme.example.test:8000/backend/enter/")

    eve = front.person()
    assert eve.post(path, {**form, "email": "eve@mail.test"}).location == "/sites/"
    trail = front.catalog.audit.list(tenant_id=acme.id).items
    assert "backend.refused" in [event.action for event in trail]


def test_a_new_device_is_told(front: Front, olga: Account) -> None:
    """Once: the same device is known the next time."""
    person = front.person()
    person.sign_in(OLGA, headers={"User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/130"})
    (mail,) = front.mails(OLGA)
    assert "Firefox on Linux" in text_of(mail)
    person.post("/signout")
    person.sign_in(OLGA)
    assert len(front.mails(OLGA)) == 1
    front.person().sign_in(OLGA)
    assert len(front.mails(OLGA)) == 2


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_form_is_refused(front: Front, olga: Account, site: str) -> None:
    """R22: also a sibling site's, which a browser calls same-site."""
    person = front.person()
    answer = person.sign_in(OLGA, headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 403
    form = {"email": OLGA, "password": PASSWORD}
    assert person.open("POST", "/signin", data=form).status_code == 400
    other = front.person()
    assert (
        person.open("POST", "/signin", data={**form, "csrf_token": other.token()}).status_code
        == 400
    )


def test_a_planted_cookie_signs_nobody_in(front: Front, olga: Account) -> None:
    """R18: of two cookies of one name, neither counts."""
    person = front.person(OLGA)
    cookie = person.client.get_cookie("account", domain="example.test")
    assert cookie is not None
    other = front.person()
    other.client = front.app.test_client(use_cookies=False)
    header = {"Cookie": f"account={cookie.value}; account=planted"}
    assert other.get("/sites", headers=header).status_code == 303
    assert other.get("/sites", headers={"Cookie": f"account={cookie.value}"}).status_code == 200


# --- the second factor ----------------------------------------------------------------------------


def test_with_a_second_factor_the_password_alone_opens_nothing(front: Front, olga: Account) -> None:
    """R52: a code works once, a wrong one is refused, and the page before is worth nothing."""
    totp = add_authenticator(front, front.person(OLGA))
    person = front.person()
    answer = person.sign_in(OLGA)
    assert answer.location == "/signin/second"
    assert person.get("/sites").status_code == 303
    page = person.get("/signin/second")
    assert find_flaws(page.text) == []
    assert person.post("/signin/second", {"code": "000000"}).status_code == 422
    code = totp.now()
    assert person.post("/signin/second", {"code": f"{code[:3]} {code[3:]}"}).location == "/sites/"
    assert person.get("/sites").status_code == 200

    replayed = front.person()
    replayed.sign_in(OLGA)
    assert replayed.post("/signin/second", {"code": code}).status_code == 422
    assert front.person().post("/signin/second", {"code": totp.now()}).location == "/signin"
    sealed = front.catalog.second_factors.find_secret(olga.id)
    assert totp.secret not in sealed


def test_codes_cannot_be_guessed(front: Front, olga: Account) -> None:
    """As many tries as for a password, from each client; an expired password page begins anew."""
    add_authenticator(front, front.person(OLGA))
    person = front.person()
    person.sign_in(OLGA)
    statuses = [person.post("/signin/second", {"code": "123456"}).status_code for _ in range(8)]
    assert statuses[-1] == 429
    assert 422 in statuses
    assert front.actions().count("account.second-failed") == statuses.count(422)


def test_a_recovery_code_signs_in_once(front: Front, olga: Account) -> None:
    """They are shown once, after the first second factor was added."""
    setter = front.person(OLGA)
    add_authenticator(front, setter)
    codes = re.findall(
        r"<code>([a-z2-9]{4}(?:-[a-z2-9]{4}){3})</code>", setter.get("/account/security").text
    )
    assert len(codes) == 10
    assert codes[0] not in setter.get("/account/security").text
    for expected in (303, 422):
        person = front.person()
        person.sign_in(OLGA)
        assert person.post("/signin/second", {"code": codes[0]}).status_code == expected


def test_operators_need_a_second_factor(make_front: Callable[..., Front]) -> None:
    """Their page says so; the console asks for it after a day (see the backend's tests)."""
    front = make_front()
    front.add_account("op@mail.test", operator=True)
    operator = front.person("op@mail.test")
    assert "Operators need a second factor" in operator.get("/account/security").text
    add_authenticator(front, operator)
    assert "Operators need a second factor" not in operator.get("/account/security").text


def test_a_second_factor_ends_the_other_sessions(front: Front, olga: Account) -> None:
    """Somebody else may have begun them with the password alone."""
    other, person = front.person(OLGA), front.person(OLGA)
    add_authenticator(front, person)
    assert other.get("/sites").status_code == 303
    assert person.get("/sites").status_code == 200
    assert "authenticator was added" in text_of(front.mails(OLGA)[-1])


# --- the password once more -----------------------------------------------------------------------


def test_sensitive_pages_ask_again_after_a_quarter_of_an_hour(front: Front, olga: Account) -> None:
    """With the password they open again, and lead back."""
    front.add_tenant("acme", OLGA)
    person = front.person(OLGA)
    assert person.get("/account/email").status_code == 200
    with front.catalog.store.writing(SYSTEM) as writer:
        past = datetime.now(UTC) - timedelta(minutes=16)
        writer.session.execute(update(SessionRecord).values(proved_at=past))
    for path in ("/account/email", "/account/delete", "/account/security/authenticator"):
        assert person.get(path).location == f"/signin/again?next={path}"
    for path in ("/account/data/export", "/sites/acme/people/invite", "/account/security/codes"):
        assert person.post(path).location.startswith("/signin/again")
    assert person.get("/account/").status_code == 200
    again = "/signin/again?next=/account/email"
    assert find_flaws(person.get(again).text) == []
    assert person.post(again, {"password": "wrong"}).status_code == 422
    assert person.post(again, {"password": PASSWORD}).location == "/account/email"
    assert person.get("/account/email").status_code == 200


# --- a forgotten password -------------------------------------------------------------------------


def test_a_forgotten_password(front: Front, olga: Account) -> None:
    """The link of the mail sets a new one, once; every other session ends."""
    other = front.person(OLGA)
    person = front.person()
    pages = [person.post("/forgot", {"email": it}).text for it in (OLGA, "nobody@mail.test")]
    assert pages[0] == pages[1].replace("nobody@mail.test", OLGA)
    assert front.mails("nobody@mail.test") == []
    link = front.link(OLGA)
    assert find_flaws(person.get(link).text) == []
    new = "seven green umbrellas in rain"
    assert person.post(link, {"password": "short", "again": "short"}).status_code == 422
    assert person.post(link, {"password": new, "again": new + "x"}).status_code == 422
    assert person.post(link, {"password": new, "again": new}).status_code == 303
    assert person.get("/sites").status_code == 200
    assert other.get("/sites").status_code == 303
    assert front.person().get(link).status_code == 404
    assert front.person().sign_in(OLGA).status_code == 422
    assert front.person().sign_in(OLGA, new).status_code == 303


def test_a_reset_does_not_pass_the_second_factor(front: Front, olga: Account) -> None:
    """R52: a stranger who reads the mail has a password then, and still no session."""
    totp = add_authenticator(front, front.person(OLGA))
    thief = front.person()
    thief.post("/forgot", {"email": OLGA})
    new = "seven green umbrellas in rain"
    answer = thief.post(front.link(OLGA), {"password": new, "again": new})
    assert answer.location == "/signin/second"
    assert thief.get("/sites").status_code == 303
    assert thief.post("/signin/second", {"code": totp.now()}).location == "/sites/"


def test_links_expire(front: Front, olga: Account) -> None:
    """After an hour; a made-up one is none."""
    person = front.person()
    person.post("/forgot", {"email": OLGA})
    link = front.link(OLGA)
    with front.catalog.store.writing(SYSTEM) as writer:
        past = datetime.now(UTC) - timedelta(seconds=1)
        writer.session.execute(update(LinkRecord).values(expires_at=past))
    assert person.get(link).status_code == 404
    assert person.get("/password/made-up").status_code == 404


def test_a_new_owner_goes_to_the_site(front: Front) -> None:
    """From the link to the site, signed in there: two clicks before the first post."""
    front.add_tenant("acme", "new@mail.test")
    account = front.catalog.accounts.find("new@mail.test")
    assert account is not None
    token = front.catalog.links.create(
        "setup", account_id=account.id, lifetime=timedelta(hours=1), by=SYSTEM
    )
    form = {"password": PASSWORD, "again": PASSWORD}
    answer = front.person().post(f"/password/{token}", form)
    assert (
        answer.headers["Refresh"]
        == "0; url=http://acme.example.test:8000/members/enter/new@mail.test"
    )


def test_programs_are_told(front: Front) -> None:
    """401 and 422 as problem documents, never a page to sign in."""
    person = front.person()
    answer = person.get("/sites", headers=JSON)
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
    answer = person.post("/signin", {"email": "a@b.test", "password": "x"}, headers=JSON)
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
