"""Sites for the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tenants.helpers import Site, Visitor, make_site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Return a site with nobody and nothing on it."""
    site = make_site(tmp_path)
    yield site
    site.close()


@pytest.fixture
def other_site(tmp_path: Path) -> Iterator[Site]:
    """Return the site next door."""
    site = make_site(tmp_path, "globex")
    yield site
    site.close()


@pytest.fixture
def visitor(site: Site) -> Visitor:
    """Return somebody who was never on the site."""
    return site.visitor()
