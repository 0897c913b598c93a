"""Signing up: a site at once, names that are not free, bots, and forms that come twice."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from tenantry.catalog import SYSTEM
from tenantry.catalog.models import TenantRecord
from tenantry.limits.sign_in import NAME_CHECK, NEW_SITE
from tenantry.values.tenant import TenantState
from tests.frontend_app.conftest import PASSWORD
from tests.mails import text_of
from tests.markup import find_flaws

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.frontend_app.conftest import Front

JSON = {"Accept": "application/json"}


def test_a_stranger_has_a_site(front: Front) -> None:
    """One form: the site is active, its owner signed in, and led to the site, signed in there, too."""
    olga = front.person()
    answer = olga.sign_up("acme", title="Acme Bakery", email="Olga@Mail.test")

    tenant = front.catalog.tenants.get("acme")
    assert (tenant.name, tenant.state, tenant.owners) == (
        "Acme Bakery",
        TenantState.ACTIVE,
        ("olga@mail.test",),
    )
    assert front.workshop.provisioned == ["acme"]
    url = "http://acme.example.test:8000/members/enter/olga@mail.test"
    assert answer.headers["Refresh"] == f"0; url={url}"
    assert find_flaws(answer.text) == []
    page = olga.get("/sites").text
    assert "Acme Bakery" in page
    assert "Confirm your address" in page


def test_a_site_is_held_until_its_owner_confirms(front: Front) -> None:
    """Quiet, and so not listed, indexed or sending; the link of the mail releases it, once."""
    olga = front.person()
    olga.sign_up("acme", email="olga@mail.test")
    tenant = front.catalog.tenants.get("acme")
    assert tenant.quiet
    assert tenant.held_until is not None
    assert timedelta(hours=47) < tenant.held_until - datetime.now(UTC) <= timedelta(hours=48)

    link = front.link("olga@mail.test")
    assert "acme.example.test:8000" in text_of(front.mails()[0])
    page = olga.get(link)
    assert find_flaws(page.text) == []
    assert front.catalog.tenants.get("acme").quiet, "looking at a link changes nothing"
    assert olga.post(link).status_code == 303
    tenant = front.catalog.tenants.get("acme")
    assert (tenant.quiet, tenant.held_until) == (False, None)
    assert "Confirm your address" not in olga.get("/sites").text
    assert front.person().get(link).status_code == 404


def test_the_link_alone_confirms_nothing(front: Front) -> None:
    """Who reads the mail but did not sign up would confirm a site whose password another one knows."""
    front.person().sign_up("acme", email="victim@mail.test")
    link, victim = front.link("victim@mail.test"), front.person()
    assert "Type the password" in victim.get(link).text
    assert victim.post(link).status_code == 422
    assert victim.post(link, {"password": "something else entirely"}).status_code == 422
    assert front.catalog.tenants.get("acme").quiet
    elsewhere = front.person()
    assert elsewhere.post(link, {"password": PASSWORD}).status_code == 303
    assert not front.catalog.tenants.get("acme").quiet


def test_a_sign_up_does_not_tell_whether_an_address_is_known(front: Front) -> None:
    """R34: the pages are the same; the account that has the address gets the site when it confirms."""
    holder = front.add_account("olga@mail.test")
    pages = []
    for slug, email in (("acme", "olga@mail.test"), ("bolt", "otto@mail.test")):
        person = front.person()
        page = person.sign_up(slug, title="Site", email=email)
        pages.append((page.status_code, page.text.replace(slug, "x").partition("/enter/")[0]))
        assert email in person.get("/sites").text
    assert pages[0] == pages[1]
    acme = front.catalog.tenants.get("acme")
    assert front.catalog.memberships.find_role(holder.id, acme.id) is None

    link = front.link("olga@mail.test")
    assert front.person("olga@mail.test").post(link).status_code == 303
    assert front.catalog.memberships.find_role(holder.id, acme.id) == "owner"


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        pytest.param("free-name", "is free", id="free"),
        pytest.param("Acme", "exists already", id="taken"),
        pytest.param("older", "stays reserved", id="held"),
        pytest.param("www", "keeps this name", id="reserved"),
        pytest.param("-a b", "You could take “a-b”", id="malformed"),
        pytest.param("a" * 41, "longer than 40", id="long"),
        pytest.param("a.b", "one word before the domain", id="nested"),
        pytest.param("<script>alert(1)</script>", "use lower-case letters", id="hostile"),
    ],
)
def test_a_name_is_judged_as_one_types(front: Front, name: str, verdict: str) -> None:
    """By a fragment, by a button without scripts, and by the form itself: the same words."""
    acme = front.add_site("older", "Acme")
    front.catalog.names.rename(acme, "acme", redirects_until=datetime.now(UTC), by=SYSTEM)
    person = front.person()
    fragment = person.get("/signup/check", query_string={"slug": name}).text
    assert verdict in fragment
    assert "<html" not in fragment
    page = person.post("/signup", {"slug": name, "title": "Kept", "intent": "check"})
    assert (page.status_code, verdict in page.text, "Kept" in page.text) == (200, True, True)
    assert find_flaws(page.text) == []
    assert "<script>alert" not in page.text + fragment
    if verdict != "is free":
        refused = person.sign_up(name, email="o@mail.test", title="Kept")
        assert refused.status_code == 422
        assert verdict.casefold() in refused.text.casefold()
        assert 'value="Kept"' in refused.text
        assert 'value="o@mail.test"' in refused.text
    assert front.workshop.provisioned == []


def test_an_unknown_name_leads_here(front: Front) -> None:
    """The page for a name that nobody has links to the form, with the name filled in."""
    page = front.get("/any/page", unknown="new-name")
    assert page.status_code == 404
    assert 'href="http://example.test:8000/signup?name=new-name"' in page.text
    assert 'value="new-name"' in front.person().get("/signup?name=new-name").text


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"email": "no address"}, "not an e-mail address"),
        ({"email": ""}, "required"),
        ({"title": ""}, "required"),
        ({"password": "short"}, "12 characters"),
        ({"password": "acmeacmeacme"}, "easy to guess"),
        ({"password": "x" * 1100}, "1024"),
        ({"title": "x" * 101}, "100"),
        ({"email": "a@b.test\r\nBcc: all@x.test"}, "not an e-mail address"),
    ],
)
def test_a_wrong_form_comes_back(front: Front, changes: dict[str, str], complaint: str) -> None:
    """With what is wrong with it, and with nothing done; the password is not sent back."""
    answer = front.person().sign_up("acme", **changes)
    assert answer.status_code == 422
    assert complaint in answer.text
    assert PASSWORD not in answer.text
    assert find_flaws(answer.text) == []
    assert front.catalog.tenants.find("acme") is None
    assert front.catalog.accounts.list().total == 0
    assert front.mails() == []


def test_a_program_gets_problems(front: Front) -> None:
    """RFC 9457, with the fields."""
    person = front.person()
    form = {"csrf_token": person.token(), "slug": "acme"}
    answer = person.open("POST", "/signup", data=form, headers=JSON)
    assert answer.status_code == 422
    assert {"email", "title", "password"} <= set(answer.get_json()["errors"])


# --- twice, at once -------------------------------------------------------------------------------


def test_the_same_form_twice_is_one_site(front: Front) -> None:
    """A double click, or Back and again: the second answer leads to the same site."""
    person = front.person()
    stamp = front.old_stamp(person.get("/signup").text)
    token = person.token()
    form = {"slug": "acme", "title": "Acme", "email": "o@mail.test", "password": PASSWORD}
    form |= {"stamp": stamp, "csrf_token": token}
    anonymous = person.client.get_cookie("account", domain="example.test")
    assert anonymous is not None
    first = person.open("POST", "/signup", data=form)
    person.client.set_cookie("account", anonymous.value, domain="example.test")
    second = person.open("POST", "/signup", data=form)
    assert first.headers["Refresh"] == second.headers["Refresh"]
    assert front.workshop.provisioned == ["acme"]
    # With the form's stamp alone, nobody gets in.
    person.client.set_cookie("account", anonymous.value, domain="example.test")
    third = person.open("POST", "/signup", data=form | {"password": "another long sentence here"})
    assert (third.status_code, "Refresh" in third.headers) == (422, False)


def test_two_people_want_one_name_at_once(front: Front) -> None:
    """One gets it. The other keeps what was typed, and nothing half done is left."""
    people = [front.person() for _ in range(4)]
    forms = [
        {
            "slug": "acme",
            "title": f"Title {number}",
            "email": f"p{number}@mail.test",
            "password": PASSWORD,
            "stamp": front.old_stamp(person.get("/signup").text),
            "csrf_token": person.token(),
        }
        for number, person in enumerate(people)
    ]
    answers: dict[int, Any] = {}
    barrier = threading.Barrier(2)

    def send(number: int) -> None:
        barrier.wait(30)
        answers[number] = people[number].open("POST", "/signup", data=forms[number])

    threads = [threading.Thread(target=send, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = sorted(answer.status_code for answer in answers.values())
    assert statuses == [200, 422]
    loser = next(number for number, answer in answers.items() if answer.status_code == 422)
    assert f'value="Title {loser}"' in answers[loser].text
    assert f'value="p{loser}@mail.test"' in answers[loser].text
    assert "exists already" in answers[loser].text
    assert front.workshop.provisioned == ["acme"]
    assert front.catalog.accounts.list().total == 1


def test_a_failing_factory_leaves_nothing(front: Front) -> None:
    """The name is free again, no account is there, and the answer is an error with a number."""
    front.workshop.is_broken = True
    assert front.person().sign_up("acme").status_code == 500
    assert front.catalog.tenants.find("acme") is None
    assert front.catalog.accounts.list().total == 0
    front.workshop.is_broken = False
    assert front.person().sign_up("acme").status_code == 200


# --- bots -----------------------------------------------------------------------------------------


def test_a_field_that_nobody_sees_catches_programs(front: Front) -> None:
    """Nothing is made, and a person whose browser filled it in is told what to do."""
    answer = front.person().sign_up("acme", website="https://spam.test")
    assert (answer.status_code, "Leave the field" in answer.text) == (422, True)
    assert front.workshop.provisioned == []


def test_a_form_that_was_sent_at_once_has_to_be_sent_again(front: Front) -> None:
    """People type; who did is asked to press the button once more, and everything is still there."""
    person = front.person()
    page = person.get("/signup").text
    fresh = page.partition('name="stamp" value="')[2].partition('"')[0]
    answer = person.sign_up("acme", stamp=fresh)
    assert (answer.status_code, "faster than people type" in answer.text) == (422, True)
    assert fresh in answer.text
    time.sleep(1.6)
    assert person.sign_up("acme", stamp=fresh).status_code == 200


@pytest.mark.parametrize("stamp", ["", "made-up", "WyJhIiwxXQ.x"])
def test_a_form_needs_its_stamp(front: Front, stamp: str) -> None:
    """A stamp that we did not make counts as too old; the answer brings a new one."""
    answer = front.person().sign_up("acme", stamp=stamp)
    assert (answer.status_code, "open for too long" in answer.text) == (422, True)
    assert front.old_stamp(answer.text)


def test_a_thousand_sign_ups_of_one_network_cost_no_database(front: Front) -> None:
    """After a handful each is refused before anything is made; another network is not affected."""
    bots = [front.person(address=f"2001:db8:1:{number:x}::1") for number in (1, 2)]
    statuses: list[int] = []
    for bot in bots:
        stamp, token = front.old_stamp(bot.get("/signup").text), bot.token()
        for number in range(25):
            form = {
                "slug": f"bot-{len(statuses)}",
                "title": "Bot",
                "email": f"b{number}@mail.test",
                "password": PASSWORD,
                "stamp": stamp,
                "csrf_token": token,
            }
            bot.client.delete_cookie("account_device", domain="example.test")
            answer = bot.open("POST", "/signup", data=form)
            statuses.append(answer.status_code)
            if answer.status_code == 200:  # a new browser each time
                bot.client = front.app.test_client()
                stamp, token = front.old_stamp(bot.get("/signup").text), bot.token()
    assert statuses.count(200) == 2 * NEW_SITE.burst
    assert set(statuses) == {200, 429}
    assert len(front.workshop.provisioned) == 2 * NEW_SITE.burst
    assert front.catalog.accounts.list().total == 2 * NEW_SITE.burst
    assert front.person().sign_up("acme").status_code == 200


def test_names_cannot_be_listed(front: Front) -> None:
    """One network gets so many answers, by the fragment, the button and the form together."""
    front.add_site("taken", "Taken")
    person = front.person()
    answers = [person.get("/signup/check?slug=taken").text for _ in range(NAME_CHECK.burst + 5)]
    told = sum("exists already" in answer for answer in answers)
    assert NAME_CHECK.burst <= told < len(answers)
    assert "too many names" in answers[-1]
    refused = person.sign_up("taken")
    assert refused.status_code in {422, 429}
    assert "exists already" not in refused.text or refused.status_code == 422


def test_an_address_gets_few_mails(front: Front) -> None:
    """Nothing that visitors do fills a mailbox: at most five mails an hour to one address."""
    front.add_account("olga@mail.test")
    for number in range(8):
        front.person().post("/forgot", {"email": "olga@mail.test"})
        front.person().sign_up(f"site-{number}", email="olga@mail.test")
    assert len(front.mails("olga@mail.test")) == 5
    front.person().post("/forgot", {"email": "other@mail.test"})
    front.person().sign_up("other", email="other@mail.test")
    assert len(front.mails("other@mail.test")) == 1


# --- who may --------------------------------------------------------------------------------------


def test_a_closed_door(make_front: Callable[..., Front]) -> None:
    """Nobody signs up, and no page offers it."""
    front = make_front(signup="closed")
    for answer in (front.get("/signup"), front.person().open("POST", "/signup")):
        assert answer.status_code in {400, 403}
    assert "ask them for one" in front.get("/signup").text
    for page in (front.get("/"), front.get("/directory"), front.get("/", unknown="new-name")):
        assert "/signup" not in page.text


def test_an_invitation_opens_the_door_once(make_front: Callable[..., Front]) -> None:
    """It fills in the address, and works once."""
    front = make_front(signup="invitation")
    assert front.get("/signup").status_code == 403
    token = front.catalog.invitations.create("olga@mail.test", "signup", by=SYSTEM)
    path = f"/signup/{token}"
    assert 'value="olga@mail.test"' in front.person().get(path).text
    assert front.person().sign_up("acme", path=path, email="olga@mail.test").status_code == 200
    assert front.person().get(path).status_code == 403
    assert front.person().get("/signup/made-up").status_code == 403


def test_domains_of_addresses(make_front: Callable[..., Front]) -> None:
    """Only allowed ones, and no banned ones nor those below them."""
    front = make_front(
        signup_mail_allowed="good.test", signup_mail_banned="bad.test,spam.good.test"
    )
    refused = front.person().sign_up("acme", email="a@other.test")
    assert (refused.status_code, "Use an address at good.test" in refused.text) == (422, True)
    assert front.person().sign_up("acme", email="a@good.test").status_code == 200


def test_a_name_that_looks_like_anothers_is_refused(front: Front) -> None:
    """R31: while somebody types it, and when the form is sent."""
    front.add_site("acme", "Acme")
    said = "looks like the name of another site, “acme”"
    assert said in front.person().get("/signup/check?slug=acrne").text
    answer = front.person().sign_up("acrne")
    assert (answer.status_code, said in answer.text) == (422, True)
    assert front.workshop.provisioned == []


def test_banned_domains_cover_what_is_below(make_front: Callable[..., Front]) -> None:
    """A domain that merely ends alike is another one."""
    front = make_front(signup_mail_banned="bad.test")
    for address in ("a@bad.test", "a@mail.BAD.test"):
        assert front.person().sign_up("acme", email=address).status_code == 422
    assert front.person().sign_up("acme", email="a@notbad.test").status_code == 200


def test_terms_are_accepted_as_they_are(make_front: Callable[..., Front], tmp_path: Path) -> None:
    """The account keeps the version; a form of an older one has to be sent again."""
    terms = tmp_path / "terms.md"
    terms.write_text("# Be kind\n\n<b>No</b> spam.")
    front = make_front(terms_file=terms)
    page = front.get("/terms").text
    assert "Be kind</h1>" in page
    assert "&lt;b&gt;No" in page
    version = front.get("/signup").text.partition('name="terms_version" value="')[2][:12]
    refused = front.person().sign_up("acme", terms_version=version)
    assert (refused.status_code, "Accept the terms to go on" in refused.text) == (422, True)
    terms.write_text("# Be kinder")
    changed = front.person().sign_up("acme", terms_version=version, terms="y")
    assert (changed.status_code, "terms have changed" in changed.text) == (422, True)
    newer = changed.text.partition('name="terms_version" value="')[2][:12]
    assert newer != version
    assert front.person().sign_up("acme", terms_version=newer, terms="y").status_code == 200
    account = front.catalog.accounts.find("acme@mail.test")
    assert account is not None
    assert account.terms_version == newer


def test_who_has_an_account_adds_a_site(front: Front) -> None:
    """Without address and password; a confirmed owner's site is not held."""
    front.add_account("olga@mail.test")
    olga = front.person("olga@mail.test")
    assert 'name="password"' not in olga.get("/signup").text
    assert olga.sign_up("acme").status_code == 200
    tenant = front.catalog.tenants.get("acme")
    assert (tenant.owners, tenant.quiet, tenant.held_until) == (("olga@mail.test",), False, None)
    assert not [mail for mail in front.mails() if mail["Subject"].startswith("Confirm")]


# --- sites that nobody confirms -------------------------------------------------------------------


def test_a_site_that_nobody_confirms_is_given_up(front: Front) -> None:
    """After 48 hours its name is free, and its owner's account is gone."""
    front.person().sign_up("acme", email="olga@mail.test")
    front.person().sign_up("bolt", email="otto@mail.test")
    acme = front.catalog.tenants.get("acme")
    with front.catalog.store.writing(SYSTEM) as writer:
        past = datetime.now(UTC) - timedelta(seconds=1)
        held = update(TenantRecord).where(TenantRecord.id == acme.id)
        writer.session.execute(held.values(held_until=past))

    for slug in ("acme", "bolt"):  # the other one has its time still
        front.operations.give_up_unconfirmed(slug)
    assert front.catalog.accounts.find("olga@mail.test") is None
    assert front.catalog.tenants.get("bolt").state is TenantState.ACTIVE
    assert front.catalog.tenants.get_by_id(acme.id).state is TenantState.DELETED
    assert front.person().sign_up("acme", email="new@mail.test").status_code == 200
