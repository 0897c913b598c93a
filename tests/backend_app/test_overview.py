"""What an operator sees first: what needs attention, and the figures; and a site's own figures."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM, HostState, JobState, NewJob
from tenantry.catalog.job_claims import JobClaims, JobReport
from tenantry.catalog.models import HostRecord, now
from tenantry.doctor import Finding, Severity
from tenantry.domains.certificate_expiry import CertificateExpiry, read_expiries, write_expiries
from tenantry.jobs import JobDefinitions, JobQueue
from tenantry.lifecycle.jobs import operation_jobs
from tenantry.resources.traffic import MILLISECONDS, TrafficFile
from tenantry.values.tenant import TenantState
from tests.backend_app.job_work import run_jobs
from tests.markup import find_flaws

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.backend_app.conftest import Browser, World

ACME = "acme.example.test"


def write_traffic(world: World, slug: str, requests: int, *, errors: int = 0, ago: int = 0) -> None:
    """Write what a worker would have counted."""
    counts = [0.0] * (MILLISECONDS + 1)
    counts[2] = requests
    counts[-2], counts[-1] = errors, requests * 40
    file = TrafficFile(world.settings.figures_file)
    file.add({world.catalog.tenants.get(slug).id: counts}, at=time.time() - ago)


def find_figures(page: str) -> dict[str, str]:
    """Return the figures of a page by their titles."""
    pattern = (
        r'<span class="stat-label">([^<]+)</span>\s*<div class="stat-value">([^<]+)</div>\s*<svg'
    )
    return dict(re.findall(pattern, page))


def test_nothing_needs_attention(operator: Browser) -> None:
    """It says so, and for what was looked."""
    assert "Nothing: each site can be served" in operator.get("/").text


def test_what_needs_attention_has_its_remedy(world: World, operator: Browser) -> None:
    """A domain that is lost leads to its site; a list of failed jobs to the failed ones."""
    acme = world.catalog.tenants.get("acme")
    world.catalog.hosts.add(acme.id, "shop.acme.test", by=SYSTEM)
    assert "not served any more" not in operator.get("/").text
    with world.catalog.store.writing(SYSTEM) as writer:
        record = writer.session.get(HostRecord, ("shop.acme.test", acme.id))
        assert record is not None
        record.state = HostState.LOST
    page = operator.get("/").text
    assert "1 domain is not served any more" in page
    assert "shop.acme.test" in page
    assert 'href="/backend/tenants/acme">Open acme</a>' in page
    assert find_flaws(page) == []


def test_a_domain_waits_for_long(world: World, operator: Browser) -> None:
    """One that was added today is not told of; the link leads to those that wait."""
    acme = world.catalog.tenants.get("acme")
    world.catalog.hosts.add(acme.id, "shop.acme.test", by=SYSTEM)
    assert "waits for its proof" not in operator.get("/").text
    with world.catalog.store.writing(SYSTEM) as writer:
        record = writer.session.get(HostRecord, ("shop.acme.test", acme.id))
        assert record is not None
        record.waiting_since = now() - timedelta(days=4)
    page = operator.get("/").text
    assert "1 domain waits for its proof" in page
    assert 'href="/backend/all-domains?state=pending"' in page
    assert find_flaws(page) == []


def test_a_deleted_sites_domains_need_nobody(world: World, operator: Browser) -> None:
    """Nobody checks them, so they would stay on the list until the purge."""
    acme = world.catalog.tenants.get("acme")
    for name, state in (("shop.acme.test", HostState.LOST), ("new.acme.test", HostState.PENDING)):
        world.catalog.hosts.add(acme.id, name, by=SYSTEM)
        with world.catalog.store.writing(SYSTEM) as writer:
            record = writer.session.get(HostRecord, (name, acme.id))
            assert record is not None
            record.state, record.waiting_since = state, now() - timedelta(days=4)
    told = ("not served any more", "waits for its proof")
    page = operator.get("/").text
    assert [text in page for text in told] == [True, True]
    for closed in (TenantState.ARCHIVED, TenantState.DELETED):
        world.catalog.tenants.transition(acme.id, closed, by=SYSTEM)
    page = operator.get("/").text
    assert [text in page for text in told] == [False, False]


def test_certificates_end(world: World, operator: Browser) -> None:
    """What the last run of the command could not renew is told, urgently if it is over."""
    file = world.settings.certificate_expiry
    ends = {"fine.test": now() + timedelta(days=60), "soon.test": now() + timedelta(days=9)}
    write_expiries(file, [CertificateExpiry(host, at) for host, at in ends.items()])
    page = operator.get("/").text
    assert "1 domain has no certificate, or one that ends within 14 days" in page
    assert "on this node: soon.test." in page
    assert 'href="/backend/all-domains?search=soon.test"' in page
    write_expiries(
        file,
        [CertificateExpiry("fine.test", ends["fine.test"]), CertificateExpiry("no.test", None)],
    )
    assert [one.host for one in read_expiries(file)] == ["no.test", "fine.test"]
    assert "on this node: no.test." in operator.get("/").text
    file.write_text("[[1]]")
    assert "certificate" not in operator.get("/").text
    file.unlink()
    file.mkdir()  # as little to be read as another user's file
    assert operator.get("/").status_code == 200


def test_the_doctors_findings_are_told(world: World, operator: Browser) -> None:
    """What is unsafe counts alone; what passed is no finding."""
    ok = Finding(Severity.OK, "a", "b", "Fine.").to_json()
    warning = ok | {"severity": "warning"}
    for findings, told in (
        ([ok], ""),
        ([warning, ok], "The doctor found 1 warning"),
        ([ok | {"severity": "unsafe"}, warning], "The doctor found 1 unsafe thing"),
    ):
        new = NewJob(name="platform.doctor", arguments={}, max_attempts=1)
        world.catalog.jobs.add(new, by=SYSTEM)
        claims = JobClaims(world.catalog.store, "worker", lease=timedelta(minutes=1))
        while (job := claims.claim()) is not None and job.name != "platform.doctor":
            pass  # the operator's sign-in has a mail
        assert job is not None
        result = {"safe": False, "findings": findings}
        claims.report(job, JobReport(state=JobState.DONE, result=result))
        page = operator.get("/").text
        assert (told or "Nothing: each site can be served") in page


def test_nearly_full_sites_are_told(make_world: Callable[..., World]) -> None:
    """The daily job measures; the overview names what it found, with the plan's page."""
    world = make_world(limit_plans={"free": {"media_mb": 1.0}})
    world.add_account("operator@example.com", operator=True)
    operator = world.browser().adopt(world.sign_cookie("operator@example.com"))
    for slug, size in (("acme", 0.95), ("bolt", 0.5)):
        folder = world.settings.tenant_dir(world.add_tenant(slug).id)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "photo").write_bytes(b"x" * round(size * 2**20))
    assert "room of the plan" not in operator.get("/").text
    queue = JobQueue(
        world.catalog.jobs, JobDefinitions(operation_jobs(world.catalog, world.settings))
    )
    job = queue.enqueue("platform.check_quotas", {}, by=SYSTEM)
    run_jobs(world)
    result = {"checked": 2, "not_measured": 0, "nearly_full": 1, "slugs": ["acme"]}
    assert world.catalog.jobs.get(job.id).result == result
    (line,) = world.catalog.jobs.list_lines(job.id)
    assert line.text.startswith("acme: Its files take 0.9")
    page = operator.get("/").text
    assert "1 site uses more than 90% of the room of the plan" in page
    assert 'href="/backend/tenants/acme/plan">Change the plan of acme</a>' in page
    assert find_flaws(page) == []


@pytest.mark.parametrize(
    ("range_", "requests"), [("hour", "3"), ("day", "8"), ("month", "8"), ("none", "8")]
)
def test_figures_are_shown_for_a_range(
    world: World, operator: Browser, range_: str, requests: str
) -> None:
    """All tenants together; a wrong range is the usual one."""
    write_traffic(world, "acme", 2)
    write_traffic(world, "bolt", 1, errors=1)
    write_traffic(world, "bolt", 5, ago=2 * 3600)
    page = operator.get(f"/?range={range_}").text
    figures = find_figures(page)
    assert figures["Requests"] == requests
    assert figures["Errors"].startswith("1 (")
    assert figures["Latency, 95 %"] == "50 ms"
    assert page.count("<polyline") == 3
    assert "These figures as a table" in page
    assert find_flaws(page) == []


def test_a_sites_figures_are_its_own(world: World, operator: Browser, olga: Browser) -> None:
    """Its owner sees them, and nothing of any other."""
    write_traffic(world, "acme", 7)
    write_traffic(world, "bolt", 1000)
    for page in (operator.get("/tenants/acme").text, olga.get("/", ACME).text):
        assert find_figures(page)["Requests"] == "7"
        assert "1,0" not in page


def test_figures_cost_no_page(world: World, operator: Browser) -> None:
    """If the file is broken, the page comes without them."""
    world.settings.figures_file.write_bytes(b"no database" * 100)
    for path in ("/", "/tenants/acme"):
        page = operator.get(path)
        assert page.status_code == 200
        assert find_figures(page.text) == {}
