"""An operation on all sites of a filter: counted, tried, done as one job, each site as by itself."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM, JobState, SiteState, TenantFilter
from tenantry.catalog.tenant_locks import tenant_lock
from tenantry.lifecycle.bulk import NAMES
from tenantry.lifecycle.offered import OPERATIONS
from tenantry.values.tenant import TenantState
from tests.backend_app.job_work import run_jobs, work
from tests.markup import find_flaws

if TYPE_CHECKING:
    from tests.backend_app.conftest import Browser, World

REASON = {"reason": "unpaid"}


@pytest.fixture
def operator(world: World) -> Browser:
    """Return the operator's browser. Beside Acme and Bolt, Cora is in maintenance."""
    cora = world.add_tenant("cora", "olga@example.com")
    world.catalog.tenants.begin_maintenance(cora.id, notice="", reason="", by=SYSTEM)
    return world.browser().adopt(world.sign_cookie("operator@example.com"))


def states_of(world: World) -> dict[str, TenantState]:
    rows = world.catalog.listings.each_tenant(TenantFilter())
    return {row.tenant.slug: row.tenant.state for row in rows}


def expected_of(page: str) -> str:
    found = re.search(r'name="expected" value="(\d+)"', page)
    assert found is not None
    return found[1]


def test_the_list_leads_to_each_operation_with_its_filter(operator: Browser) -> None:
    """What is searched and filtered stays in the address; the pages are sound HTML."""
    page = operator.get("/tenants?state=active&search=acme").text
    assert find_flaws(page) == []
    for name in NAMES:
        path = f"/bulk/{name}?state=active&amp;search=acme"
        assert path in page
        shown = operator.get(path.replace("&amp;", "&"))
        assert shown.status_code == 200
        assert find_flaws(shown.text) == []
        assert OPERATIONS[name].title in shown.text


def test_the_page_counts_and_says_what_it_would_do(world: World, operator: Browser) -> None:
    """Sites whose state does not let it be done are left out. The dry run changes nothing."""
    before, events = states_of(world), world.catalog.audit.list().total
    page = operator.get("/bulk/maintenance").text
    assert "It would be done to 2 sites." in page
    assert "Left out, because of their state: 1 maintenance." in page
    tried = operator.post("/bulk/maintenance", {**REASON, "dry_run": "Show"})
    assert tried.status_code == 200
    assert "Would answer 503 for acme; it is active." in tried.text
    assert states_of(world) == before
    assert world.catalog.audit.list().total == events
    nobody = operator.get("/bulk/suspend?search=nobody").text
    assert "It would be done to 0 sites." in nobody
    assert 'name="submit"' not in nobody


def test_each_site_gets_what_the_operation_alone_does(world: World, operator: Browser) -> None:
    """One job; the same state, reason and single audit event in the operator's name."""
    job = work(world, operator.post("/bulk/suspend", {**REASON, "expected": "3"}))
    assert (job.state, job.done, job.total) == (JobState.DONE, 3, 3)
    assert job.result == {"sites": "all sites", "done": 3}
    assert set(states_of(world).values()) == {TenantState.SUSPENDED}
    for slug in ("acme", "bolt", "cora"):
        tenant = world.catalog.tenants.get(slug)
        events = world.catalog.audit.list(tenant_id=tenant.id).items
        (event,) = (one for one in events if one.detail.get("after") == "suspended")
        assert (event.actor, event.detail["reason"]) == ("operator@example.com", "unpaid")
    page = operator.get(f"/jobs/{job.id}").text
    assert find_flaws(page) == []
    assert "Suspend many sites" in page
    again = operator.get("/bulk/suspend").text
    assert "Left out, because of their state: 3 suspended." in again


def test_only_the_filter_is_touched(world: World, operator: Browser) -> None:
    """The plan is changed of what is searched; a site that has it already is left as it is."""
    (plan,) = world.settings.plans
    job = work(world, operator.post("/bulk/plan?search=bolt", {"new": plan, "expected": "1"}))
    assert job.result == {"sites": "“bolt”", "unchanged": 1}


@pytest.mark.parametrize(
    "query", ["plan=gone", "state=gone", "schema=0007&state=active", "search=%00"]
)
def test_a_filter_that_finds_nothing_is_not_left_out(
    world: World, operator: Browser, query: str
) -> None:
    """Else the operation would be for all sites: their number may even be the one that was shown."""
    path = f"/bulk/suspend?{query}"
    assert operator.get(path).status_code == 303
    answer = operator.post(path, {**REASON, "expected": "3"})
    assert answer.location.startswith("/backend/tenants")
    assert "One of the filters cannot be used any more." in operator.get("/tenants").text
    assert world.catalog.jobs.list().total == 0


@pytest.mark.parametrize("told", ["2", "4", "0", "x", "9" * 30, ""])
def test_another_number_than_was_shown_does_nothing(
    world: World, operator: Browser, told: str
) -> None:
    """Sites that came to match since are not done unseen: the page shows the new number."""
    answer = operator.post("/bulk/suspend", {**REASON, "expected": told})
    assert answer.status_code == 422
    assert expected_of(answer.text) == "3"
    assert "unpaid" in answer.text
    assert TenantState.SUSPENDED not in states_of(world).values()
    assert world.catalog.jobs.list().total == 0


def test_a_deletion_wants_the_number_typed(world: World, operator: Browser) -> None:
    """Their number is typed as an address is for one."""
    data = {**REASON, "expected": "1"}
    path = "/bulk/delete?search=bolt"
    assert "Type 1 to confirm" in operator.get(path).text
    for typed in ("", "bolt", "2"):
        assert operator.post(path, {**data, "typed": typed}).status_code == 422
    job = work(world, operator.post(path, {**data, "typed": "1"}))
    assert job.state is JobState.DONE
    assert states_of(world)["bolt"] is TenantState.DELETED
    assert states_of(world)["acme"] is TenantState.ACTIVE


def test_a_site_that_fails_keeps_none_of_the_others(world: World, operator: Browser) -> None:
    """The job's page names it with the operation's sentence; running it again tries it alone."""
    operator.post("/bulk/suspend", {**REASON, "expected": "3"})
    run_jobs(world)
    acme = world.catalog.tenants.get("acme")
    with tenant_lock(acme, "moved", settings=world.settings):
        job = work(world, operator.post("/bulk/resume", {"expected": "3"}))
    assert (job.state, job.done, job.total) == (JobState.FAILED, 3, 3)
    assert job.error == "1 of 3 sites failed: all sites"
    page = operator.get(f"/jobs/{job.id}").text
    assert find_flaws(page) == []
    assert "Sites that failed" in page
    assert world.catalog.job_sites.list(job.id, SiteState.FAILED, limit=9)[0].text in unescape(page)
    assert states_of(world) == {
        "acme": TenantState.SUSPENDED,
        "bolt": TenantState.ACTIVE,
        "cora": TenantState.ACTIVE,
    }
    operator.post(f"/jobs/{job.id}/retry")
    run_jobs(world)
    assert world.catalog.jobs.get(job.id).state is JobState.DONE
    assert states_of(world)["acme"] is TenantState.ACTIVE
