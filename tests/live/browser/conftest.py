"""Chromium, one running platform for all its tests, and people who use it.

Set ``SCREENSHOTS`` to a folder to get a picture of every page that is looked at.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Playwright, expect, sync_playwright

from tenantry.catalog import SYSTEM
from tests.live.browser.person import OPERATOR, PASSWORD, Person
from tests.live.server import SITES, Server, copy_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from playwright.sync_api import Browser

    NewPerson = Callable[..., Person]

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
PATIENCE = 30_000
"""Milliseconds. The machine may be busy; when all is well nothing takes a tenth of it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of Chromium; skip without one, but never on CI."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        missing = "There is no Chromium here: run `make system`."
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return path


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Return what drives the browser."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    """Return a running Chromium."""
    started = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
    yield started
    started.close()


@pytest.fixture(scope="session")
def platform(folder: Path, demo_data: Path, chromium: str) -> Iterator[Server]:
    """Return the running example sites; an operator and the sites' owners have passwords."""
    with Server(copy_data(demo_data, folder / "browser")) as running:
        accounts = [running.catalog.accounts.find(f"owner@{slug}.test") for slug in SITES]
        accounts.append(running.catalog.accounts.add(OPERATOR, operator=True, by=SYSTEM))
        for account in accounts:
            assert account is not None
            running.catalog.accounts.set_password(account.id, PASSWORD, by=SYSTEM)
        yield running


@pytest.fixture
def new_person(platform: Server, browser: Browser) -> Iterator[NewPerson]:
    """Return a function that seats somebody new at a browser of their own.

    At the end, nobody's browser may have complained, or have asked any other host for anything.
    """
    people: list[Person] = []

    def new(*, server: Server = platform, **options: Any) -> Person:
        context = browser.new_context(reduced_motion="reduce", **options)
        context.set_default_timeout(PATIENCE)
        people.append(Person(context, server.port))
        return people[-1]

    yield new
    for person in people:
        person.context.close()
    for person in people:
        assert person.complaints() == []
        assert person.strangers == []


@pytest.fixture
def visitor(new_person: NewPerson) -> Person:
    """Return somebody whom nobody knows."""
    return new_person()


@pytest.fixture
def operator(new_person: NewPerson) -> Person:
    """Return the operator, signed in at the platform's backend."""
    return new_person().enter_backend(OPERATOR)
