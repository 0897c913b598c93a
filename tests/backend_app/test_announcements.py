"""What operators announce: to whom, for how long, and by mail to each owner once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM, JobState
from tenantry.catalog.models import AnnouncementRecord, JobRecord, now
from tenantry.jobs import JobDefinitions, JobWorker
from tenantry.lifecycle import Operations
from tenantry.lifecycle.jobs import operation_jobs
from tenantry.mail import mail_jobs
from tests.markup import find_flaws

if TYPE_CHECKING:
    from tests.backend_app.conftest import Browser, World

FORM = {
    "subject": "We move on Sunday",
    "text": "دفتر\nExpect <b>two</b> minutes.",
    "days": "3",
    "plan": "",
}
BANNER = "<strong>We move on Sunday</strong>"


@pytest.fixture
def operator(world: World) -> Browser:
    """Return the operator's browser. A sign-in would mail, which is a job."""
    return world.browser().adopt(world.sign_cookie("operator@example.com"))


@pytest.fixture
def olga(world: World) -> Browser:
    """Return the browser of Acme's owner."""
    host = world.host("acme")
    return world.browser().adopt(world.sign_cookie("olga@example.com", "acme"), host)


def run_jobs(world: World) -> None:
    """Let a worker do what waits."""
    jobs = operation_jobs(world.catalog, world.settings, world.factory)
    mails = mail_jobs(world.catalog, world.settings)
    JobWorker(world.catalog, lambda: JobDefinitions((*jobs, *mails))).run(until_empty=True)


def test_owners_see_it_until_it_ends(world: World, operator: Browser, olga: Browser) -> None:
    """On each page of their console, as text; not the operators on theirs."""
    assert operator.post("/announcements", {**FORM, "dry_run": "x"}).status_code == 200
    assert BANNER not in olga.get("/", world.host("acme")).text
    assert operator.post("/announcements", FORM).status_code == 303
    for path in ("/", "/settings"):
        page = olga.get(path, world.host("acme")).text
        assert BANNER in page
        assert "Expect &lt;b&gt;two&lt;/b&gt; minutes." in page
        assert find_flaws(page) == []
    page = operator.get("/announcements").text
    assert find_flaws(page) == []
    assert BANNER not in page
    (made,) = world.catalog.announcements.list()
    assert f'/announcements/{made.id}/withdraw"' in page
    assert world.actions()[0] == "announcement.add"
    with world.catalog.store.writing(SYSTEM) as writer:
        record = writer.session.get(AnnouncementRecord, made.id)
        assert record is not None
        record.ends_at = now()
    assert BANNER not in olga.get("/", world.host("acme")).text
    assert "Withdraw" not in operator.get("/announcements").text


def test_it_can_be_withdrawn(world: World, operator: Browser, olga: Browser) -> None:
    """Once."""
    operator.post("/announcements", FORM)
    (made,) = world.catalog.announcements.list()
    operator.post(f"/announcements/{made.id}/withdraw")
    assert BANNER not in olga.get("/", world.host("acme")).text
    assert world.actions()[0] == "announcement.withdraw"
    operator.post(f"/announcements/{made.id}/withdraw")
    assert "It is over already." in operator.get("/announcements").text


def test_a_plan_narrows_who_is_told(world: World, operator: Browser, olga: Browser) -> None:
    """The dry run counts the sites."""
    bolt = world.catalog.tenants.get("bolt")
    world.catalog.tenants.change_plan(bolt.id, "gold", by=SYSTEM)
    shown = operator.post("/announcements", {**FORM, "plan": "gold", "dry_run": "x"})
    assert "Would tell the owners of 1 site on their pages." in shown.text
    shown = operator.post("/announcements", {**FORM, "by_mail": "y", "dry_run": "x"})
    assert "Would tell the owners of 2 sites on their pages and by mail." in shown.text
    world.add_tenant("third", "olga@example.com")
    Operations(world.catalog, world.factory, settings=world.settings, actor=SYSTEM).delete("third")
    shown = operator.post("/announcements", {**FORM, "dry_run": "x"})
    assert "Would tell the owners of 2 sites on their pages." in shown.text  # not of a deleted one
    operator.post("/announcements", {**FORM, "plan": "gold"})
    assert BANNER not in olga.get("/", world.host("acme")).text
    host = world.host("bolt")
    otto = world.browser().adopt(world.sign_cookie("otto@example.com", "bolt"), host)
    assert BANNER in otto.get("/", host).text


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": ""},
        {"subject": "x" * 121},
        {"text": " "},
        {"text": "x" * 1001},
        {"days": "0"},
        {"days": "91"},
        {"plan": "x"},
    ],
)
def test_a_bad_announcement_is_refused(
    world: World, operator: Browser, wrong: dict[str, str]
) -> None:
    """Nothing is announced."""
    assert operator.post("/announcements", FORM | wrong).status_code == 422
    assert world.catalog.announcements.list() == ()


def test_each_owner_gets_one_mail(world: World, operator: Browser) -> None:
    """However many sites they own, and however often the job is run."""
    world.add_tenant("third", "olga@example.com")
    answer = operator.post("/announcements", {**FORM, "by_mail": "y"})
    found = re.fullmatch(r"/backend/jobs/(\d+)", answer.location)
    assert found is not None
    run_jobs(world)
    job = world.catalog.jobs.get(int(found[1]))
    assert (job.state, job.result) == (JobState.DONE, {"mails": 2, "refused": 0})
    mails = world.catalog.mails.list().items
    assert [mail.template for mail in mails] == ["announcement", "announcement"]
    with world.catalog.store.writing(SYSTEM) as writer:
        record = writer.session.get(JobRecord, job.id)
        assert record is not None
        record.state = JobState.FAILED
    world.catalog.jobs.retry(job.id, by=SYSTEM)
    run_jobs(world)
    assert world.catalog.jobs.get(job.id).result == {"mails": 2, "refused": 0}
    assert world.catalog.mails.list().total == 2


def test_a_withdrawn_announcement_is_not_mailed(world: World, operator: Browser) -> None:
    """The job may have waited: it says that it has told nobody."""
    answer = operator.post("/announcements", {**FORM, "by_mail": "y"})
    (made,) = world.catalog.announcements.list()
    operator.post(f"/announcements/{made.id}/withdraw")
    run_jobs(world)
    job = world.catalog.jobs.get(int(answer.location.rpartition("/")[2]))
    assert job.state is JobState.FAILED
    assert job.error == "the announcement is over; 0 owners were told"
    assert world.catalog.mails.list().total == 0


def test_announcements_are_the_operators(world: World, olga: Browser) -> None:
    """An owner announces nothing, here or on the site's host."""
    owner = world.browser().adopt(world.sign_cookie("olga@example.com"))
    form = {**FORM, "csrf_token": world.form_token()}
    assert owner.open("POST", "/announcements", data=form).status_code == 403
    host = world.host("acme")
    assert olga.open("POST", "/announcements", host, data=form).status_code == 404
    assert world.catalog.announcements.list() == ()
