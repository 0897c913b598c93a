"""The front door as a fixture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.tenantry.door import Door, open_door

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog import Catalog
    from tenantry.pool import InstancePool
    from tenantry.settings import Settings


@pytest.fixture
def make_door(
    make_settings: Callable[..., Settings],
    catalog: Catalog,
    make_pool: Callable[..., InstancePool[Any]],
) -> Callable[..., Door]:
    """Return a function that opens a door; ``build`` and ``pool_*`` aside, it takes settings."""

    def make(
        *,
        build: Any = None,
        backend: Any = None,
        pool: dict[str, Any] | None = None,
        **overrides: Any,
    ) -> Door:
        settings = make_settings(**overrides)
        options = {"build": build, "backend": backend, **(pool or {})}
        return open_door(settings, catalog, make_pool, **options)

    return make


@pytest.fixture
def door(make_door: Callable[..., Door]) -> Door:
    """Return a door with the tenant acme behind it."""
    door = make_door()
    door.add("acme", hosts=("www.acme.org",))
    return door
