"""``tenantry tenant owner``: who owns a site."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.tenantry.cli.conftest import Desk


@pytest.fixture
def acme(ready: Desk) -> Desk:
    """Return a platform with an owned site and one without an owner."""
    ready.done("tenant", "create", "acme", "--owner", "ada@x.test")
    ready.done("tenant", "create", "lonely")
    return ready


def owners(desk: Desk, slug: str = "acme") -> list[str]:
    """Return the owners, by the command and by the tenant's own value."""
    shown: list[str] = json.loads(desk.done("tenant", "owner", slug, "--json"))["owners"]
    with desk.catalog as catalog:
        assert list(catalog.tenants.get(slug).owners) == shown
        assert list(catalog.tenants.get_row(slug).owners) == shown
    return shown


def trail(desk: Desk) -> list[tuple[str, str]]:
    """Return what was done to memberships, the latest first."""
    with desk.catalog as catalog:
        events = catalog.audit.list(size=100).items
    return [
        (event.action.removeprefix("membership."), event.detail["email"])
        for event in events
        if event.action.startswith("membership.")
    ]


def test_owners_are_added_and_removed(acme: Desk) -> None:
    """Each change is an audit row; said again it is a sentence, and nothing changes."""
    assert acme.done("tenant", "owner", "acme") == "ada@x.test\n"
    assert acme.done("tenant", "owner", "lonely") == "nobody\n"
    text = acme.done("tenant", "owner", "acme", "--add", "Bob@X.test")
    assert "Owners of acme: ada@x.test, bob@x.test." in text
    assert "`tenantry account link bob@x.test`" in text
    assert "owns acme already" in acme.done("tenant", "owner", "acme", "--add", "bob@x.test")
    assert "Owners of acme: bob@x.test." in acme.done(
        "tenant", "owner", "acme", "--remove", "ada@x.test"
    )
    assert "does not own" in acme.done("tenant", "owner", "acme", "--remove", "ada@x.test")
    assert owners(acme) == ["bob@x.test"]
    assert trail(acme) == [("remove", "ada@x.test"), ("add", "bob@x.test"), ("add", "ada@x.test")]


def test_one_owner_stays(acme: Desk) -> None:
    """The last one can only hand the site on; a site without an owner stays possible."""
    assert "is the only owner of tenant 'acme'" in acme.refused(
        "tenant", "owner", "acme", "--remove", "ada@x.test"
    )
    assert "only owner" in acme.refused(
        "tenant", "owner", "acme", "--remove", "ada@x.test", "--dry-run"
    )
    assert "does not own" in acme.done("tenant", "owner", "lonely", "--remove", "ada@x.test")
    assert owners(acme) == ["ada@x.test"]


def test_ownership_is_transferred(acme: Desk) -> None:
    """In one step: there is always an owner, and afterwards only the new one."""
    acme.done("tenant", "owner", "acme", "--add", "bob@x.test")
    assert "Would make these the owners of acme: cora@x.test" in acme.done(
        "tenant", "owner", "acme", "--transfer", "cora@x.test", "--dry-run"
    )
    changed = acme.done("tenant", "owner", "acme", "--transfer", "cora@x.test", "--json")
    assert json.loads(changed) == {
        "slug": "acme",
        "owners": ["cora@x.test"],
        "changed": True,
        "dry_run": False,
    }
    assert "alone owns acme already" in acme.done(
        "tenant", "owner", "acme", "--transfer", "cora@x.test"
    )
    assert owners(acme) == ["cora@x.test"]
    acme.done("tenant", "owner", "lonely", "--transfer", "ada@x.test")
    assert owners(acme, "lonely") == ["ada@x.test"]


def test_workers_see_a_new_owner_at_the_next_request(acme: Desk) -> None:
    """Law 7: it is a change of the tenant, once for each step."""
    with acme.catalog as catalog:
        before = catalog.tenants.get("acme").revision
    acme.done("tenant", "owner", "acme", "--transfer", "bob@x.test")
    with acme.catalog as catalog:
        assert catalog.tenants.get("acme").revision == before + 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["acme", "--add", "bob"], "not an e-mail address", id="no address"),
        pytest.param(["nobody", "--add", "b@x.test"], "does not exist", id="no tenant"),
        pytest.param(["gone", "--add", "b@x.test"], "is deleted and cannot become", id="deleted"),
    ],
)
def test_owner_refusals(acme: Desk, words: list[str], sentence: str) -> None:
    """Each refusal is one line."""
    acme.done("tenant", "create", "gone")
    acme.done("tenant", "delete", "gone", "--yes")
    assert sentence in acme.refused("tenant", "owner", *words)


def test_one_change_at_a_time(acme: Desk) -> None:
    """Two would depend on their order."""
    words = ["--add", "a@x.test", "--remove", "b@x.test"]
    assert acme.run("tenant", "owner", "acme", *words).exit_code == 2
