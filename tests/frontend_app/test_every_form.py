"""Each form of the front app gets wrong, hostile, crossed, double and replayed input.

The forms are those of the app's own URL map, and their fields those of its code.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import func, select
from wtforms.fields.core import UnboundField

import frontend_app
from frontend_app import forms
from tenantry.catalog import SYSTEM
from tenantry.catalog.models import AccountRecord, InvitationRecord, MembershipRecord, TenantRecord
from tests.frontend_app.conftest import APEX, PASSWORD
from tests.markup import find_flaws
from tests.routes import list_routes

if TYPE_CHECKING:
    from tests.frontend_app.conftest import Front, Person
    from tests.routes import Route

OLGA, OTTO, EVE = "olga@mail.test", "otto@mail.test", "eve@mail.test"
NEW_PASSWORD = "seven green umbrellas in rain"
SCRIPT = "<script>alert(1)</script>"
HOSTILE = [
    pytest.param("", id="empty"),
    pytest.param("a\0b", id="NUL"),
    pytest.param("x" * 6_000, id="long"),
    pytest.param(f"\"'>{SCRIPT}{{{{ 7 * 7 }}}}", id="markup"),
    pytest.param("' OR 1=1; DROP TABLE accounts; --", id="SQL"),
    pytest.param("a@b.test\r\nBcc: c@d.test", id="header"),
    pytest.param("\u202e\u200b\U0001f600", id="directions"),
    pytest.param(b"\xff\xfe\xc3(", id="no UTF-8"),
    pytest.param(["one", "two", "-1", "99999999999999999999"], id="several"),
]


def find_fields() -> frozenset[str]:
    """Return the names of all fields that the app's forms have, and of those that views read."""
    found = {
        name
        for form in vars(forms).values()
        for name in dir(form)
        if isinstance(form, type) and isinstance(getattr(form, name), UnboundField)
    }
    read = re.compile(r'request\.form(?:\.get\(|\[)"(\w+)"')
    for path in Path(frontend_app.__file__).parent.glob("*.py"):
        found |= set(read.findall(path.read_text(encoding="utf-8")))
    prefixed = {f"{prefix}-{name}" for prefix in ("invite", "transfer") for name in found}
    return frozenset(found | prefixed | {"confirmed"})


@pytest.fixture
def olga(front: Front) -> Person:
    """Return the browser of Acme's owner. Otto helps her, and Eve owns Bolt."""
    for email in (OLGA, OTTO, EVE):
        front.add_account(email)
    acme, _ = front.add_tenant("acme", OLGA), front.add_tenant("bolt", EVE)
    front.catalog.memberships.add(find_id(front, OTTO), acme.id, "staff", by=SYSTEM)
    return front.person(OLGA)


def find_id(front: Front, email: str) -> str:
    account = front.catalog.accounts.find(email)
    assert account is not None
    return account.id


def list_forms(front: Front) -> list[Route]:
    """Return what takes a form; signing out comes last."""
    examples = {"slug": "acme", "side": "new", "session_id": "x", "token": "x", "invitation": "x"}
    routes = [it for it in list_routes(front.app, examples) if it.method == "POST"]
    assert len(routes) > 25
    return sorted(routes, key=lambda route: route.endpoint == "sign_in.sign_out")


def take_stock(front: Front) -> dict[str, Any]:
    """Return who and what there is, and who may do what with which password."""
    with front.catalog.store.reading() as session:
        found: dict[str, Any] = {
            record.__tablename__: session.scalar(select(func.count()).select_from(record))
            for record in (AccountRecord, InvitationRecord, TenantRecord)
        }
        roles = select(
            MembershipRecord.account_id, MembershipRecord.tenant_id, MembershipRecord.role
        )
        found["roles"] = sorted(session.execute(roles).tuples())
        found["passwords"] = sorted(session.scalars(select(AccountRecord.password_hash)))
    return found


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_input_does_nothing(front: Front, olga: Person, value: Any) -> None:
    """In all fields of each form: an answer of few words, and nothing is other than before."""
    before, fields = take_stock(front), sorted(find_fields())
    assert {"slug", "email", "invite-email", "account", "invitation", "again"} <= set(fields)
    token = olga.token()
    body = urlencode([("csrf_token", token), *((name, value) for name in fields)], doseq=True)
    for route in list_forms(front):
        answer = olga.open(
            "POST", route.path, data=body, content_type="application/x-www-form-urlencoded"
        )
        assert answer.status_code in {200, 303, 400, 401, 403, 404, 413, 422, 429}, route
        assert SCRIPT not in answer.text, route
        assert "\r\nBcc" not in str(answer.headers)
        if answer.mimetype == "text/html" and not answer.location:
            assert find_flaws(answer.text) == [], route
    assert take_stock(front) == before
    assert not [mail for mail in front.mails() if mail["To"] not in {OLGA, OTTO, EVE}]


def test_crossed_and_replayed_forms_are_refused(front: Front, olga: Person) -> None:
    """Without a token, with that of another session or of one that is over, from another site."""
    before = take_stock(front)
    eves, old = front.person(EVE).token(), olga.token()
    olga.post("/signout")
    assert olga.sign_in(OLGA).status_code == 303
    own = {"csrf_token": olga.token()}
    assert own["csrf_token"] not in {eves, old}
    for route in list_forms(front):
        for data in ({}, {"csrf_token": eves}, {"csrf_token": old}):
            assert olga.open("POST", route.path, data=data).status_code == 400, route
        assert olga.open("POST", route.path, json=own).status_code == 400, route
        for sender in ("same-site", "cross-site"):
            headers = {"Sec-Fetch-Site": sender, "Origin": f"http://bolt.{APEX}"}
            answer = olga.open("POST", route.path, data=own, headers=headers)
            assert answer.status_code == 403, route
    assert take_stock(front) == before
    assert olga.get("/account/").status_code == 200


def test_a_form_that_is_sent_twice_counts_once(front: Front, olga: Person) -> None:
    """A double click, or Back and again: the second one changes nothing, and is no failure."""
    people, otto = "/sites/acme/people", find_id(front, OTTO)
    change = {"current": PASSWORD, "password": NEW_PASSWORD, "again": NEW_PASSWORD}
    for path, form in (
        (f"{people}/invite", {"invite-email": "new@mail.test", "invite-role": "staff"}),
        (f"{people}/transfer", {"transfer-email": EVE, "confirmed": "yes"}),
        (f"{people}/role", {"account": otto, "role": "owner"}),
        (f"{people}/remove", {"account": otto, "confirmed": "yes"}),
        ("/account/", {"name": "Olga", "language": "en", "time_zone": "UTC"}),
        ("/account/email", {"email": "other@mail.test"}),
        ("/account/email/withdraw", {}),
        ("/account/password", change),
        ("/account/sessions/end-others", {}),
        ("/signout", {}),
    ):
        was = take_stock(front)
        first = olga.post(path, form)
        once = take_stock(front)
        again = olga.post(path, form)
        assert first.status_code == 303, path
        assert again.status_code in {303, 404, 422}, path
        assert take_stock(front) == once, path
        if path.startswith(people):
            assert once != was, path


def test_a_link_that_is_used_twice_counts_once(front: Front, olga: Person) -> None:
    """Also for somebody who kept its form open."""
    form = {"invite-email": "new@mail.test", "invite-role": "staff"}
    olga.post("/sites/acme/people/invite", form)
    front.person().post("/forgot", {"email": OTTO})
    for email in ("new@mail.test", OTTO):
        link = front.link(email)
        first, second = front.person(), front.person()
        assert {first.get(link).status_code, second.get(link).status_code} == {200}
        filled = {"password": NEW_PASSWORD, "again": NEW_PASSWORD}
        assert first.post(link, filled).status_code in {200, 303}  # 200 leads on to the site
        once = take_stock(front)
        stolen = {"password": f"{NEW_PASSWORD} too", "again": f"{NEW_PASSWORD} too"}
        assert second.post(link, stolen).status_code == 404
        assert take_stock(front) == once
        assert second.get("/account/").status_code == 303
