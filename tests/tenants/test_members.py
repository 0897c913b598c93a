"""Members: signing up, in and out."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tenantry import claim_sign_up
from tenantry.limits.sign_in import DEVICE, NETWORK, PAIR, SIGN_UP
from tenants.database import db, now
from tenants.models import MemberSession
from tenants.sessions import IDLE_FOR, MAX_SESSIONS, SEEN_EVERY
from tests.hashing import every_place_taken
from tests.tenants.helpers import PASSWORD, Visitor

if TYPE_CHECKING:
    from tests.tenants.helpers import Site

NEW = {"name": "Bo", "email": "Bo@Mail.test", "password": "seven green bottles"}


def test_a_visitor_becomes_a_member(site: Site, visitor: Visitor) -> None:
    """Signing up and then in makes a member, found by the folded address."""
    assert visitor.post("/members/sign-up", NEW).location == "/members/sign-in"
    assert not visitor.is_signed_in()
    assert visitor.sign_in("bo@mail.test", NEW["password"]).location == "/"
    assert visitor.is_signed_in()
    member = site.find_member("bo")
    assert member is not None
    assert member.role == "member"
    assert NEW["password"] not in (member.password_hash or "")


def test_nobody_chooses_their_own_role(site: Site, visitor: Visitor) -> None:
    """Fields that the form does not have are ignored."""
    visitor.post("/members/sign-up", {**NEW, "role": "owner", "is_platform_owner": "1"})
    member = site.find_member("bo")
    assert member is not None
    assert member.role == "member"
    assert not member.is_platform_owner


def test_signing_up_does_not_tell_who_is_a_member(site: Site, visitor: Visitor) -> None:
    """A taken address gets the answer of a free one, and its member stays as they were (R34)."""
    free = visitor.post("/members/sign-up", NEW, follow_redirects=True)
    before = site.find_member("bo")
    other = site.visitor()
    taken = other.post(
        "/members/sign-up", {**NEW, "password": "another good secret"}, follow_redirects=True
    )
    after = site.find_member("bo")
    assert (free.status_code, free.request.path) == (taken.status_code, taken.request.path)
    assert before is not None
    assert after is not None
    assert before.password_hash == after.password_hash


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("name", "", id="no name"),
        pytest.param("email", "not an address", id="no address"),
        pytest.param("password", "short", id="short"),
        pytest.param("password", "acme rocks", id="the site's name"),
        pytest.param("password", "1234567890123", id="a row"),
        pytest.param("password", "x" * 2000, id="too long"),
    ],
)
def test_bad_sign_ups_are_refused(site: Site, visitor: Visitor, field: str, value: str) -> None:
    """The form says what is wrong and never repeats the password."""
    answer = visitor.post("/members/sign-up", {**NEW, field: value})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert NEW["password"] not in answer.text
    assert site.find_member("bo") is None


def test_wrong_sign_ins_get_one_answer(site: Site) -> None:
    """Unknown, wrong, blocked and without a password look the same, also when tries run out (R34)."""
    site.add_member("known")
    site.add_member("blocked", blocked=True)
    site.add_member("linked", password_hash=None)
    tries = [("unknown", PASSWORD), ("known", "wrong"), ("blocked", PASSWORD), ("linked", PASSWORD)]
    answers = set()
    for name, password in tries:
        visitor = site.visitor()
        for number in range(PAIR.burst + 1):
            answer = visitor.sign_in(f"{name}@mail.test", password)
            token = visitor.token()
            assert not visitor.is_signed_in()
            text = answer.text.replace(token, "").replace(f"{name}@mail.test", "")
            text = re.sub(r"in \d+ seconds", "in some seconds", text)
            answers.add((number, answer.status_code, _without_tokens(text)))
    assert len(answers) == PAIR.burst + 1
    assert {(number, status) for number, status, _ in answers} == {
        *((number, 422) for number in range(PAIR.burst)),
        (PAIR.burst, 429),
    }


def _without_tokens(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if "csrf_token" not in line)


def exhaust(site: Site, email: str, **options: Any) -> None:
    """Try wrong passwords until there are too many."""
    visitor = site.visitor()
    answers = [visitor.sign_in(email, "wrong", **options) for _ in range(PAIR.burst + 1)]
    assert answers[-1].status_code == 429
    assert 0 < int(answers[-1].headers["Retry-After"]) <= PAIR.seconds


ATTACKER: dict[str, Any] = {"environ_overrides": {"REMOTE_ADDR": "2001:db8::1"}}
NEIGHBOUR: dict[str, Any] = {"environ_overrides": {"REMOTE_ADDR": "2001:db8::2"}}


def test_nobody_is_kept_out_from_another_network(site: Site) -> None:
    """R51: wrong tries from one network, an IPv6 /64 as a whole, cost their own network only."""
    email = site.add_member("ann")
    exhaust(site, email, **ATTACKER)
    assert site.visitor().sign_in(email, **NEIGHBOUR).status_code == 429
    assert site.visitor().sign_in(email).status_code == 303


def test_a_known_device_gets_in_from_the_attackers_own_network(site: Site) -> None:
    """R51: a browser that has signed in before is counted by itself, and for its own account only."""
    email, other = site.add_member("ann"), site.add_member("bo")
    known = site.visitor()
    assert known.sign_in(email, **NEIGHBOUR).status_code == 303
    known.post("/members/sign-out")
    exhaust(site, email, **ATTACKER)
    exhaust(site, other, **ATTACKER)
    assert known.sign_in(other, **NEIGHBOUR).status_code == 429
    assert known.sign_in(email, **NEIGHBOUR).status_code == 303


def test_a_known_devices_own_tries_are_counted(site: Site) -> None:
    """R51: whoever has somebody's device cannot try for ever, and keeps nobody else out."""
    email = site.add_member("ann")
    known = site.visitor()
    assert known.sign_in(email).status_code == 303
    known.post("/members/sign-out")
    statuses = [known.sign_in(email, "wrong").status_code for _ in range(DEVICE.burst + 1)]
    assert statuses == [422] * DEVICE.burst + [429]
    assert site.visitor().sign_in(email).status_code == 303


def test_the_cookie_of_a_device_is_for_its_site(site: Site, other_site: Site) -> None:
    """R15: a neighbour's cookie, or one that somebody has made up, makes no device known."""
    email = site.add_member("ann")
    foreign = other_site.visitor()
    other_site.add_member("ann")
    assert foreign.sign_in(email).status_code == 303
    cookie = foreign.client.get_cookie("session_device", domain=foreign.base.partition("//")[2])
    assert cookie is not None
    assert cookie.http_only
    exhaust(site, email, **ATTACKER)
    for value in (cookie.value, "made.up.cookie", ""):
        visitor = site.visitor()
        visitor.client.set_cookie("session_device", value, domain=visitor.base.partition("//")[2])
        assert visitor.sign_in(email, **NEIGHBOUR).status_code == 429


def test_tries_over_many_accounts_are_counted_for_the_network(site: Site) -> None:
    """R51: one password for many accounts is guessing, too; others are not slowed down by it."""
    visitor = site.visitor()
    statuses = [
        visitor.sign_in(f"nobody{number}@mail.test", "wrong", **ATTACKER).status_code
        for number in range(NETWORK.burst + 1)
    ]
    assert statuses == [422] * NETWORK.burst + [429]
    assert site.visitor().sign_in(site.add_member("ann")).status_code == 303


def test_a_right_password_takes_back_what_was_counted(site: Site) -> None:
    """A network with many members is not slowed down by their signing in."""
    email = site.add_member("ann")
    for _ in range(NETWORK.burst // 3):
        for password in ("wrong", PASSWORD):
            assert site.visitor().sign_in(email, password).status_code in {422, 303}
    assert site.visitor().sign_in(email).status_code == 303


def test_new_accounts_from_one_network_are_counted(site: Site) -> None:
    """R34: asking about address after address comes to an end, soon."""
    with site.app.test_request_context(environ_overrides=ATTACKER["environ_overrides"]):
        for _ in range(SIGN_UP.burst):
            claim_sign_up()
    refused = site.visitor().post("/members/sign-up", NEW, **NEIGHBOUR)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert site.find_member("bo") is None
    assert site.visitor().post("/members/sign-up", NEW).status_code == 303


def test_a_busy_site_says_so_and_keeps_nobody_waiting(site: Site) -> None:
    """With every place to hash in taken, the answer comes at once, and the try is not counted."""
    email = site.add_member("ann")
    with every_place_taken():
        for _ in range(PAIR.burst + 1):
            busy = site.visitor().sign_in(email)
            assert (busy.status_code, busy.headers["Retry-After"]) == (503, "2")
        assert site.visitor().post("/members/sign-up", NEW).status_code == 503
    assert site.visitor().sign_in(email).status_code == 303


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/posts/x?page=2", "/posts/x?page=2"),
        ("/members/me", "/members/me"),
        ("//evil.test", "/"),
        ("https://evil.test/", "/"),
        ("/\\evil.test", "/"),
        ("\\\\evil.test", "/"),
        ("/\tevil", "/"),
        ("/a\r\nX: y", "/"),
        ("javascript:alert(1)", "/"),
        ("evil.test", "/"),
        ("", "/"),
    ],
)
def test_only_local_paths_are_gone_on_to(site: Site, target: str, location: str) -> None:
    """After signing in, next= leads to this host or nowhere (R12); also if signed in already."""
    email = site.add_member()
    visitor = site.visitor()
    data = {"email": email, "password": PASSWORD, "csrf_token": visitor.token()}
    for sent in (data, None):
        answer = visitor.client.open(
            "/members/sign-in",
            base_url=visitor.base,
            method="POST" if sent else "GET",
            query_string={"next": target},
            data=sent,
        )
        assert answer.status_code == 303
        assert answer.location == location


def test_a_guarded_page_is_come_back_to(site: Site) -> None:
    """A visitor who opens a member's page is led there after signing in."""
    email = site.add_member()
    visitor = site.visitor()
    answer = visitor.get("/members/me?x=%C3%A4")
    assert answer.status_code == 302
    path = answer.location
    data = {"email": email, "password": PASSWORD, "csrf_token": visitor.token()}
    back = visitor.client.post(path, base_url=visitor.base, data=data)
    assert back.location == "/members/me?x=%C3%A4"


def copy_of(site: Site, visitor: Visitor) -> Visitor:
    """Return a browser with a copy of another one's session cookie."""
    cookie = visitor.client.get_cookie("session", domain="acme.example.test")
    assert cookie is not None
    thief = site.visitor()
    thief.client.set_cookie("session", cookie.value, domain="acme.example.test")
    return thief


def change_session(site: Site, **values: Any) -> None:
    """Do to all sessions of the site what time would."""
    with site.app.app_context():
        db.session.execute(db.update(MemberSession).values(values))
        db.session.commit()


def test_signing_out_ends_this_session_and_its_copies_only(site: Site) -> None:
    """R25: a copied cookie is worth nothing afterwards, and the member's other browsers go on."""
    member = site.member()
    other = site.visitor()
    other.sign_in("ann@mail.test")
    thief = copy_of(site, member)
    assert thief.is_signed_in()
    assert member.post("/members/sign-out").status_code == 303
    assert not member.is_signed_in()
    assert not thief.is_signed_in()
    assert other.is_signed_in()


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"expires_at": now() - timedelta(seconds=1)}, id="expired"),
        pytest.param({"seen_at": now() - IDLE_FOR}, id="idle"),
    ],
)
def test_a_session_ends_by_the_clock(site: Site, values: dict[str, Any]) -> None:
    """R25: after 31 days, however busy, and after 14 without use."""
    member = site.member()
    change_session(site, **values)
    assert not member.is_signed_in()


def test_a_member_has_only_so_many_sessions(site: Site) -> None:
    """Law 6: a further one ends the one that was unused for longest; expired ones are removed."""
    first = site.member()
    change_session(site, seen_at=now() - timedelta(hours=1))
    with site.app.app_context():
        session = db.session.scalars(db.select(MemberSession)).one()
        facts = {"member_id": session.member_id, "device": "", "network": ""}
        for number in range(MAX_SESSIONS + 3):
            ends = now() + timedelta(days=1 if number < MAX_SESSIONS - 1 else -1)
            db.session.add(MemberSession(id=str(number), expires_at=ends, **facts))
        db.session.commit()
    assert site.visitor().sign_in("ann@mail.test").status_code == 303
    assert not first.is_signed_in()
    with site.app.app_context():
        count = db.select(db.func.count()).select_from(MemberSession)
        assert db.session.scalar(count) == MAX_SESSIONS


def test_use_is_noted_now_and_then(site: Site) -> None:
    """A page writes at most every few minutes, and a form leaves that alone."""
    member = site.member()
    long_ago = now() - SEEN_EVERY
    for path, noted in (("post", False), ("/members/me", True)):
        change_session(site, seen_at=long_ago)
        if path == "post":
            data = {"name": "Ann"}
            member.client.post("/members/me/name", base_url=member.base, data=data)
        else:
            member.get(path)
        with site.app.app_context():
            (seen,) = db.session.scalars(db.select(MemberSession.seen_at))
        assert (seen > long_ago) == noted


def test_the_account_page_lists_sessions_and_ends_them(site: Site) -> None:
    """R25: each by its device and network; one button ends one, another all others."""
    here, there = site.member(), site.visitor()
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    there.sign_in("ann@mail.test", headers={"User-Agent": firefox})
    page = here.get("/members/me").text
    for text in ("Where you are signed in", "Firefox on Linux", "127.0.0.0/24", "This session"):
        assert text in page
    (session,) = re.findall(r'name="session" value="([\w-]+)"', page)
    path, data = "/members/me/sessions/end", {"session": session}
    bob = site.member("bob")
    assert bob.post(path, data).status_code == 303
    assert there.is_signed_in(), "nobody ends another member's session"
    assert here.post(path, data).status_code == 303
    assert not there.is_signed_in()
    assert here.is_signed_in()
    assert "Sign out everywhere else" not in here.get("/members/me").text


def test_signing_in_starts_a_new_session(site: Site) -> None:
    """Nothing of the session before is left: no fixation, no token."""
    visitor = site.visitor()
    before = visitor.token()
    visitor.sign_in(site.add_member())
    answer = visitor.client.post(
        "/members/sign-out", base_url=visitor.base, data={"csrf_token": before}
    )
    assert answer.status_code == 400
    assert visitor.is_signed_in()


def test_a_new_password_ends_the_other_sessions(site: Site) -> None:
    """The one who changed it stays signed in, everybody else is out at once (R25)."""
    here = site.member()
    there = site.visitor()
    there.sign_in("ann@mail.test")
    data = {"current": PASSWORD, "password": "nine brown foxes", "again": "nine brown foxes"}
    assert here.post("/members/me/password", data).status_code == 303
    assert here.is_signed_in()
    assert not there.is_signed_in()
    assert there.sign_in("ann@mail.test", "nine brown foxes").status_code == 303


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"current": "wrong"}, id="wrong current password"),
        pytest.param({"current": ""}, id="no current password"),
        pytest.param({"again": "other brown foxes"}, id="not the same"),
        pytest.param({"password": "short", "again": "short"}, id="weak"),
    ],
)
def test_a_bad_new_password_changes_nothing(site: Site, change: dict[str, str]) -> None:
    """A refused change leaves the password and the sessions."""
    member = site.member()
    data = {"current": PASSWORD, "password": "nine brown foxes", "again": "nine brown foxes"}
    assert member.post("/members/me/password", {**data, **change}).status_code == 422
    assert member.is_signed_in()
    assert site.visitor().sign_in("ann@mail.test").status_code == 303


def test_all_other_sessions_are_ended(site: Site) -> None:
    """Signing out everywhere leaves only this browser."""
    here = site.member()
    there = site.visitor()
    there.sign_in("ann@mail.test")
    here.post("/members/me/sign-out-everywhere")
    assert here.is_signed_in()
    assert not there.is_signed_in()


def test_a_blocked_member_is_out_at_once(site: Site) -> None:
    """Being blocked counts from the next request on."""
    member = site.member()
    site.change_member("ann", blocked=True)
    assert not member.is_signed_in()


def test_a_member_changes_the_name(site: Site) -> None:
    """The new name is on the page; a blank one is refused."""
    member = site.member()
    assert member.post("/members/me/name", {"name": "Ann  of\tGreen"}).status_code == 303
    assert "Ann of Green" in member.get("/").text
    assert member.post("/members/me/name", {"name": " "}).status_code == 422


def test_members_have_no_use_for_the_doors(site: Site) -> None:
    """Those who are signed in are led away from the sign-up page."""
    assert site.member().get("/members/sign-up").status_code == 303


@pytest.mark.parametrize("value", ["x", "1", "1:2:3", "ä|ö", "é", ""])
def test_a_forged_remember_cookie_is_nothing(site: Site, value: str) -> None:
    """Flask-Login's remember-me cookie does not exist here."""
    site.add_member()
    visitor = site.visitor()
    for name in ("remember_token", "no", "cookie"):
        header = f'{name}="{value}"'.encode().decode("latin-1")
        answer = visitor.get("/members/me", headers={"Cookie": header})
        assert answer.status_code == 302
