"""Each call of the document: it succeeds, refuses a wrong body, and is not made a second time.

``test_access`` makes each call with every wrong token. A call that the document has and this story has
not fails the test.
"""

from __future__ import annotations

import re
import shutil
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from backend_app.context import EXTENSION
from tenantry.catalog import SYSTEM
from tenantry.lifecycle import Operations
from tenantry.values.tenant import TenantState
from tests.backend_app.conftest import build_world
from tests.tenantry.lifecycle import ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.backend_app.api.conftest import Program
    from tests.backend_app.conftest import World

URL = "https://hooks.example.com/"
NO_BODY: dict[str, Any] = {}


@dataclass(frozen=True)
class Step:
    """A call of the story. Names in braces are what earlier answers have given."""

    call: str
    """As the document has it."""
    values: dict[str, str] = field(default_factory=dict)
    """What its path names, where that is not Acme."""
    body: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    keeps: str = ""
    """The name under which the ``id`` of its answer is kept."""


def do(name: str, body: dict[str, Any] = NO_BODY, status: int = 200, **values: str) -> Step:
    """Return the step of an operation."""
    return Step(f"POST /tenants/{{tenant}}/operations/{name}", values, body, status)


TENANT, HOST = "/tenants/{tenant}", "/tenants/{tenant}/hosts/{host}"
HOOK = "/webhooks/{webhook_id}"
STORY = (
    Step("POST /tenants", body={"slug": "crisp", "owner_email": "ora@example.com"}, status=201),
    Step("GET /tenants"),
    Step(f"GET {TENANT}"),
    Step(f"PATCH {TENANT}", body={"name": "Zenith"}),
    Step(f"GET {TENANT}/operations"),
    Step(f"GET {TENANT}/backups"),
    Step(f"POST {TENANT}/hosts", body={"name": "shop.example.org"}, status=201),
    Step(f"GET {TENANT}/hosts"),
    Step(f"GET {HOST}"),
    Step(f"POST {HOST}/check"),
    Step(f"PATCH {HOST}", body={"is_primary": False}),
    Step(f"DELETE {HOST}", status=204),
    Step(f"POST {TENANT}/owners", body={"email": "ora@example.com"}),
    Step(f"GET {TENANT}/owners"),
    Step(f"DELETE {TENANT}/owners/{{owner}}", {"owner": "ora@example.com"}),
    Step("POST /accounts", body={"email": "new@example.com"}, status=201, keeps="account_id"),
    Step("GET /accounts"),
    Step("GET /accounts/{account_id}"),
    do("maintenance", {"message": "Back soon"}),
    do("resume"),
    do("plan", {"new": "free"}),
    do("owner", {"change": "add", "email": "ora@example.com"}),
    do("rename", {"new": "crispy"}, tenant="crisp"),
    do("release", tenant="crispy"),
    do("backup", {"keep": 2}, 202),
    do("verify", {"backup": "{backup}"}, 202),
    do("drill", {"backup": "{backup}"}, 202),
    do("export", {}, 202),
    do("clone", {"new": "copy"}, 202),
    do("restore", {"backup": "{backup}", "confirm": "acme"}, 202),
    do("restore-beside", {"backup": "{backup}", "new": "beside"}, 202),
    do("move", {"to": "disk"}, 202),
    do("drop-former", {"confirm": "old"}, tenant="old"),
    do("migrate"),
    do("suspend", {"reason": "unpaid"}, tenant="bolt"),
    do("archive", {}, tenant="bolt"),
    do("delete", {"confirm": "bolt"}, 202, tenant="bolt"),
    do("purge", {"confirm": "gone", "early": True}, 202, tenant="gone"),
    do("undelete", tenant="gone"),
    Step("GET /jobs"),
    Step("GET /jobs/{job_id}"),
    Step("POST /jobs/{job_id}/cancel"),
    Step("POST /jobs/{job_id}/retry"),
    Step("GET /audit"),
    Step("GET /front-page"),
    Step("PATCH /front-page", body={"headline": "Sites for all"}),
    Step("GET /front-page/revisions"),
    Step("GET /front-page/revisions/{revision}", {"revision": "1"}),
    Step("POST /webhooks", body={"url": URL}, status=201, keeps="webhook_id"),
    Step("GET /webhooks"),
    Step(f"GET {HOOK}"),
    Step(f"PATCH {HOOK}", body={"events": ["backup.made"]}),
    Step(f"GET {HOOK}/secret"),
    Step(f"POST {HOOK}/secret", status=204),
    Step(f"POST {HOOK}/test", status=202, keeps="delivery_id"),
    Step(f"GET {HOOK}/deliveries"),
    Step(f"POST {HOOK}/deliveries/{{delivery_id}}/send", status=202),
    Step(f"DELETE {HOOK}", status=204),
)


@pytest.fixture
def world(peopled: Path, tmp_path: Path) -> Iterator[World]:
    """Return the platform with a backup, a site that has moved, and a deleted one."""
    shutil.copytree(peopled, tmp_path / "data")
    placements = {"local": "sqlite", "disk": f"sqlite:///{tmp_path}/disk"}
    made = build_world(tmp_path / "data", dns_resolvers="127.0.0.1:1", databases=placements)
    made.factory = ledger.make_factory(made.settings)
    api = made.app.wsgi_app.mounts["/api/v1"]  # type: ignore[attr-defined]
    api.extensions[EXTENSION] = replace(api.extensions[EXTENSION], factory=made.factory)
    operations = Operations(made.catalog, made.factory, settings=made.settings, actor=SYSTEM)
    for slug in ("old", "gone"):
        made.add_tenant(slug, "otto@example.com")
    assert made.factory.provision is not None
    made.factory.provision(made.catalog.tenants.get("acme"))
    operations.backup("acme")
    operations.move("old", "disk")
    operations.delete("gone")
    yield made
    made.close()


def test_each_call_succeeds_once(world: World, program: Program) -> None:
    """And refuses, before it changes anything, what is no JSON and what its schema does not know."""
    document = program.get("/openapi.json")
    (backup,) = program.get("/tenants/acme/backups")["items"]
    named = {"tenant": "acme", "host": "shop.example.org", "backup": backup["name"]}
    failures = []
    for step in STORY:
        named["job_id"] = str(newest_job(world))
        try:
            tell(program, step, document, named)
        except AssertionError as error:
            failures.append(f"{step.call}: {error}")
    assert not failures, "\n\n".join(failures)
    told = {step.call for step in STORY}
    assert told == {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert world.catalog.tenants.get("gone").state is not TenantState.DELETED


def newest_job(world: World) -> int:
    """Return the id of the newest job that can be cancelled or run again."""
    found = world.catalog.jobs.list(size=1).items
    return found[0].id if found else 0


def tell(program: Program, step: Step, document: Any, named: dict[str, str]) -> None:
    """Make a call in each of these ways."""
    method, _, template = step.call.partition(" ")
    call = document["paths"][template][method.lower()]
    path = re.sub(r"{(\w+)}", lambda found: {**named, **step.values}[found[1]], template)
    if method == "GET":
        if any(it.get("in") == "query" for it in call.get("parameters", ())):
            program.refused(422, "GET", f"{path}?nonsense=1")
        assert program.call("GET", path).status_code == step.status
        return
    before = program.call("GET", f"/tenants/{named['tenant']}").data
    match = {"If-Match": "*"}
    sent: dict[str, Any] = {"headers": match}
    body = {
        name: named["backup"] if value == "{backup}" else value for name, value in step.body.items()
    }
    if method != "DELETE":
        program.refused(415, method, path, data="a=b", content_type="text/plain", headers=match)
    if "requestBody" in call:
        sent["json"] = body
        program.refused(422, method, path, json={**body, "nonsense": 1}, headers=match)
        program.refused(422, method, path, json=[body], headers=match)
    assert program.call("GET", f"/tenants/{named['tenant']}").data == before
    sent["headers"] = {**match, "Idempotency-Key": str(uuid.uuid4())}
    answer = program.call(method, path, **sent)
    assert answer.status_code == step.status, answer.text
    again = program.call(method, path, **sent)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.data) == (answer.status_code, answer.data)
    if step.keeps:
        assert answer.json is not None
        named[step.keeps] = answer.json["id"]
