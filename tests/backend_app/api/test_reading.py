"""Reading by the API: every resource, lists that survive changes, and refusals as problem documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog import SYSTEM, Actor
from tenantry.lifecycle import Operations
from tenantry.lifecycle.offered import OPERATIONS
from tests.backend_app.api.conftest import BASE

if TYPE_CHECKING:
    from flask import Flask

    from tests.backend_app.api.conftest import Program
    from tests.backend_app.conftest import World


def test_a_tenant_by_its_slug_and_its_id(world: World, program: Program) -> None:
    """Both name it; a former slug does not, nor does what cannot be one."""
    found = program.get("/tenants/acme")
    tenant = world.catalog.tenants.get("acme")
    assert found == program.get(f"/tenants/{tenant.id}")
    assert (found["id"], found["state"], found["plan"]) == (tenant.id, "active", "free")
    assert found["owners"] == ["olga@example.com"]
    assert found["url"] == "http://acme.example.test/"
    assert found["settings"] == {"listed": False}
    Operations(world.catalog, world.factory, settings=world.settings, actor=SYSTEM).rename(
        "acme", "zenith"
    )
    assert program.get(f"/tenants/{tenant.id}")["slug"] == "zenith"
    for name in ("acme", "nobody", "a" * 100, "%00", "0" * 32, "A\N{KELVIN SIGN}"):
        program.refused(404, "GET", f"/tenants/{name}")


def test_a_tenant_that_has_not_changed_is_not_sent_again(program: Program) -> None:
    """Its revision is its entity tag."""
    tag = program.call("GET", "/tenants/acme").headers["ETag"]
    answer = program.call("GET", "/tenants/acme", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag)
    assert program.call("GET", "/tenants/acme", headers={"If-None-Match": '"0"'}).json is not None


@pytest.mark.parametrize(
    ("query", "slugs"),
    [
        ("", {"acme", "bolt"}),
        ("search=acm", {"acme"}),
        ("search=%00", set()),
        ("slug=bolt", {"bolt"}),
        ("owner=otto@example.com", {"bolt"}),
        ("state=active&plan=free&placement=local", {"acme", "bolt"}),
        ("state=suspended", set()),
        ("plan=gold", set()),
    ],
)
def test_tenants_are_filtered(program: Program, query: str, slugs: set[str]) -> None:
    """The filters are combined."""
    found = program.get(f"/tenants?{query}")
    assert {item["slug"] for item in found["items"]} == slugs
    assert found["next_cursor"] is None


def test_a_list_survives_changes(world: World, program: Program) -> None:
    """What is added, renamed or deleted meanwhile makes nothing else appear twice or go missing."""
    for number in range(20):
        world.catalog.tenants.add(f"site-{number:02}", name="Site", by=SYSTEM)
    before = {item["id"] for item in program.get("/tenants?size=200")["items"]}
    operations = Operations(world.catalog, world.factory, settings=world.settings, actor=SYSTEM)
    seen: list[str] = []
    cursor: str | None = ""
    number = 0
    while cursor is not None:
        found = program.get(f"/tenants?size=3{f'&cursor={cursor}' if cursor else ''}")
        assert len(found["items"]) <= 3
        seen += [item["id"] for item in found["items"]]
        cursor = found["next_cursor"]
        world.catalog.tenants.add(f"new-{number}", name="New", by=SYSTEM)
        if number == 2:
            operations.rename("acme", "zenith")
        number += 1
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


@pytest.mark.parametrize("path", ["/tenants", "/accounts", "/jobs", "/audit"])
def test_lists_take_their_own_cursors_only(world: World, program: Program, path: str) -> None:
    """A cursor of another list, or a made-up one, is refused, and the sentence says what to do."""
    operations = Operations(world.catalog, world.factory, settings=world.settings, actor=SYSTEM)
    for slug in ("acme", "bolt"):
        operations.start("backup", slug=slug)
    first = program.get(f"{path}?size=1")
    second = program.get(f"{path}?size=1&cursor={first['next_cursor']}")
    assert first["items"] != second["items"]
    other = program.get("/jobs?size=1" if path != "/jobs" else "/audit?size=1")["next_cursor"]
    for cursor in (other, "x", "%C3%A9", "am9iczoxeA", "am9iczo5OTk5OTk5OTk5OTk5OTk5OTk5OTk"):
        found = program.refused(422, "GET", f"{path}?cursor={cursor}")
        assert "not a cursor of this list" in found["detail"]


@pytest.mark.parametrize(
    ("query", "field"),
    [("size=0", "size"), ("size=x", "size"), ("state=asleep", "state"), ("stat=active", "stat")],
)
def test_a_wrong_filter_is_refused(program: Program, query: str, field: str) -> None:
    """Also a misspelled one: it would find too much."""
    found = program.refused(422, "GET", f"/tenants?{query}")
    assert field in found["errors"]
    assert field in found["detail"]


def test_what_belongs_to_a_tenant(world: World, program: Program) -> None:
    """Its hosts, owners, operations and backups."""
    tenant = world.catalog.tenants.get("acme")
    world.catalog.hosts.add(tenant.id, "shop.example.org", by=SYSTEM)
    (host,) = program.get("/tenants/acme/hosts")["items"]
    assert (host["name"], host["state"], host["verified_at"]) == (
        "shop.example.org",
        "pending",
        None,
    )
    assert host["records"][0]["type"] == "TXT"
    assert program.get("/tenants/acme/hosts/shop.example.org") == host
    program.refused(404, "GET", "/tenants/acme/hosts/other.example.org")
    program.refused(400, "GET", "/tenants/acme/hosts/..")
    assert program.get("/tenants/acme/owners") == {"items": ["olga@example.com"]}
    assert program.get("/tenants/acme/backups") == {"items": []}
    Operations(world.catalog, world.factory, settings=world.settings, actor=SYSTEM).backup("acme")
    (backup,) = program.get("/tenants/acme/backups")["items"]
    assert backup["bytes"] > 100


def test_operations_are_the_declared_ones(program: Program) -> None:
    """With their parameters and the values that these may have."""
    found = {item["name"]: item for item in program.get("/tenants/acme/operations")["items"]}
    assert list(found) == list(OPERATIONS)
    assert found["suspend"]["is_offered"] is True
    assert found["resume"]["is_offered"] is False
    assert found["purge"]["needs_confirmation"] is True
    assert found["backup"]["is_job"] is True
    (plan,) = found["plan"]["parameters"]
    assert (plan["type"], plan["is_required"], "free" in plan["choices"]) == ("string", True, True)


def test_jobs_say_how_far_they_are(world: World, program: Program, acme: Program) -> None:
    """The newest first, by state, name and tenant; an owner learns nothing of the platform's."""
    operations = Operations(world.catalog, world.factory, settings=world.settings, actor=SYSTEM)
    jobs = [operations.start("backup", slug=slug) for slug in ("acme", "bolt")]
    assert [item["id"] for item in program.get("/jobs")["items"]] == [jobs[1].id, jobs[0].id]
    for query, count in {
        "tenant=acme": 1,
        "state=queued": 2,
        "state=done": 0,
        "name=operations.backup": 2,
        "name=x": 0,
    }.items():
        assert len(program.get(f"/jobs?{query}")["items"]) == count, query
    program.refused(404, "GET", "/jobs?tenant=nobody")
    found = program.get(f"/jobs/{jobs[0].id}")
    assert (found["state"], found["is_final"], found["lines"]) == ("queued", False, [])
    assert found["arguments"] == {"slug": "acme"}
    assert acme.get(f"/jobs/{jobs[0].id}")["arguments"] == {}
    for number in (999, 2**63, 2**70):
        program.refused(404, "GET", f"/jobs/{number}")
    program.refused(404, "GET", "/jobs/x")


def test_accounts_and_the_audit_trail(world: World, program: Program, acme: Program) -> None:
    """No secret is among them; owners do not learn where an operator sits."""
    emails = {item["email"] for item in program.get("/accounts")["items"]}
    assert emails == {"olga@example.com", "otto@example.com", "operator@example.com"}
    (operator,) = program.get("/accounts?operators=true")["items"]
    assert program.get(f"/accounts/{operator['id']}") == operator
    assert not {"password_hash", "totp_secret"} & operator.keys()
    assert len(program.get("/accounts?search=olga")["items"]) == 1
    for name in ("nobody", "%00", "a-b"):
        program.refused(404, "GET", f"/accounts/{name}")

    actor = Actor("operator", "operator@example.com", ip="192.0.2.7")
    Operations(world.catalog, world.factory, settings=world.settings, actor=actor).suspend("acme")
    event = program.get("/audit?size=1")["items"][0]
    assert (event["action"], event["tenant_slug"]) == ("tenant.state", "acme")
    assert event["ip"] == "192.0.2.7"
    assert acme.get("/audit?size=1")["items"][0]["ip"] is None
    assert program.get("/audit?action=tenant.state&tenant=bolt&size=200")["items"]
    assert program.get("/audit?action=none")["items"] == []


def test_every_error_is_a_problem_document(program: Program) -> None:
    """RFC 9457 for the router's errors too, with the methods that there are."""
    program.refused(404, "GET", "/nothing")
    answer = program.call("DELETE", "/tenants")
    assert answer.status_code == 405
    assert answer.mimetype == "application/problem+json"
    assert "GET" in answer.headers["Allow"]
    assert program.call("HEAD", "/tenants").status_code == 200
    found = program.refused(404, "GET", "/tenants/nobody")
    assert found["request_id"] == "0123456789abcdef"


def test_a_catalog_that_does_not_answer_is_a_503(
    world: World, program: Program, api: Flask
) -> None:
    """With the time after which to try again."""
    world.catalog.store.engine.dispose()
    path = world.settings.data_dir / "catalog.sqlite3"
    path.rename(path.with_suffix(".away"))
    path.mkdir()
    answer = api.test_client().get(
        "/tenants",
        environ_overrides={"tenantry.host": "example.test"},
        headers={"Authorization": f"Bearer {program.token}"},
    )
    path.rmdir()
    path.with_suffix(".away").rename(path)
    assert answer.status_code == 503
    assert answer.mimetype == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0


def test_the_document_is_open_to_all(program: Program) -> None:
    """It is OpenAPI 3.1, names each call once, and says which scope it needs."""
    program.token = None
    document: Any = program.get("/openapi.json")
    assert document["openapi"] == "3.1.0"
    operations = [
        one
        for item in document["paths"].values()
        for name, one in item.items()
        if name != "parameters"
    ]
    names = [one["operationId"] for one in operations]
    assert len(names) == len(set(names))
    for one in operations:
        assert one["security"] == [{"token": []}]
        assert "scope `" in one["description"]
        assert one["summary"]
    assert document["servers"][0]["url"] == BASE
