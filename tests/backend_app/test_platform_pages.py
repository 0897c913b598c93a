"""The console's pages about the platform: plans, settings, doctor, nodes, domains, migrations live."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

import tenants
from backend_app.context import EXTENSION
from tenantry.catalog import SYSTEM, JobState, Step, StepState
from tenantry.catalog.models import HostRecord
from tenantry.migrations import load_history
from tenantry.settings import PREFIX, Settings
from tests.backend_app.job_work import work
from tests.markup import find_flaws

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.backend_app.conftest import Browser, World

PAGES = ("plans", "settings/all", "doctor", "nodes", "all-domains", "migrations")
SECRET = "sesame-open-sesame-open-sesame-open"


@pytest.fixture
def operator(world: World) -> Browser:
    """Return the operator's browser. A sign-in would mail, which is a job."""
    cookie = world.sign_cookie("operator@example.com", lifetime=timedelta(hours=1))
    return world.browser().adopt(cookie)


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_the_operators(world: World, operator: Browser, path: str) -> None:
    """Its markup is sound; an owner gets none of it, here or on the site's host."""
    page = operator.get(f"/{path}")
    assert page.status_code == 200
    assert find_flaws(page.text) == []
    owner = world.browser().adopt(world.sign_cookie("olga@example.com"))
    assert owner.get(f"/{path}").status_code == 403
    host = world.host("acme")
    there = world.browser().adopt(world.sign_cookie("olga@example.com", "acme"), host)
    assert there.get(f"/{path}", host).status_code == 404


def test_settings_name_their_source_and_keep_secrets(
    make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each setting is listed; what was chosen comes first; no secret is on the page."""
    monkeypatch.setenv("TENANTRY_PURGE_DAYS", "77")
    secrets = {
        "mail_url": f"smtp://mailer:{SECRET}@mail.test",
        "pin": {"API_KEY": SECRET},
        "oidc_client_secret": SecretStr(SECRET),
    }
    world = make_world(purge_days=77, signup="open", **secrets)
    world.add_account("operator@example.com", operator=True)
    operator = world.browser().adopt(world.sign_cookie("operator@example.com"))
    page = unescape(operator.get("/settings/all").text).replace("<wbr>", "")
    assert "1.1.1.1, 8.8.8.8, 9.9.9.9" in page
    assert SECRET not in page
    assert "0123456789abcdef" not in page
    for name in Settings.model_fields:
        assert f"{PREFIX}{name}".upper() in page
    (first,) = re.findall(r"TENANTRY_PURGE_DAYS.*?</tr>", page, re.DOTALL)
    assert "77" in first
    assert "<strong>environment</strong>" in first
    assert page.index("TENANTRY_PURGE_DAYS") < page.index("TENANTRY_ROUTING")
    (mail,) = re.findall(r"TENANTRY_MAIL_URL<.*?</tr>", page, re.DOTALL)
    assert "set, not shown" in mail


def test_plans_show_who_has_them_and_who_would_be_over(
    world: World, operator: Browser, tmp_path: Path
) -> None:
    """The job measures each site of the plan; nothing changes."""
    assert "Not in the settings" not in operator.get("/plans").text
    acme = world.catalog.tenants.get("acme")
    folder = world.settings.tenant_dir(acme.id)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "film").write_bytes(b"x" * 3_000_000)
    assert operator.post("/plans", {"plan": "free"}).status_code == 422
    assert operator.post("/plans", {"plan": "gold", "media_mb": "1"}).status_code == 422
    assert operator.post("/plans", {"plan": "free", "media_mb": "-1"}).status_code == 422
    job = work(world, operator.post("/plans", {"plan": "free", "media_mb": "2"}))
    assert job.result == {"checked": 2, "over": 1, "not_measured": 0}
    (line,) = world.catalog.jobs.list_lines(job.id)
    assert line.text == "acme would be over: files 2.9 of 2 MiB"
    assert "1 of 2 would be over" in operator.get("/plans").text
    assert (
        work(world, operator.post("/plans", {"plan": "free", "media_mb": "3"})).result["over"] == 0
    )
    world.catalog.tenants.change_plan(acme.id, "gone", by=SYSTEM)
    assert "Not in the settings" in operator.get("/plans").text


def test_the_doctor_runs_as_a_job(
    world: World, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own, with the server's settings; the page has its findings and remedies."""
    assert "The doctor has not run yet" in operator.get("/doctor").text
    own = {
        "DATA_DIR": str(world.settings.data_dir),
        "DOMAIN": "example.test",
        "FACTORY": "json:loads",
    }
    for name, value in (own | {"SECRET_KEYS": "0123456789abcdef" * 2}).items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)
    answer = operator.post("/doctor")
    assert operator.post("/doctor").location == answer.location  # it runs already
    job = work(world, answer)
    assert job.state is JobState.DONE, job.error
    assert job.result["findings"]
    page = unescape(operator.get("/doctor").text)
    assert find_flaws(page) == []
    worst = next(one for one in job.result["findings"] if one["severity"] == "unsafe")
    assert worst["sentence"] in page
    assert not job.result["safe"]
    assert "something is unsafe" in page


def test_a_doctor_that_fails_says_why(
    world: World, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job fails with what the command said."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    job = work(world, operator.post("/doctor"))
    assert job.state is JobState.FAILED
    assert job.error == "the doctor did not finish: it ended 1"


def test_the_worst_of_very_many_findings_are_kept(
    world: World, operator: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a limit to a job's result, and what is unsafe may come last."""
    facts = {"check": "c", "subject": "s", "sentence": "It is fine.", "remedy": ""}
    found = [{**facts, "severity": "ok"} for _ in range(300)]
    found.append({**facts, "severity": "unsafe", "sentence": "It leaks."})
    (tmp_path / "found.json").write_text(json.dumps({"findings": found}))
    doctor = tmp_path / "doctor"
    doctor.write_text(f"#!/bin/sh\ncat '{tmp_path}/found.json'\nexit 1\n")
    doctor.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(doctor))
    job = work(world, operator.post("/doctor"))
    assert job.state is JobState.DONE, job.error
    assert "It leaks." in operator.get("/doctor").text


def test_domains_of_all_sites_are_found_by_state(world: World, operator: Browser) -> None:
    """A search and a state narrow the list; each leads to its site."""
    for slug, host in (("acme", "shop.acme.test"), ("bolt", "bolt.test")):
        world.catalog.hosts.add(world.catalog.tenants.get(slug).id, host, by=SYSTEM)
    with world.catalog.store.writing(SYSTEM) as writer:
        acme = world.catalog.tenants.get("acme")
        record = writer.session.get(HostRecord, ("shop.acme.test", acme.id))
        assert record is not None
        record.state, record.problem = "lost", "no record was found"
    page = operator.get("/all-domains").text
    assert find_flaws(page) == []
    assert "shop.acme.test" in page
    assert "bolt.test" in page
    lost = operator.get("/all-domains?state=lost").text
    assert "no record was found" in lost
    assert "bolt.test" not in lost
    assert "shop.acme.test" not in operator.get("/all-domains?search=BOLT").text
    assert "No domains match" in unescape(operator.get("/all-domains?search=zzz").text)
    for host in ("nowhere.test", "no_host..test"):
        answer = operator.post(f"/all-domains/acme/{host}/check")
        assert answer.status_code == 303
        assert host in operator.get("/all-domains").text


def test_a_platform_on_sqlite_has_one_node(operator: Browser) -> None:
    """There is nothing to drain."""
    assert "A catalog on SQLite has one node" in operator.get("/nodes").text
    assert operator.post("/nodes/abc/drain").status_code == 404


def test_migrations_are_watched_live(world: World, operator: Browser) -> None:
    """While a run is under way the page asks; only what has changed is sent again."""
    world.factory = replace(world.factory, find_migrations=lambda: Path(tenants.MIGRATIONS))
    state = world.app.extensions[EXTENSION]
    world.app.extensions[EXTENSION] = replace(state, factory=world.factory)
    assert "data-hx-get" not in operator.get("/migrations").text
    runs, head = world.catalog.runs, load_history(Path(tenants.MIGRATIONS)).head
    run = runs.begin(head, node="here", options={"canary": 1}, by=SYSTEM)
    page = operator.get("/migrations").text
    assert find_flaws(page) == []
    (asked,) = re.findall(r'data-hx-get="/backend(/migrations/progress[^"]*)"', unescape(page))
    assert operator.get(asked).status_code == 204
    (step,) = runs.claim_steps(run.id, 1, by=SYSTEM)
    failed = Step(step.tenant, StepState.FAILED, step.before, error="no such column: colour")
    runs.record_steps(run.id, [failed], by=SYSTEM)
    part = operator.get(asked)
    assert part.status_code == 200
    assert "no such column: colour" in part.text
    assert 'value="1" aria-label="Progress"' in part.text
    assert "<html" not in part.text
