"""``tenantry settings``: what can be set, for those who have no docs at hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tenantry.settings import PREFIX, Settings

if TYPE_CHECKING:
    import pytest

    from tests.tenantry.cli.conftest import Desk


def test_every_setting_is_listed_even_if_one_is_wrong(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel has no docs; who has mistyped a setting needs the list most."""
    monkeypatch.setenv("TENANTRY_DOMIAN", "example.com")
    listed = json.loads(desk.done("settings", "--json"))
    assert {one["name"] for one in listed} == {
        f"{PREFIX}{n}".upper() for n in Settings.model_fields
    }
    assert all(one["meaning"] for one in listed)
    text = desk.done("settings")
    assert "TENANTRY_DOMAIN=localhost\n    The platform" in text


def test_help_names_what_is_there(desk: Desk) -> None:
    """The help leads to the command, not to a page that no wheel has."""
    assert "docs/" not in desk.done("--help")
    assert "`tenantry settings`" in " ".join(desk.done("--help").split())
