"""``tenantry token``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import open_catalog
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from tests.tenantry.cli.conftest import Desk


@pytest.fixture
def acme(ready: Desk) -> Desk:
    """Return a platform with an operator and Ada's site."""
    ready.done("tenant", "create", "acme", "--owner", "ada@x.test")
    ready.done("account", "create", "op@x.test", "--operator")
    return ready


def opens(secret: str) -> bool:
    """Say whether a secret opens anything."""
    catalog = open_catalog(get_settings())
    try:
        return catalog.api_tokens.find(secret) is not None
    finally:
        catalog.close()


def test_a_token_is_printed_once_listed_and_revoked(acme: Desk) -> None:
    """The listing never has the secret."""
    text = acme.done("token", "create", "op@x.test", "nightly", "--scope", "jobs:read")
    secret = text.splitlines()[0]
    assert "nothing can show it again" in text
    assert opens(secret)
    listing = acme.done("token", "list")
    assert "nightly" in listing
    assert "never" in listing
    assert secret not in listing
    (row,) = json.loads(acme.done("token", "list", "--json", "--account", "OP@x.test"))
    assert (row["name"], row["account"], row["site"]) == ("nightly", "op@x.test", None)
    assert row["scopes"] == ["jobs:read"]
    assert json.loads(acme.done("token", "list", "--json", "--account", "ada@x.test")) == []
    assert "nightly is revoked" in acme.done("token", "revoke", row["id"])
    assert not opens(secret)
    assert "does not exist" in acme.refused("token", "revoke", row["id"])


def test_a_token_for_one_site(acme: Desk) -> None:
    """It is its owner's, and JSON has the secret and what it opens."""
    words = ["token", "create", "ada@x.test", "sync", "--scope", "tenants:read", "--json"]
    made = json.loads(acme.done(*words, "--site", "acme", "--days", "7"))
    assert (made["site"], made["account"]) == ("acme", "ada@x.test")
    assert opens(made["token"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ada@x.test", "--scope", "jobs:read"), "not an operator's"),
        (("op@x.test", "--scope", "jobs:read", "--site", "acme"), "does not own the site"),
        (("op@x.test", "--scope", "jobs:read", "--site", "nobody"), "'nobody' does not exist"),
        (("nobody@x.test", "--scope", "jobs:read"), "does not exist"),
        (("op@x.test", "--scope", "everything"), "'everything' is not a scope"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    acme: Desk, words: tuple[str, ...], said: str
) -> None:
    """Nothing is made."""
    email, *options = words
    assert said in acme.refused("token", "create", email, "x", *options)
    assert json.loads(acme.done("token", "list", "--json")) == []
