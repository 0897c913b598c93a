"""Who may call what: every call with every wrong credential, generated from the URL map."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from backend_app.api.access import needs_of, require_needs
from tenantry.catalog import SYSTEM
from tenantry.values.api_scopes import PLATFORM_SCOPES, SCOPES
from tenantry.values.tenant import TenantState
from tests.backend_app.api.conftest import BASE, Program
from tests.routes import list_routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from backend_app.api.access import Needs
    from tests.backend_app.conftest import World

ACME = "acme.example.test"

HOOK = "0" * 31 + "b"
BODIES = {
    ("POST", "/webhooks"): {"url": "https://hooks.example.com/", "tenant": "bolt"},
    ("POST", "/tenants/bolt/hosts"): {"name": "shop.example.org"},
    ("PATCH", "/tenants/bolt/hosts/shop.example.org"): {"is_primary": True},
}
"""What calls need before they look at the tenant."""


def calls(api: Flask, world: World) -> Iterator[tuple[str, str, Needs]]:
    """Yield method, path and needs of every call; what they name is Bolt's."""
    bolt = world.catalog.tenants.get("bolt")
    job = world.catalog.jobs.list(tenant_id=bolt.id).items[0]
    otto = world.catalog.accounts.find("otto@example.com")
    assert otto is not None
    named: dict[str, Any] = {
        "tenant": "bolt",
        "host": "shop.example.org",
        "owner": "otto@example.com",
        "operation": "suspend",
        "revision": 0,
        "job_id": job.id,
        "account_id": otto.id,
        "webhook_id": HOOK,
        "delivery_id": world.catalog.webhooks.list_deliveries(HOOK)[0].id,
    }
    for route in list_routes(api, named):
        found = needs_of(api.view_functions[route.endpoint])
        assert found is not None
        if found.scope is not None:
            yield route.method, route.path, found


@pytest.fixture
def world(world: World) -> World:
    """Return the platform with a job and a webhook of Bolt's."""
    from tenantry.lifecycle import Operations

    operations = Operations(world.catalog, world.factory, settings=world.settings, actor=SYSTEM)
    operations.start("backup", slug="bolt")
    bolt, url = world.catalog.tenants.get("bolt"), "https://hooks.example.com/"
    webhooks = world.catalog.webhooks
    webhooks.create(HOOK, url, events=(), sealed_secret="", tenant_id=bolt.id, by=SYSTEM)
    webhooks.send_test(HOOK, by=SYSTEM)
    return world


def test_every_call_wants_a_token(api: Flask, world: World, program: Program) -> None:
    """Without one, and with what is none, the answer is 401 and says how to send one."""
    listed = list(calls(api, world))
    assert len(listed) > 10
    wrong = [None, "Basic b3A6cHc=", "Bearer", "Bearer ", "Bearer tnt_", f"Bearer {'x' * 5000}"]
    wrong.append(f"Bearer {program.token}x")
    wrong.append(f"Token {program.token}")
    stranger = Program(world)
    for method, path, _ in listed:
        for value in wrong:
            headers = {} if value is None else {"Authorization": value}
            answer = stranger.call(method, path, headers=headers)
            assert answer.status_code == 401, (method, path, value)
            assert answer.mimetype == "application/problem+json"
            assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_every_call_wants_its_scope(
    api: Flask, world: World, new_program: Callable[..., Program]
) -> None:
    """A token with all other scopes is refused, and learns which one it lacks."""
    lacking = {
        scope: new_program(scopes=[other for other in SCOPES if other != scope]) for scope in SCOPES
    }
    for method, path, wanted in list(calls(api, world)):
        assert wanted.scope is not None
        answer = lacking[wanted.scope].call(method, path)
        assert answer.status_code == 403, (method, path)
        assert f'scope="{wanted.scope}"' in answer.headers["WWW-Authenticate"]


def test_another_sites_token_finds_nothing(api: Flask, world: World, acme: Program) -> None:
    """R40: 404 as for what does not exist, or an empty list; never anything of Bolt's."""
    for method, path, wanted in list(calls(api, world)):
        headers, body = {"If-Match": "*"}, BODIES.get((method, path), {})
        answer = acme.call(method, path, json=body, headers=headers)
        if wanted.platform or wanted.scope in PLATFORM_SCOPES:
            assert answer.status_code == 403, (method, path)
        elif "bolt" in path or "/jobs/" in path or HOOK in path or "bolt" in str(body):
            assert answer.status_code == 404, (method, path)
            other = path.replace("bolt", "nobody").replace("/jobs/1", "/jobs/9")
            other = other.replace(HOOK, "f" * 32)
            missing = acme.call(method, other, json=body, headers=headers)
            assert missing.status_code == 404
        elif method == "GET":
            assert answer.status_code == 200
        bolt = world.catalog.tenants.get("bolt")
        assert bolt.id not in answer.text
        assert "otto@" not in answer.text


def test_filters_find_nothing_of_another_site(acme: Program) -> None:
    """Asking for it by name changes nothing."""
    for query in ("slug=bolt", "search=bolt", "owner=otto@example.com", "state=active"):
        found = acme.get(f"/tenants?{query}")
        assert "bolt" not in [item["slug"] for item in found["items"]]
    for path in ("/jobs?tenant=bolt", "/audit?tenant=bolt"):
        acme.refused(404, "GET", path)
    assert acme.get("/jobs")["items"] == []
    assert {event["tenant_slug"] for event in acme.get("/audit")["items"]} == {"acme"}


def test_a_tenants_host_takes_its_own_tokens_only(
    world: World, new_program: Callable[..., Program], acme: Program
) -> None:
    """What reaches a tenant's host is never worth more than the tenant."""
    assert Program(world, acme.token, ACME).get("/tenants/acme")["slug"] == "acme"
    operator = new_program(host=ACME)
    operator.refused(401, "GET", "/tenants/acme")
    bolt = new_program("otto@example.com", slug="bolt", host=ACME)
    bolt.refused(401, "GET", "/tenants")
    Program(world, acme.token, "nobody.example.test").refused(404, "GET", "/tenants")


def test_a_token_ends_with_the_accounts_rights(world: World, acme: Program) -> None:
    """The very next call is refused."""
    assert acme.get("/tenants")["items"]
    olga = world.catalog.accounts.find("olga@example.com")
    assert olga is not None
    tenant = world.catalog.tenants.get("acme")
    world.catalog.memberships.add_owner(tenant.id, "otto@example.com", by=SYSTEM)
    world.catalog.memberships.change_role(olga.id, tenant.id, "staff", by=SYSTEM)
    acme.refused(401, "GET", "/tenants")


def test_a_sites_token_works_in_every_state(world: World, program: Program, acme: Program) -> None:
    """On the platform's host the owner sees a site that has no backend any more."""
    tenant = world.catalog.tenants.get("acme")
    world.catalog.tenants.transition(tenant.id, TenantState.ARCHIVED, by=SYSTEM)
    assert acme.get("/tenants/acme")["state"] == "archived"
    Program(world, acme.token, ACME).refused(404, "GET", "/tenants/acme")


def test_cookies_open_nothing(world: World) -> None:
    """A browser that is signed in cannot be made to call the API."""
    browser = world.browser("operator@example.com")
    answer = browser.get("/api/v1/tenants")
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers


def test_an_answer_says_what_is_left_of_the_rate(program: Program) -> None:
    """A careful program slows down before it is refused."""
    answer = program.call("GET", "/tenants")
    assert answer.headers["RateLimit-Policy"] == '"token";q=500;w=5'
    assert re.fullmatch(r'"token";r=(49\d|500);t=[01]', answer.headers["RateLimit"])


def test_a_token_that_calls_too_often_waits(make_world: Callable[..., World]) -> None:
    """Each token has a rate of its own, so a neighbour is not concerned."""
    world = make_world(limit_client_requests=0.1)
    account = world.catalog.accounts.add("operator@example.com", operator=True, by=SYSTEM)
    first, second = (
        Program(
            world,
            world.catalog.api_tokens.create(
                account.id, name=name, scopes=SCOPES, days=1, by=SYSTEM
            )[1],
        )
        for name in ("first", "second")
    )
    assert first.call("GET", "/tenants").status_code == 200
    answer = first.call("GET", "/tenants")
    assert answer.status_code == 429
    assert answer.mimetype == "application/problem+json"
    assert 1 <= int(answer.headers["Retry-After"]) <= 10
    assert answer.headers["RateLimit"].startswith('"token";r=0;')
    assert second.call("GET", "/tenants").status_code == 200


def test_answers_are_kept_by_no_cache(program: Program) -> None:
    """They are for the token's holder."""
    answer = program.call("GET", "/tenants")
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_view_that_nobody_marked_stops_the_start() -> None:
    """A new call has to say what it needs."""
    app = Flask("forgetful", static_folder=None)
    app.add_url_rule("/", "forgotten", lambda: "open to all")
    with pytest.raises(RuntimeError, match="forgotten"):
        require_needs(app)


def test_base_is_where_the_document_says(program: Program) -> None:
    """So that generated clients call the right place."""
    assert program.get("/openapi.json")["servers"] == [{"url": BASE}]
