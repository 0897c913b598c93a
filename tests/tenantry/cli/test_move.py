"""``tenantry tenant move``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tenantry.cli.conftest import Desk


@pytest.fixture
def acme(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a platform with two placements, and a site on the first one."""
    places = {"local": "sqlite", "disk": f"sqlite:///{tmp_path}/disk"}
    monkeypatch.setenv("TENANTRY_FACTORY", "tenants:create_app")
    monkeypatch.setenv("TENANTRY_DATABASES", json.dumps(places))
    desk.prepare()
    desk.done("tenant", "create", "acme")
    return desk


def test_drill(acme: Desk) -> None:
    """Look, move, look, drop; each command says what it has done, or would do."""
    told = acme.done("tenant", "move", "acme", "--to", "disk", "--dry-run")
    assert "Would move acme" in told
    assert "from local to disk" in told
    assert "acme lives on disk now" in acme.done("tenant", "move", "acme", "--to", "disk")
    assert "already" in acme.done("tenant", "move", "acme", "--to", "disk", "--dry-run")
    assert "already" in acme.done("tenant", "move", "acme", "--to", "disk")
    facts = json.loads(acme.done("tenant", "show", "acme", "--json"))
    assert (facts["placement"], facts["former_placement"]) == ("disk", "local")
    assert "Former placement" in acme.done("tenant", "show", "acme")
    assert "--drop` first" in acme.refused("tenant", "move", "acme", "--to", "local")
    assert "Would destroy the old copy of acme on local" in acme.done(
        "tenant", "move", "acme", "--drop", "--dry-run"
    )
    assert "on local is gone" in acme.done("tenant", "move", "acme", "--drop")
    assert "Former placement" not in acme.done("tenant", "show", "acme")
    assert "no old copy" in acme.refused("tenant", "move", "acme", "--drop")


def test_an_interrupted_move_is_told(acme: Desk) -> None:
    """Whoever looks sees that something was begun and not finished, and what comes of it."""
    with acme.catalog as catalog:
        tenant = catalog.tenants.get("acme")
        catalog.relocations.begin(tenant.id, "disk", by=SYSTEM)
    assert "moving to disk" in acme.done("tenant", "list")
    assert "Moving to" in acme.done("tenant", "show", "acme")
    told = acme.done("tenant", "move", "acme", "--to", "disk", "--dry-run")
    assert "Would first remove" in told
    assert "acme lives on disk now" in acme.done("tenant", "move", "acme", "--to", "disk")


@pytest.mark.parametrize("words", [[], ["--to", "disk", "--drop"]])
def test_one_of_both(acme: Desk, words: list[str]) -> None:
    """To move and to drop at once would leave nothing to go back to."""
    assert acme.run("tenant", "move", "acme", *words).exit_code == 2


def test_an_unknown_place(ready: Desk) -> None:
    """The sentence names those that there are."""
    ready.done("tenant", "create", "acme")
    assert "no placement" in ready.refused("tenant", "move", "acme", "--to", "main")
