"""Members: signing up, in and out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tenants.sign_in import FREE_TRIES, MAX_DELAY, delay_after
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
    """Unknown, wrong, blocked, without a password and too soon look the same (R34, R51)."""
    site.add_member("known")
    site.add_member("blocked", blocked=True)
    site.add_member("linked", password_hash=None)
    site.add_member("slowed", failures=9, next_try_at=time.time() + 600)
    tries = [("unknown", PASSWORD), ("known", "wrong"), ("blocked", PASSWORD)]
    tries += [("linked", PASSWORD), ("slowed", PASSWORD)]
    answers = set()
    for name, password in tries:
        visitor = site.visitor()
        answer = visitor.sign_in(f"{name}@mail.test", password)
        token = visitor.token()
        assert not visitor.is_signed_in()
        text = answer.text.replace(token, "").replace(f"{name}@mail.test", "")
        answers.add((answer.status_code, _without_tokens(text), answer.headers.get("Retry-After")))
    assert len(answers) == 1


def _without_tokens(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if "csrf_token" not in line)


def test_every_failure_makes_the_next_try_wait_longer() -> None:
    """The delay starts after a few tries, doubles and ends (R51)."""
    delays = [delay_after(number) for number in range(40)]
    assert delays[:FREE_TRIES] == [0] * FREE_TRIES
    assert delays[FREE_TRIES : FREE_TRIES + 4] == [1, 2, 4, 8]
    assert delays[-1] == MAX_DELAY
    assert delays == sorted(delays)


def test_failures_are_counted_and_forgotten(site: Site) -> None:
    """Wrong tries add up in the member's row; a good one clears them."""
    email = site.add_member("ann")
    visitor = site.visitor()
    for number in range(1, FREE_TRIES + 1):
        visitor.sign_in(email, "wrong")
        member = site.find_member("ann")
        assert member is not None
        assert member.failures == number
        assert (member.next_try_at > time.time()) == (number == FREE_TRIES)
    site.change_member("ann", next_try_at=time.time() - 1)
    assert visitor.sign_in(email).status_code == 303
    member = site.find_member("ann")
    assert member is not None
    assert (member.failures, member.next_try_at) == (0, 0)


def test_a_try_too_soon_does_not_lengthen_the_delay(site: Site) -> None:
    """Hammering neither signs in nor locks the member out for longer."""
    email = site.add_member("ann", failures=6, next_try_at=time.time() + 600)
    before = site.find_member("ann")
    for password in (PASSWORD, "wrong"):
        assert site.visitor().sign_in(email, password).status_code == 422
    after = site.find_member("ann")
    assert before is not None
    assert after is not None
    assert (before.failures, before.next_try_at) == (after.failures, after.next_try_at)


def test_one_members_failures_are_no_others(site: Site) -> None:
    """A slowed account slows nobody else."""
    site.add_member("slowed", failures=9, next_try_at=time.time() + 600)
    assert site.visitor().sign_in(site.add_member("ann")).status_code == 303


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


def test_signing_out_ends_the_session(site: Site) -> None:
    """After signing out the browser is a visitor's."""
    member = site.member()
    assert member.post("/members/sign-out").status_code == 303
    assert not member.is_signed_in()


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
