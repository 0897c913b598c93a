"""``tenantry host`` and ``tenantry account``."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from tenantry.catalog import SYSTEM
from tenantry.catalog.models import HostRecord, LinkRecord, now
from tests.nameserver import NameServer

if TYPE_CHECKING:
    from tests.tenantry.cli.conftest import Desk

LINK = re.compile(r"http://localhost:\d+/password/([\w-]{43})\n")


@pytest.fixture
def acme(ready: Desk) -> Desk:
    """Return a platform with one site."""
    ready.done("tenant", "create", "acme", "--owner", "ada@x.test")
    return ready


def test_hosts_come_and_go(acme: Desk) -> None:
    """A host is kept in its canonical form and listed with its tenant."""
    words = ["host", "add", "acme", "WWW.Acme.test.", "--unproven"]
    text = acme.done(*words)
    assert "acme answers on www.acme.test too" in text
    assert "No one has proved that www.acme.test is theirs" in text
    assert acme.done(*words) == text
    (row,) = json.loads(acme.done("host", "list", "--json"))
    assert (row["host"], row["tenant"]) == ("www.acme.test", "acme")
    assert (row["state"], row["proof"]) == ("verified", "operator")
    assert "verified on the operator's word" in acme.done("host", "list", "acme")
    assert "Would take" in acme.done("host", "remove", "acme", "www.acme.test", "--dry-run")
    acme.done("host", "remove", "acme", "www.ACME.test")
    assert json.loads(acme.done("host", "list", "--json")) == []


def test_an_unproven_host_is_pending(acme: Desk) -> None:
    """It is not served, says so, and can be served on the operator's word or taken back."""
    text = acme.done("host", "add", "acme", "www.acme.test")
    assert "www.acme.test is pending and not served" in text
    assert "1 of 1 resolvers did not answer" in text
    (row,) = json.loads(acme.done("host", "list", "--json"))
    assert (row["state"], row["proof"], row["verified_at"]) == ("pending", "", None)
    assert "localhost" in acme.done("tenant", "show", "acme").split("Url")[1].splitlines()[0]
    assert "answers on" in acme.done("host", "add", "acme", "www.acme.test", "--unproven")
    acme.done("host", "add", "acme", "other.test")
    acme.done("host", "remove", "acme", "other.test")


def test_a_host_is_proved_by_its_dns(acme: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """R30: from the records that are printed to a site that answers there, and redirects."""
    with NameServer() as resolver:
        monkeypatch.setenv("TENANTRY_DNS_RESOLVERS", resolver.text)
        monkeypatch.setenv("TENANTRY_DNS_TARGETS", "sites.example.com, 203.0.113.7")
        text = acme.done("host", "add", "acme", "b\u00fccher.test")
        assert "b\u00fccher.test (xn--bcher-kva.test) is pending and not served" in text
        shown = json.loads(acme.done("host", "show", "acme", "b\u00fccher.test", "--json"))
        assert [record["type"] for record in shown["records"]] == ["TXT", "CNAME", "A"]
        for record in shown["records"]:
            assert f"{record['type']:<5}" in text
            assert f"{record['name']}" in text
            assert f"{record['value']}\n" in text
            resolver.records[record["name"], record["type"]] = [record["value"]]
        del resolver.records["xn--bcher-kva.test", "CNAME"]
        assert "pending" in acme.done("host", "check", "acme", "xn--bcher-kva.test")  # too soon
        with acme.catalog as catalog, catalog.store.engine.begin() as connection:
            connection.execute(update(HostRecord).values(checked_at=None))
        text = acme.done("host", "check", "acme", "xn--bcher-kva.test")
    assert text == "acme answers on b\u00fccher.test (xn--bcher-kva.test) too.\n"
    text = acme.done("host", "show", "acme", "xn--bcher-kva.test")
    assert re.search("State +verified by DNS\n", text)

    name = "xn--bcher-kva.test"
    assert "Would redirect" in acme.done("host", "primary", "acme", name, "--dry-run")
    assert f"redirect to {name}" in acme.done("host", "primary", "acme", name)
    assert "verified by DNS, primary" in acme.done("host", "list")
    assert "Would end" in acme.done("host", "primary", "acme", "--none", "--dry-run")
    assert "answers on each of its hosts" in acme.done("host", "primary", "acme", "--none")
    assert acme.run("host", "primary", "acme").exit_code == 2


def test_a_host_rests_after_it_was_served(acme: Desk) -> None:
    """Another tenant gets it by a word that says so."""
    acme.done("tenant", "create", "bakery")
    acme.done("host", "add", "acme", "www.acme.test", "--unproven")
    acme.done("host", "remove", "acme", "www.acme.test")
    assert "is reserved until" in acme.refused(
        "host", "add", "bakery", "www.acme.test", "--unproven"
    )
    acme.done("host", "add", "bakery", "www.acme.test", "--unproven", "--take-over")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["add", "acme", "shop.localhost"], "is taken", id="under our domain"),
        pytest.param(["add", "acme", "http://a.test"], "is not a host name", id="a URL"),
        pytest.param(["add", "acme", "\u0430pple.com"], "several scripts", id="mixed scripts"),
        pytest.param(["add", "nobody", "a.test"], "Tenant 'nobody' does not exist", id="no tenant"),
        pytest.param(["remove", "acme", "a.test"], "does not belong", id="not its host"),
        pytest.param(["remove", "acme", "a.test", "--dry-run"], "does not belong", id="dry run"),
        pytest.param(["check", "acme", "a.test"], "does not belong", id="check of none"),
        pytest.param(["show", "acme", "a.test"], "does not belong", id="show of none"),
        pytest.param(["primary", "acme", "a.test"], "does not belong", id="primary of none"),
        pytest.param(["list", "nobody"], "does not exist", id="list of nobody"),
    ],
)
def test_host_refusals(acme: Desk, words: list[str], sentence: str) -> None:
    """Each refusal is one line."""
    assert sentence in acme.refused("host", *words)


def test_account_gets_a_link_and_no_password(ready: Desk) -> None:
    """An account is made without a password; the link works once, for this account."""
    text = ready.done("account", "create", "Bob@X.test", "--name", "Bob", "--operator")
    (token,) = LINK.findall(text)
    with ready.catalog as catalog:
        account = catalog.links.use("setup", token, by=SYSTEM)
    assert (account.email, account.name, account.operator) == ("bob@x.test", "Bob", True)
    assert not account.has_password


def test_forgotten_password(acme: Desk) -> None:
    """A new link ends the one before."""
    (first,) = LINK.findall(acme.done("account", "link", "ada@x.test"))
    (second,) = LINK.findall(acme.done("account", "link", " ADA@x.test"))
    with acme.catalog as catalog:
        assert catalog.links.peek("setup", second).email == "ada@x.test"
    assert first != second


def test_a_link_that_replaces_a_password_works_for_an_hour(acme: Desk) -> None:
    """R53: only a first set-up link may wait for a day."""
    assert "within 24 hours" in acme.done("account", "link", "ada@x.test")
    with acme.catalog as catalog:
        account = catalog.accounts.find("ada@x.test")
        assert account is not None
        catalog.accounts.set_password(account.id, "seven green bottles hang", by=SYSTEM)
    text = acme.done("account", "link", "ada@x.test")
    assert "within 1 hour:" in text
    with acme.catalog as catalog, catalog.store.reading() as session:
        (expires_at,) = session.scalars(select(LinkRecord.expires_at))
        assert now() < expires_at <= now() + timedelta(hours=1)


def test_an_account_is_signed_out_everywhere(acme: Desk) -> None:
    """R25: what an operator does first when somebody's laptop is gone."""
    with acme.catalog as catalog:
        account = catalog.accounts.find("ada@x.test")
        assert account is not None
        made = catalog.sessions.start(account.id, lifetime=timedelta(hours=1), by=SYSTEM)
    assert "is signed out everywhere" in acme.done("account", "sign-out", " ADA@x.test")
    with acme.catalog as catalog:
        assert catalog.sessions.find(made.id) is None
    assert "does not exist" in acme.refused("account", "sign-out", "eve@x.test")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["create", "ada@x.test"], "exists already", id="known"),
        pytest.param(["create", "ada"], "not an e-mail address", id="no address"),
        pytest.param(["link", "eve@x.test"], "does not exist", id="unknown"),
    ],
)
def test_account_refusals(acme: Desk, words: list[str], sentence: str) -> None:
    """Each refusal is one line."""
    assert sentence in acme.refused("account", *words)


def test_account_list(acme: Desk) -> None:
    """People and programs see who has which role, never a hash."""
    rows = json.loads(acme.done("account", "list", "--json", "--all"))
    assert [row["email"] for row in rows] == ["ada@x.test", "operator@localhost"]
    assert set(rows[0]) == {"id", "email", "name", "operator", "has_password", "created_at"}
    assert "not set yet" in acme.done("account", "list", "--search", "ada")
    (row,) = json.loads(acme.done("account", "list", "--operators", "--json"))
    assert row["email"] == "operator@localhost"


def test_backend_host_is_where_links_lead(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a host of its own for the backend, links lead there (R9)."""
    monkeypatch.setenv("TENANTRY_BACKEND_HOST", "admin.example.com")
    text = ready.done("account", "create", "bob@x.test")
    assert re.search(r"http://admin\.example\.com:\d+/password/", text)


def test_an_invitation_to_sign_up(ready: Desk) -> None:
    """The link works whatever the setting says; a wrong address makes none."""
    text = ready.done("account", "invite", "Bob@X.test")
    (token,) = re.findall(r"http://\S+/signup/([\w-]{43})", text)
    with ready.catalog as catalog:
        found = catalog.invitations.find(token)
    assert (found.email, found.role, found.tenant_id) == ("bob@x.test", "signup", None)
    assert "is not an e-mail address" in ready.refused("account", "invite", "nobody")


def test_a_lost_second_factor_is_reset(acme: Desk) -> None:
    """The password alone is enough then, and sessions that somebody else may have end."""
    with acme.catalog as catalog:
        account = catalog.accounts.find("ada@x.test")
        assert account is not None
        catalog.second_factors.set_secret(account.id, "sealed", step=1, by=SYSTEM)
        catalog.sessions.start(account.id, lifetime=timedelta(hours=1), by=SYSTEM)
    assert "password alone" in acme.done("account", "reset-second-factor", "ada@x.test")
    with acme.catalog as catalog:
        account = catalog.accounts.find("ada@x.test")
        assert account is not None
        assert not account.second_factor
        assert catalog.sessions.list(account.id) == ()
    assert "does not exist" in acme.refused("account", "reset-second-factor", "eve@x.test")
