"""``tenantry tenant rename``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.tenantry.cli.conftest import Desk


@pytest.fixture
def two(ready: Desk) -> Desk:
    """Return a platform with two sites."""
    ready.done("tenant", "create", "acme", "--owner", "ada@x.test")
    ready.done("tenant", "create", "bakery")
    return ready


# --- rename -------------------------------------------------------------------------------------


def test_rename_says_the_new_address(two: Desk) -> None:
    """And for how long the old one leads there; said again, that it is done."""
    text = two.done("tenant", "rename", "acme", "acme-ltd")
    assert "http://acme-ltd.localhost" in text
    assert "90 days" in text
    assert "already" in two.done("tenant", "rename", "acme", "acme-ltd")
    assert "already" in two.done("tenant", "rename", "acme-ltd", "acme-ltd")


def test_rename_dry_run(two: Desk) -> None:
    """It says what would happen, and refuses what would be refused."""
    with two.catalog as catalog:
        epoch, events = catalog.read_epoch(), catalog.list_audit().total
    assert "Would call acme bolt" in two.done("tenant", "rename", "acme", "bolt", "--dry-run")
    assert "bakery" in two.refused("tenant", "rename", "acme", "bakery", "--dry-run")
    with two.catalog as catalog:
        assert (catalog.read_epoch(), catalog.list_audit().total) == (epoch, events)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["nobody", "bolt"], "'nobody' does not exist", id="unknown"),
        pytest.param(["acme", "bakery"], "'bakery' exists already", id="taken"),
        pytest.param(["acme", "www"], "'www' cannot name a site", id="reserved"),
        pytest.param(["acme", "Bolt"], "'Bolt' cannot name a site", id="against the rule"),
    ],
)
def test_rename_refuses(two: Desk, words: list[str], sentence: str) -> None:
    """One line that names what is wrong."""
    assert sentence in two.refused("tenant", "rename", *words)


def test_a_former_name_is_told_to_whoever_uses_it(two: Desk) -> None:
    """Commands do not follow it silently, but say the new one; show lists it; none gets it."""
    two.done("tenant", "rename", "acme", "bolt")
    for command in ("show", "suspend"):
        assert "called 'bolt' now" in two.refused("tenant", command, "acme")
    assert "called 'bolt' now" in two.refused("tenant", "rename", "acme", "coil")
    assert "'acme' exists already" in two.refused("tenant", "create", "acme")
    (name,) = json.loads(two.done("tenant", "show", "bolt", "--json"))["former_names"]
    assert name["slug"] == "acme"
    assert "acme (leads here until 20" in two.done("tenant", "show", "bolt")


def test_a_file_with_a_former_name_is_refused_as_a_whole(two: Desk) -> None:
    """Checking the file finds reserved names before anything is made."""
    two.done("tenant", "rename", "acme", "bolt")
    file = two.folder / "sites.csv"
    file.write_text("slug,name,owner_email\nnew,New,a@x.test\nacme,Acme,b@x.test\n")
    result = two.run("tenant", "create", "--from-file", str(file), "--all-or-nothing")

    assert result.exit_code == 1
    assert "'acme' exists already or its name is still reserved" in result.stderr
    with two.catalog as catalog:
        assert catalog.find_tenant("new") is None


def test_without_days_the_old_address_is_closed(two: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting decides, and the command says so."""
    monkeypatch.setenv("TENANTRY_RENAME_REDIRECT_DAYS", "0")
    assert "old address is closed" in two.done("tenant", "rename", "acme", "bolt")
    assert "acme (reserved)" in two.done("tenant", "show", "bolt")
