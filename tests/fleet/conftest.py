"""Two nodes with data folders of their own and one catalog on PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import make_url

from tests.fleet.node import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
_numbers = count(1)


@pytest.fixture(scope="module", autouse=True)
def _cheap_hashing() -> None:
    """Hash at the true cost, as the servers do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("live")
            item.add_marker("postgresql")


@pytest.fixture
def catalog_url(postgres_url: str) -> Iterator[str]:
    """Return the URL of an empty database for one fleet's catalog."""
    plain = make_url(postgres_url).set(drivername="postgresql")
    name = f"fleet_{next(_numbers)}"
    with psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def make_node(catalog_url: str) -> Iterator[Callable[..., Node]]:
    """Return a function that makes nodes of one fleet, which are gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="tenantry-fleet-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)

        def make(name: str, **variables: str) -> Node:
            home = folder / name
            home.mkdir()
            node = Node(home / "var", {"TENANTRY_CATALOG_URL": catalog_url, **variables})
            stack.callback(node.end)
            return node

        yield make
