"""``If-Match``: what has changed meanwhile is not changed again."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM

if TYPE_CHECKING:
    from tests.backend_app.api.conftest import Program
    from tests.backend_app.conftest import World

CALLS = (
    pytest.param("POST", "/tenants/acme/operations/suspend", {}, id="operation"),
    pytest.param("POST", "/tenants/acme/operations/backup", {}, id="job"),
    pytest.param("POST", "/tenants/acme/hosts", {"name": "shop.example.org"}, id="domain"),
    pytest.param("PATCH", "/tenants/acme", {"name": "Zenith"}, id="change"),
)


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_what_comes_between_is_seen(
    world: World, program: Program, method: str, path: str, body: dict[str, str]
) -> None:
    """The check and the change are one transaction: a change that is under way is waited for."""
    acme = world.catalog.tenants.get("acme")
    headers = {"If-Match": f'"{acme.revision}"'}
    jobs = world.catalog.jobs.list(tenant_id=acme.id).total
    program.get("/tenants/acme")  # notes that the token is in use, which would wait, too
    with ThreadPoolExecutor(1) as threads:
        with world.catalog.store.writing(SYSTEM) as writer:
            record = writer.get_tenant(acme.id)
            record.plan = "gold"
            writer.change(record, "tenant.plan")
            writer.session.flush()
            answer = threads.submit(program.call, method, path, json=body, headers=headers)
            time.sleep(
                0.3
            )  # until it has read the old revision; if it has not, it reads the new one
        assert answer.result().status_code == 412
    after = world.catalog.tenants.get("acme")
    assert (after.revision, after.state, after.name) == (acme.revision + 1, acme.state, acme.name)
    assert world.catalog.hosts.list(acme.id) == ()
    assert world.catalog.jobs.list(tenant_id=acme.id).total == jobs


def test_each_change_of_a_tenant_takes_it(program: Program) -> None:
    """An old revision is 412, also where none need be sent; the right one and any are let through."""
    document = program.get("/openapi.json")
    tag = program.call("GET", "/tenants/acme").headers["ETag"]
    offered = {
        (method, path)
        for path, item in document["paths"].items()
        for method, call in item.items()
        if method != "parameters"
        and any(it.get("name") == "If-Match" for it in call.get("parameters", ()))
    }
    assert len(offered) > 20
    assert {method for method, _ in offered} == {"post", "patch", "delete"}
    assert {path.partition("{tenant}")[0] for _, path in offered} == {"/tenants/", "/front-page"}
    path = "/tenants/acme/operations/suspend"
    program.refused(412, "POST", path, json={"dry_run": True}, headers={"If-Match": '"1000"'})
    for value in (tag, "*"):
        headers = {"If-Match": value}
        assert program.call("POST", path, json={}, headers=headers).status_code == 200
        program.call("POST", "/tenants/acme/operations/resume", json={})
        tag = program.call("GET", "/tenants/acme").headers["ETag"]
    program.refused(412, "POST", path, json={}, headers={"If-Match": '"1", "2"'})
