"""Sites for the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tenants.helpers import Site, Visitor, make_site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let a site's tests run on each kind of placement, unless their module names its ``KINDS``."""
    if "kind" in metafunc.fixturenames:
        kinds = getattr(metafunc.module, "KINDS", ("sqlite", "postgresql"))
        marks = {"postgresql": [pytest.mark.postgresql]}
        metafunc.parametrize("kind", [pytest.param(k, marks=marks.get(k, [])) for k in kinds])


@pytest.fixture
def databases(kind: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the placement of the sites, as settings have it."""
    return {"local": "sqlite" if kind == "sqlite" else request.getfixturevalue("server_url")}


@pytest.fixture
def site(tmp_path: Path, databases: dict[str, str]) -> Iterator[Site]:
    """Return a site with nobody and nothing on it."""
    site = make_site(tmp_path, databases=databases)
    yield site
    site.close()


@pytest.fixture
def other_site(tmp_path: Path, databases: dict[str, str]) -> Iterator[Site]:
    """Return the site next door."""
    site = make_site(tmp_path, "globex", databases=databases)
    yield site
    site.close()


@pytest.fixture
def visitor(site: Site) -> Visitor:
    """Return somebody who was never on the site."""
    return site.visitor()
