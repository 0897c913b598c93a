"""Servers for the live tests: two that are shared, and fresh ones for the brutal tests."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.odd import OddServer
from tests.live.server import Server, copy_data, make_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    NewServer = Callable[..., Server]
    NewOddServer = Callable[..., OddServer]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("live")


@pytest.fixture(scope="module", autouse=True)
def _cheap_hashing() -> None:
    """Hash at the true cost, as the servers do."""


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Return a folder that other users can pass through; pytest's own are closed to them."""
    path = Path(tempfile.mkdtemp(prefix="tenantry-live-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def demo_data(folder: Path) -> Path:
    """Return a data folder with the three example sites, to be copied."""
    data = folder / "demo"
    make_data(data)
    return data


@pytest.fixture(scope="session")
def server(folder: Path, demo_data: Path) -> Iterator[Server]:
    """Return the example sites, running. Tests share it and leave it as they found it."""
    with Server(copy_data(demo_data, folder / "shared")) as running:
        yield running


def _new_servers(folder: Path, demo_data: Path) -> Iterator[NewServer]:
    made: list[Server] = []

    def new(**options: Any) -> Server:
        base = Path(tempfile.mkdtemp(prefix="own-", dir=folder))
        base.chmod(0o711)
        made.append(Server(copy_data(demo_data, base / "var"), **options))
        return made[-1]

    yield new
    for server in made:
        server.end()


@pytest.fixture
def new_server(folder: Path, demo_data: Path) -> Iterator[NewServer]:
    """Return a function that prepares (not starts) a server of the test's own."""
    yield from _new_servers(folder, demo_data)


@pytest.fixture(scope="module")
def new_module_server(folder: Path, demo_data: Path) -> Iterator[NewServer]:
    """Return the same for servers that a module's tests share."""
    yield from _new_servers(folder, demo_data)


@pytest.fixture(scope="session")
def odd_server(folder: Path) -> Iterator[OddServer]:
    """Return the server of odd sites. Tests share it and leave it as they found it."""
    with OddServer.prepare(folder / "odd", ("acme", "globex", "initech")) as running:
        yield running


def _new_odd_servers(folder: Path) -> Iterator[NewOddServer]:
    made: list[OddServer] = []

    def new(*slugs: str, **env: str) -> OddServer:
        base = Path(tempfile.mkdtemp(prefix="own-", dir=folder))
        made.append(OddServer.prepare(base / "odd", slugs or ("acme", "globex"), env=env))
        return made[-1]

    yield new
    for server in made:
        server.end()


@pytest.fixture
def new_odd_server(folder: Path) -> Iterator[NewOddServer]:
    """Return a function that prepares (not starts) a server of odd sites of the test's own."""
    yield from _new_odd_servers(folder)


@pytest.fixture(scope="module")
def new_module_odd_server(folder: Path) -> Iterator[NewOddServer]:
    """Return the same for servers that a module's tests share."""
    yield from _new_odd_servers(folder)
