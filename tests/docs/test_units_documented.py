"""The shipped systemd units can write where the documentation leads."""

from __future__ import annotations

import re

import pytest

from tests.live.edge import DEPLOY
from tests.live.server import ROOT

UNITS = ("tenantry.service", "tenantry-work@.service")


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_can_write_to_the_files_of_a_fleet(name: str) -> None:
    """All else is read-only for it, also a folder that is mounted."""
    guide = (ROOT / "docs" / "fleet.md").read_text()
    folders = set(re.findall(r"^ *TENANTRY_FILES_DIR=(\S+)$", guide, re.MULTILINE))
    writable = re.findall(r"^ReadWritePaths=(.+)$", (DEPLOY / name).read_text(), re.MULTILINE)
    assert folders
    assert folders <= {path.lstrip("-") for line in writable for path in line.split()}
