"""A Flask app takes short forms, and long bodies where a view asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Request, request
from flask_wtf import CSRFProtect

from tenantry import Flyweight, accept_body, init_tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.values.tenant import Tenant
    from tests.tenantry.door import Door
    from tests.tenantry.support import Answer

    MakeDoor = Callable[..., Door]

KIB = 1024


def build(**config: Any) -> Flask:
    """Return an unmodified app: a form, an upload, and a view with its own limit."""
    app = Flask("site")
    app.config.update(config)

    @app.post("/form")
    def form() -> str:
        return str(len(request.form))

    @app.post("/upload")
    @accept_body(megabytes=1)
    def upload() -> str:
        return str(len(request.get_data()))

    @app.post("/whole")
    @accept_body()
    def whole() -> str:
        return str(len(request.get_data()))

    @app.post("/own")
    def own() -> str:
        request.max_content_length = 600 * KIB
        return str(len(request.get_data()))

    return app


def post(door: Door, path: str, size: int, **options: Any) -> Answer:
    options = {"content_type": "image/png", **options}
    return door.ask(path, slug="acme", method="POST", data=b"a" * size, **options)


# A prototype is searched for in the whole heap, which takes longer than a build may in a process that
# has run thousands of tests.
FLYWEIGHT = pytest.param("flyweight", marks=pytest.mark.heap)


@pytest.fixture(name="door", params=["bound", FLYWEIGHT, "own request class"])
def any_door(request: pytest.FixtureRequest, make_door: MakeDoor) -> Door:
    """Return a door in front of the app, made in each way that factories have."""
    flyweight = Flyweight(build)

    def make(tenant: Tenant) -> Flask:
        if request.param == "flyweight":
            return flyweight.instance(tenant, settings=door.settings)
        app = build()
        if request.param == "own request class":
            app.request_class = type("OwnRequest", (Request,), {})
        init_tenant(app, tenant, settings=door.settings)
        return app

    # On a busy machine a prototype takes longer than a build may.
    door = make_door(build=make, limit_body_mb=2, pool={"build_seconds": 60.0})
    door.add("acme")
    return door


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/form", 512 * KIB, 200),
        ("/form", 512 * KIB + 1, 413),
        ("/upload", 1024 * KIB, 200),
        ("/upload", 1024 * KIB + 1, 413),
        ("/whole", 2048 * KIB, 200),
        ("/own", 600 * KIB, 200),
        ("/own", 600 * KIB + 1, 413),
    ],
)
def test_a_view_gets_what_it_asks_for(door: Door, path: str, size: int, status: int) -> None:
    """R48: uploads only where a route asks; Flask's own way of asking works too."""
    answer = post(door, path, size)
    assert answer.status == status
    if path != "/form" and status == 200:
        assert answer.text == str(size)


def test_a_form_of_too_many_fields_is_refused_before_csrf(make_door: MakeDoor) -> None:
    """R48: a check that reads the form before the view does not parse it either."""
    parsed: list[int] = []

    def make(tenant: Tenant) -> Flask:
        app = build(WTF_CSRF_ENABLED=False)
        app.before_request(lambda: parsed.append(len(request.form)))
        CSRFProtect(app)
        init_tenant(app, tenant, settings=door.settings)
        return app

    door = make_door(build=make)
    door.add("acme")
    options = {"slug": "acme", "method": "POST"}
    kind = "application/x-www-form-urlencoded"

    assert door.ask("/form", data=b"a&" * 200_000, content_type=kind, **options).status == 413
    assert parsed == []
    assert door.ask("/form", data=b"a=1&b=2", content_type=kind, **options).text == "2"
    assert parsed == [2]


def test_a_factorys_own_limit_counts(make_door: MakeDoor) -> None:
    """An app that sets MAX_CONTENT_LENGTH has asked for as much, on each of its routes."""

    def make(tenant: Tenant) -> Flask:
        app = build(MAX_CONTENT_LENGTH=700 * KIB, MAX_FORM_PARTS=None, MAX_FORM_MEMORY_SIZE=None)
        init_tenant(app, tenant, settings=door.settings)
        assert app.config["MAX_FORM_PARTS"] == door.settings.limit_form_fields
        assert app.config["MAX_FORM_MEMORY_SIZE"] == door.settings.limit_form_bytes
        return app

    door = make_door(build=make)
    door.add("acme")

    assert post(door, "/form", 700 * KIB).status == 200
    assert post(door, "/form", 700 * KIB + 1).status == 413
