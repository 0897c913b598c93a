"""Changes by the API: what each call does, what it refuses, and that a lost update is noticed."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenantry.catalog import SYSTEM, Actor
from tenantry.jobs import JobDefinitions, JobQueue
from tenantry.lifecycle import Operations
from tenantry.lifecycle.jobs import operation_jobs
from tenantry.lifecycle.offered import OPERATIONS
from tests.pictures import png

if TYPE_CHECKING:
    from tests.backend_app.api.conftest import Program
    from tests.backend_app.conftest import World


def operations_on(world: World, actor: Actor = SYSTEM) -> Operations:
    """Return the operations as a command has them."""
    return Operations(world.catalog, world.factory, settings=world.settings, actor=actor)


def test_a_tenant_is_created(world: World, program: Program) -> None:
    """The answer says where it is; its owner has an account; the trail names account and token."""
    body = {"slug": "crisp", "name": "Crisp", "owner_email": "Ora@example.com", "listed": True}
    answer = program.call("POST", "/tenants", json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json
    assert made is not None
    assert answer.headers["Location"] == f"/backend/api/v1/tenants/{made['id']}"
    assert answer.headers["ETag"] == f'"{made["revision"]}"'
    assert made == program.get(f"/tenants/{made['id']}")
    tenant = world.catalog.tenants.get("crisp")
    assert (tenant.name, tenant.owners, tenant.settings["listed"]) == (
        "Crisp",
        ("ora@example.com",),
        True,
    )
    actors = {event.actor for event in world.catalog.audit.list(tenant_id=tenant.id).items}
    assert actors == {"operator@example.com (token test)"}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "slug"),
        ({"slug": "No"}, 422, "slug"),
        ({"slug": "admin"}, 422, "keeps this name"),
        ({"slug": "acme"}, 409, "exists"),
        ({"slug": "crisp", "owner_email": "nobody"}, 422, "e-mail"),
        ({"slug": "crisp", "plan": "gold"}, 422, "gold"),
        ({"slug": "crisp", "placement": "moon"}, 422, "moon"),
        ({"slug": "crisp", "listed": "yes"}, 422, "listed"),
        ({"slug": "crisp", "sulg": "x"}, 422, "sulg"),
        ({"slug": "crisp", "name": "\ud800"}, 422, "surrogate"),
        ([], 422, "Invalid"),
        ("crisp", 422, "Invalid"),
    ],
)
def test_what_no_tenant_can_be_is_refused(
    world: World, program: Program, body: Any, status: int, said: str
) -> None:
    """With a sentence, and nothing is made."""
    before = world.catalog.audit.list(size=1).items[0].number
    assert said in program.refused(status, "POST", "/tenants", json=body)["detail"]
    assert world.catalog.tenants.find("crisp") is None
    assert world.catalog.audit.list(size=1).items[0].number == before


def test_a_body_is_json(program: Program) -> None:
    """Anything else is 415, 400 or 413."""
    program.refused(415, "POST", "/tenants", data={"slug": "crisp"})
    program.refused(415, "POST", "/tenants", data="{}", content_type="text/plain")
    program.refused(400, "POST", "/tenants", data="{", content_type="application/json")
    large = json.dumps({"slug": "x" * 300_000})
    program.refused(413, "POST", "/tenants", data=large, content_type="application/json")
    program.refused(422, "POST", "/tenants")


def test_a_change_says_for_which_revision_it_was_made(world: World, program: Program) -> None:
    """Without If-Match 428, with an old one 412; what is left out stays."""
    tag = program.call("GET", "/tenants/acme").headers["ETag"]
    body = {"name": "Acme & Sons", "settings": {"tagline": "Since 1901", "accent": "#1f6feb"}}
    program.refused(428, "PATCH", "/tenants/acme", json=body)
    answer = program.call("PATCH", "/tenants/acme", json=body, headers={"If-Match": tag})
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    assert answer.json["settings"] == {
        "tagline": "Since 1901",
        "accent": "#1f6feb",
        "listed": False,
    }
    for old in (tag, f"W/{answer.headers['ETag']}", '"x"', ""):
        program.refused(412, "PATCH", "/tenants/acme", json=body, headers={"If-Match": old})
    newer = {"settings": {"listed": True}}
    headers = {"If-Match": answer.headers["ETag"]}
    assert program.call("PATCH", "/tenants/acme", json=newer, headers=headers).status_code == 200
    assert world.catalog.tenants.get("acme").name == "Acme & Sons"
    anyway = {"If-Match": "*"}
    assert program.call("PATCH", "/tenants/acme", json=body, headers=anyway).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": 7},
        {"settings": {"accent": "red"}},
        {"settings": {"colour": "#1f6feb"}},
        {"slug": "other"},
        {"settings": {"listed": 1}},
    ],
)
def test_a_wrong_change_is_refused(world: World, program: Program, body: Any) -> None:
    """Nothing changes, not even the revision."""
    before = world.catalog.tenants.get("acme")
    program.refused(422, "PATCH", "/tenants/acme", json=body, headers={"If-Match": "*"})
    assert world.catalog.tenants.get("acme") == before


def test_an_owner_changes_her_site(acme: Program, world: World) -> None:
    """With a token of the site; the trail says that it was an owner."""
    headers = {"If-Match": "*"}
    answer = acme.call("PATCH", "/tenants/acme", json={"name": "Mine"}, headers=headers)
    assert answer.status_code == 200
    (event,) = world.catalog.audit.list(size=1).items
    assert (event.action, event.actor_kind) == ("tenant.configure", "owner")


def test_hosts_come_and_go(world: World, program: Program, acme: Program) -> None:
    """A new one is pending until its DNS proves it; an owner's token does the same."""
    for one in (program, acme):
        answer = one.call("POST", "/tenants/acme/hosts", json={"name": "Shop.example.org"})
        assert answer.status_code == 201, answer.text
        assert answer.json is not None
        assert (answer.json["name"], answer.json["state"]) == ("shop.example.org", "pending")
        path = answer.headers["Location"].removeprefix("/backend/api/v1")
        assert one.get(path)["name"] == "shop.example.org"
        assert one.call("POST", f"{path}/check").status_code == 200
        one.refused(409, "PATCH", path, json={"is_primary": True})
        assert one.call("DELETE", path).status_code == 204
        one.refused(404, "DELETE", path)
        one.refused(404, "POST", f"{path}/check")
    tenant = world.catalog.tenants.get("acme")
    world.catalog.hosts.add(tenant.id, "www.example.org", proof="operator", by=SYSTEM)
    path = "/tenants/acme/hosts/www.example.org"
    for wanted in (True, True, False, False):
        answer = program.call("PATCH", path, json={"is_primary": wanted})
        assert answer.json is not None
        assert answer.json["is_primary"] is wanted
    program.refused(400, "POST", "/tenants/acme/hosts", json={"name": "a b"})
    program.refused(422, "POST", "/tenants/acme/hosts", json={"host": "a.example.org"})
    program.refused(409, "POST", "/tenants/bolt/hosts", json={"name": "www.example.org"})


def test_owners_come_and_go(program: Program) -> None:
    """At least one stays."""
    path = "/tenants/acme/owners"
    answer = program.call("POST", path, json={"email": "Ora@example.com"})
    assert answer.json == {"items": ["olga@example.com", "ora@example.com"]}
    answer = program.call("DELETE", f"{path}/olga@example.com")
    assert answer.json == {"items": ["ora@example.com"]}
    program.refused(404, "DELETE", f"{path}/olga@example.com")
    program.refused(409, "DELETE", f"{path}/ora@example.com")
    program.refused(422, "POST", path, json={"email": "nobody"})
    program.refused(422, "POST", path, json={})


def test_accounts_are_created_without_rights(world: World, program: Program) -> None:
    """A token makes no operator."""
    answer = program.call("POST", "/accounts", json={"email": "New@example.com", "name": "New"})
    assert answer.status_code == 201, answer.text
    made = answer.json
    assert made is not None
    assert (made["email"], made["operator"]) == ("new@example.com", False)
    assert program.get(answer.headers["Location"].removeprefix("/backend/api/v1")) == made
    program.refused(409, "POST", "/accounts", json={"email": "new@example.com"})
    program.refused(422, "POST", "/accounts", json={"email": "x@example.com", "operator": True})
    program.refused(422, "POST", "/accounts", json={"email": "x"})
    assert world.catalog.accounts.find("x@example.com") is None


def test_an_operation_is_done_or_told(world: World, program: Program) -> None:
    """A dry run changes nothing; done twice, the second time there is nothing to do."""
    path = "/tenants/acme/operations/suspend"
    dry = program.call("POST", path, json={"dry_run": True})
    assert dry.json is not None
    assert dry.json["is_done"] is False
    assert "Would make acme suspended" in dry.json["sentences"][0]
    assert world.catalog.tenants.get("acme").state == "active"
    done = program.call("POST", path, json={"reason": "unpaid"})
    assert (done.status_code, done.json) == (
        200,
        {"is_done": True, "sentences": ["acme is suspended: its site answers 403."]},
    )
    assert program.get("/tenants/acme")["reason"] == "unpaid"
    again = program.call("POST", path)
    assert again.json is not None
    assert "suspended already" in again.json["sentences"][0]
    program.refused(409, "POST", "/tenants/acme/operations/maintenance")
    program.refused(422, "POST", "/tenants/acme/operations/plan", json={"new": "gold"})
    program.refused(422, "POST", "/tenants/acme/operations/plan", json={})
    program.refused(422, "POST", path, json={"raeson": "unpaid"})
    program.refused(412, "POST", path, headers={"If-Match": '"1"'})
    program.refused(404, "POST", "/tenants/acme/operations/explode")
    program.refused(404, "POST", "/tenants/nobody/operations/suspend")


def test_what_destroys_wants_the_tenants_name(world: World, program: Program) -> None:
    """In `confirm`, and the refusal says which."""
    path = "/tenants/acme/operations/delete"
    for body in ({}, {"confirm": "bolt"}):
        found = program.refused(422, "POST", path, json=body)
        assert found["errors"] == {"confirm": ["It is not 'acme'."]}
    assert program.call("POST", path, json={"dry_run": True}).status_code in {200, 409}
    assert world.catalog.jobs.list().total == 0


def test_a_long_operation_answers_with_its_job(world: World, program: Program) -> None:
    """202, and where the job is found; it is cancelled and run again by its address."""
    answer = program.call("POST", "/tenants/acme/operations/backup", json={"keep": 3})
    assert answer.status_code == 202, answer.text
    path = answer.headers["Location"].removeprefix("/backend/api/v1")
    job = program.get(path)
    assert answer.json == {name: job[name] for name in answer.json or {}}
    assert (job["name"], job["state"]) == ("operations.backup", "queued")
    assert job["arguments"] == {"slug": "acme", "keep": 3}
    program.refused(409, "POST", f"{path}/retry")
    cancelled = program.call("POST", f"{path}/cancel")
    assert cancelled.json is not None
    assert cancelled.json["state"] == "cancelled"
    program.refused(409, "POST", f"{path}/cancel")
    again = program.call("POST", f"{path}/retry")
    assert again.json is not None
    assert again.json["state"] == "queued"
    program.refused(404, "POST", "/jobs/999/cancel")


def test_every_operation_has_its_call(program: Program) -> None:
    """One that is declared later is there, too."""
    paths = program.get("/openapi.json")["paths"]
    for name in OPERATIONS:
        assert "post" in paths[f"/tenants/{{tenant}}/operations/{name}"]


# --- a call and its command -----------------------------------------------------------------------

STEPS = st.lists(
    st.sampled_from(
        [
            ("suspend", {"reason": "unpaid"}),
            ("resume", {}),
            ("maintenance", {"message": "Back soon"}),
            ("archive", {}),
            ("rename", {"new": "zenith"}),
            ("rename", {"new": "acme"}),
            ("owner", {"change": "add", "email": "otto@example.com"}),
            ("owner", {"change": "remove", "email": "otto@example.com"}),
            ("plan", {"new": "free"}),
            ("backup", {"keep": 2}),
            ("export", {}),
            ("release", {}),
        ]
    ),
    max_size=6,
)


@given(steps=STEPS)
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_a_call_leaves_what_its_command_leaves(
    world: World, program: Program, steps: list[tuple[str, dict[str, Any]]]
) -> None:
    """Of two tenants with one history, one is changed by the API and one as commands do it."""
    number = world.catalog.audit.list(size=1).items[0].number
    called, commanded = (
        operations_on(world).create(f"{kind}-{number}", name="Site", owner_email="olga@example.com")
        for kind in ("called", "commanded")
    )
    for name, arguments in steps:
        refusals = [
            _call(program, world, called.id, name, _named(arguments, "called", number)),
            _command(world, commanded.id, name, _named(arguments, "commanded", number)),
        ]
        assert refusals[0] == refusals[1], (name, arguments)
    assert _state(world, called.id, "called") == _state(world, commanded.id, "commanded")


def _named(arguments: dict[str, Any], kind: str, number: int) -> dict[str, Any]:
    """Return the arguments with names of the tenant's own."""
    new = arguments.get("new")
    return arguments if new in {None, "free"} else {**arguments, "new": f"{kind}-{new}-{number}"}


def _call(
    program: Program, world: World, tenant_id: str, name: str, arguments: dict[str, Any]
) -> int:
    """Do a step by the API; return the status of a refusal, or 0."""
    path = f"/tenants/{tenant_id}/operations/{name}"
    status = program.call("POST", path, json=arguments).status_code
    return status if status >= 400 else 0


def _command(world: World, tenant_id: str, name: str, arguments: dict[str, Any]) -> int:
    """Do a step as the command does it; return the status of a refusal, or 0."""
    from tenantry.errors import TenantryError

    operations = operations_on(world, Actor("cli", "root"))
    slug = world.catalog.tenants.get_by_id(tenant_id).slug
    try:
        if name in {"backup", "export"}:
            definitions = JobDefinitions(operation_jobs(world.catalog, world.settings))
            JobQueue(world.catalog.jobs, definitions).enqueue(
                f"operations.{name}",
                {"slug": slug, **arguments},
                tenant_id=tenant_id,
                by=operations.actor,
            )
        else:
            OPERATIONS[name].prepare(operations, slug, **arguments).run()
    except TenantryError as error:
        return error.status
    return 0


def _state(world: World, tenant_id: str, kind: str) -> Any:
    """Return what the catalog has of a tenant, without who, when and the names of this run."""
    tenant = world.catalog.tenants.get_by_id(tenant_id)
    row = world.catalog.tenants.get_row(tenant.slug)
    events = [
        (event.action, json.dumps({**event.detail, "redirects_until": ""}, sort_keys=True))
        for event in world.catalog.audit.list(tenant_id=tenant_id, size=100).items
    ]
    jobs = [
        (job.name, job.state, json.dumps(dict(job.arguments), sort_keys=True), job.max_attempts)
        for job in world.catalog.jobs.list(tenant_id=tenant_id, size=100).items
    ]
    members = [(it.email, role) for it, role in world.catalog.memberships.list_members(tenant_id)]
    former = [it.slug for it in world.catalog.names.list_former(tenant_id)]
    found = (
        *(tenant.slug, tenant.name, tenant.state, tenant.plan, tenant.revision, tenant.owners),
        *(tenant.notice, row.reason, dict(tenant.settings), former, members, events, jobs),
    )
    return repr(found).replace(kind, "kind").replace(tenant_id, "id")


def test_the_front_page_is_read_and_changed(world: World, program: Program) -> None:
    """Parts that are left out stay; a change for another revision is refused; so is a wrong part."""
    path = "/front-page"
    answer = program.call("GET", path)
    assert (answer.headers["ETag"], program.get(path)["name"]) == ('"0"', "Tenantry")
    same = program.call("GET", path, headers={"If-None-Match": '"0"'})
    assert same.status_code == 304
    program.refused(428, "PATCH", path, json={"name": "Bazaar"})
    logo = base64.b64encode(png()).decode()
    first = program.call(
        "PATCH", path, json={"name": "Bazaar", "logo": logo}, headers={"If-Match": '"0"'}
    )
    assert (first.status_code, first.headers["ETag"]) == (200, '"1"'), first.text
    assert program.get(path) == first.json
    assert world.catalog.front_pages.get().logo == png()
    program.refused(412, "PATCH", path, json={"name": "Souk"}, headers={"If-Match": '"0"'})
    for body in ({"accent": "red"}, {"name": ""}, {"logo": "?"}, {"logo": "AAAA"}, {"revision": 3}):
        program.refused(422, "PATCH", path, json=body, headers={"If-Match": "*"})
    words = {"terms": "# Be kind\n\n\x01All of you", "lead": "Buy\r\nand\nsell\x0b"}
    said = program.call("PATCH", path, json=words, headers={"If-Match": "*"}).json
    assert said is not None
    assert (said["terms"], said["lead"]) == ("# Be kind\n\nAll of you", "Buy and sell")
    listed = program.get(f"{path}/revisions?size=1")
    assert [it["changed"] for it in listed["items"]] == [["lead", "terms"]]
    rest = program.get(f"{path}/revisions?cursor={listed['next_cursor']}")
    assert [(it["revision"], it["by"]) for it in rest["items"]] == [
        (1, "operator@example.com (token test)")
    ]
    assert program.get(f"{path}/revisions/1")["terms"] == ""
    program.refused(404, "GET", f"{path}/revisions/3")
