"""Sites of a CSV file: what the command does, with a check first and one job."""

from __future__ import annotations

from html import unescape
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import Actor, JobState
from tenantry.lifecycle import Operations
from tests.backend_app.job_work import run_jobs, work
from tests.markup import find_flaws

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.backend_app.conftest import Browser, World

HEAD = "slug,name,owner_email\n"
GOOD = "cora,Café Cora,cora@example.com\ndora,,dora@example.com\n"
OPERATOR = Actor("operator", "operator@example.com")


@pytest.fixture
def operator(world: World) -> Browser:
    """Return the operator's browser."""
    return world.browser().adopt(world.sign_cookie("operator@example.com"))


def send(operator: Browser, content: str | bytes, **data: str) -> TestResponse:
    raw = content.encode() if isinstance(content, str) else content
    return operator.post("/tenants/from-file", {"file": (BytesIO(raw), "sites.csv"), **data})


def test_a_check_says_what_would_be_created(world: World, operator: Browser) -> None:
    """Each line that cannot be is named with its reason; nothing is done."""
    bad = (
        "acme,Again,a@example.com\ncora,Twice,c@example.com\nx_y,Bad,b@example.com\neve,Eve,none\n"
    )
    answer = send(operator, HEAD + GOOD + bad, dry_run="Check")
    assert answer.status_code == 200
    assert find_flaws(answer.text) == []
    page = unescape(answer.text)
    assert "Would create 2 of 6 sites." in page
    for line, reason in ((4, "acme"), (5, "'cora' is on line 2 already"), (6, "x_y"), (7, "none")):
        assert f"line {line}: " in page
        assert reason in page
    assert world.catalog.jobs.list().total == 0
    assert world.catalog.tenants.find("cora") is None


def test_one_job_creates_the_sites(world: World, operator: Browser) -> None:
    """With names, owners and plan, in the operator's name, as the command would."""
    (plan,) = world.settings.plans
    job = work(world, send(operator, "\ufeff" + HEAD + GOOD, plan=plan))
    assert (job.state, job.result, job.done) == (JobState.DONE, {"created": 2}, 2)
    cora, dora = (world.catalog.tenants.get(slug) for slug in ("cora", "dora"))
    assert (cora.name, cora.owners, cora.plan) == ("Café Cora", ("cora@example.com",), plan)
    assert dora.name == "dora"
    created = world.catalog.audit.list(tenant_id=cora.id, action="tenant.create").items
    assert [event.actor for event in created] == ["operator@example.com"]
    page = operator.get(f"/jobs/{job.id}").text
    assert find_flaws(page) == []
    assert "Create sites" in page


def test_what_was_created_is_not_refused_when_the_job_goes_on(
    world: World, operator: Browser
) -> None:
    """After a worker's death or a cancellation, only another one's site counts as taken."""
    send(operator, HEAD + GOOD)
    made = Operations(world.catalog, world.factory, settings=world.settings, actor=OPERATOR)
    made.create("cora", name="Café Cora", owner_email="cora@example.com")
    world.add_tenant("dora")
    run_jobs(world)
    (job,) = (one for one in world.catalog.jobs.list().items if one.name.endswith("create_many"))
    assert job.state is JobState.FAILED
    assert job.error == "1 of 2 tenants were created, 1 refused"
    (line,) = world.catalog.jobs.list_lines(job.id)
    assert line.text.startswith("line 3: ")
    assert "dora" in line.text


def test_what_is_half_made_is_not_taken_for_created(world: World, operator: Browser) -> None:
    """A killed attempt may have left it on another node: its line is told, and can be tried again."""
    send(operator, HEAD + GOOD)
    world.catalog.tenants.add("cora", name="Café Cora", by=OPERATOR)
    run_jobs(world)
    (job,) = (one for one in world.catalog.jobs.list().items if one.name.endswith("create_many"))
    assert job.error == "1 of 2 tenants were created, 1 refused"
    (line,) = world.catalog.jobs.list_lines(job.id)
    assert line.text.startswith("line 2: ")


def test_lines_that_were_left_out_unchecked_are_told(world: World, operator: Browser) -> None:
    """Nobody has to press the check first: the job knows only of the lines that it can do."""
    job = work(world, send(operator, HEAD + GOOD + "x_y,Bad,b@example.com\n"))
    assert job.result == {"created": 2}
    assert "1 line is left out. Check the file to see why." in operator.get(f"/jobs/{job.id}").text


def test_a_file_of_as_many_sites_as_are_promised_is_short_enough(operator: Browser) -> None:
    """Other forms are shorter. These lines cost no look into the catalog: each is a bad one."""
    answer = send(operator, HEAD + f"x_y,{'n' * 80},b@example.com\n" * 5_000, dry_run="Check")
    assert answer.status_code == 200
    assert "Would create 0 of 5,000 sites." in answer.text


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("name,slug\n", "missing 'owner_email'"),
        (HEAD, "a file has 1 to 5,000 lines"),
        (HEAD + "x,y,z@example.com\n" * 5001, "a file has 1 to 5,000 lines"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (HEAD + "acme,Acme,a@example.com\n", "none of them names a site"),
    ],
    ids=["columns", "empty", "long", "binary", "nothing good"],
)
def test_a_file_that_cannot_be_used(
    world: World, operator: Browser, content: str | bytes, problem: str
) -> None:
    """It is refused with a sentence, and no job is added."""
    answer = send(operator, content)
    assert answer.status_code in {400, 422}
    assert problem in unescape(answer.text)
    assert world.catalog.jobs.list().total == 0


def test_a_file_has_to_be_chosen(operator: Browser) -> None:
    """The form says so."""
    answer = operator.post("/tenants/from-file")
    assert answer.status_code == 422
    assert "Choose a file." in answer.text
