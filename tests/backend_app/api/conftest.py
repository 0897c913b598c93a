"""Programs that call the API of the small platform, each with a token of its own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from tenantry.catalog import SYSTEM
from tenantry.values.api_scopes import SCOPES, scopes_for
from tests.backend_app.conftest import build_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from flask import Flask
    from werkzeug.test import TestResponse

    from tests.backend_app.conftest import World

APEX = "example.test"
BASE = "/backend/api/v1"


@dataclass
class Program:
    """Something that calls the API, with one token or none."""

    world: World
    token: str | None = None
    host: str = APEX

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        """Call the API; a document is sent as ``json=``."""
        headers = dict(options.pop("headers", {}))
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        return Client(self.world, Response).open(
            BASE + path, method=method, base_url=f"http://{self.host}", headers=headers, **options
        )

    def get(self, path: str, **options: Any) -> Any:
        """Return the document at *path*."""
        answer = self.call("GET", path, **options)
        assert answer.status_code == 200, answer.text
        assert answer.mimetype == "application/json"
        return answer.json

    def refused(self, status: int, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Make a call that must be refused with this status, and return the problem document."""
        answer = self.call(method, path, **options)
        assert answer.status_code == status, answer.text
        assert answer.mimetype == "application/problem+json"
        found = answer.json
        assert isinstance(found, dict)
        assert found["status"] == status
        assert found["detail"]
        return found


@pytest.fixture
def world(peopled: Path, tmp_path: Path) -> Iterator[World]:
    """Return the platform with its people and sites, and with resolvers that never answer."""
    shutil.copytree(peopled, tmp_path / "data")
    made = build_world(tmp_path / "data", dns_resolvers="127.0.0.1:1")
    yield made
    made.close()


@pytest.fixture
def api(world: World) -> Flask:
    """Return the API's own app."""
    mounts = world.app.wsgi_app.mounts  # type: ignore[attr-defined]
    found: Flask = mounts["/api/v1"]
    return found


@pytest.fixture
def new_program(world: World) -> Callable[..., Program]:
    """Return a function that gives a new program a token of an account."""

    def new(
        email: str = "operator@example.com",
        *,
        slug: str | None = None,
        scopes: Iterable[str] | None = None,
        host: str = APEX,
    ) -> Program:
        account = world.catalog.accounts.find(email)
        assert account is not None
        tenant_id = world.catalog.tenants.get(slug).id if slug else None
        _, secret = world.catalog.api_tokens.create(
            account.id,
            name="test",
            scopes=scopes_for(tenant_id) if scopes is None else scopes,
            days=1,
            tenant_id=tenant_id,
            by=SYSTEM,
        )
        return Program(world, secret, host)

    return new


@pytest.fixture
def program(new_program: Callable[..., Program]) -> Program:
    """Return a program of the operator's that may do everything."""
    return new_program(scopes=SCOPES)


@pytest.fixture
def acme(new_program: Callable[..., Program]) -> Program:
    """Return a program of Olga's for Acme, which may do all that an owner's may."""
    return new_program("olga@example.com", slug="acme")
