"""``tenantry work`` and ``tenantry job``, with real processes that are killed and stopped."""

from __future__ import annotations

import json
import os
import signal
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog import SYSTEM, JobState
from tenantry.jobs import JobDefinitions, JobQueue, job
from tests.conftest import eventually

if TYPE_CHECKING:
    import subprocess

    from tenantry.catalog import Catalog, Job
    from tests.tenantry.cli.conftest import Desk

APP = """
    import os, time
    from pathlib import Path
    from flask import Flask, current_app
    import tenantry

    def create_app(tenant):
        app = Flask(__name__)
        @app.get("/")
        def order():
            return str(tenantry.enqueue("shop.write", text="from a request").id)
        return app

    def note(text):
        with open(os.path.join(current_app.instance_path, "notes"), "a") as file:
            file.write(f"{tenantry.current_tenant.slug} {text}\\n")

    @tenantry.job("shop.write")
    def write(run, text):
        note(text)

    @tenantry.job("shop.wait", attempts=1)
    def wait(run, seconds):
        note(f"began {os.getpid()}")
        if run.attempt == 1:
            time.sleep(seconds)
        note("ended")

    JOBS = (write, wait)
"""


@pytest.fixture
def shop(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a platform with two sites whose app has jobs."""
    monkeypatch.syspath_prepend(ready.folder)
    (ready.folder / "shop_app.py").write_text(dedent(APP))
    monkeypatch.setenv("TENANTRY_FACTORY", "shop_app")
    monkeypatch.setenv("TENANTRY_PROVISION", "[]")
    for slug in ("acme", "globex"):
        ready.done("tenant", "create", slug)
    return ready


@job("shop.wait", attempts=1)
def wait(run: Any, seconds: float) -> None:
    """Stand in for the app's own: this process only asks for it."""


@job("shop.write")
def write(run: Any, text: str) -> None:
    """Stand in for the app's own, too."""


def ask(catalog: Catalog, slug: str, name: str, **arguments: Any) -> Job:
    """Ask for one of the app's jobs."""
    queue = JobQueue(catalog.jobs, JobDefinitions([wait, write]))
    tenant_id = catalog.tenants.get(slug).id
    return queue.enqueue(name, arguments, tenant_id=tenant_id, by=SYSTEM)


def notes(desk: Desk, catalog: Catalog, slug: str) -> list[str]:
    """Return what jobs have written in the tenant's own folder."""
    tenant_id = catalog.tenants.get(slug).id
    path = desk.folder / "var" / "tenants" / f"t_{tenant_id}" / "notes"
    return path.read_text().splitlines() if path.exists() else []


def test_a_worker_runs_the_apps_jobs_and_can_be_killed(shop: Desk) -> None:
    """Each job runs as its tenant; what a killed worker ran is run again, by the next one."""
    with shop.catalog as catalog:
        ask(catalog, "globex", "shop.write", text="hello")
        job_id = ask(catalog, "acme", "shop.wait", seconds=600).id
        worker = shop.start("work")
        eventually(lambda: notes(shop, catalog, "acme"), seconds=60)
        eventually(lambda: notes(shop, catalog, "globex") == ["globex hello"])
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        shop.call("work", "--until-empty")

        found = catalog.jobs.get(job_id)
        assert (found.state, found.attempts, found.losses) == (JobState.DONE, 2, 1)
        assert [line.split()[1] for line in notes(shop, catalog, "acme")] == [
            "began",
            "began",
            "ended",
        ]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0)], ids=["SIGTERM", "Ctrl-C"]
)
def test_a_worker_lets_its_jobs_end(shop: Desk, number: int, code: int) -> None:
    """The job that runs ends well; the one that waits stays for another worker."""
    with shop.catalog as catalog:
        first = ask(catalog, "acme", "shop.wait", seconds=1.5)
        second = ask(catalog, "acme", "shop.wait", seconds=0)
        worker = shop.start("work", "--threads", "1")
        eventually(lambda: notes(shop, catalog, "acme"), seconds=60)
        worker.send_signal(number)

        assert worker.wait(30) == code
        assert catalog.jobs.get(first.id).state is JobState.DONE
        assert catalog.jobs.get(second.id).state is JobState.QUEUED


def test_a_worker_takes_new_code(shop: Desk) -> None:
    """SIGHUP starts it anew under the same process id, after its jobs have ended."""
    with shop.catalog as catalog:
        first = ask(catalog, "acme", "shop.wait", seconds=0)
        worker = shop.start("work")
        eventually(lambda: catalog.jobs.get(first.id).state is JobState.DONE, seconds=60)
        file = shop.folder / "shop_app.py"
        file.write_text(file.read_text().replace('note("ended")', 'note("new")'))
        worker.send_signal(signal.SIGHUP)
        eventually(lambda: not catalog.jobs.pipe.has_reader())
        second = ask(catalog, "acme", "shop.wait", seconds=0)
        eventually(lambda: catalog.jobs.get(second.id).state is JobState.DONE, seconds=60)

        began, ended, again, new = notes(shop, catalog, "acme")
        assert (began, ended, new) == (again, "acme ended", "acme new"), "under the same process id"
        assert worker.poll() is None
        end(worker)


def test_the_jobs_are_listed_shown_cancelled_and_run_again(shop: Desk) -> None:
    """People and programs see the same; what cannot be is refused in a sentence."""
    with shop.catalog as catalog:
        made = ask(catalog, "acme", "shop.write", text="hello")
    listed = json.loads(shop.done("job", "list", "--tenant", "acme", "--state", "queued", "--json"))
    assert [(one["id"], one["name"], one["tenant"]) for one in listed] == [
        (made.id, "shop.write", "acme")
    ]
    assert shop.done("job", "list", "--tenant", "globex").count("\n") == 1
    assert "Name" in shop.done("job", "show", str(made.id))
    assert shop.done("job", "cancel", str(made.id)) == f"Job {made.id} is cancelled.\n"
    assert "is cancelled already" in shop.refused("job", "cancel", str(made.id))
    result = shop.run("job", "retry", str(made.id))
    assert result.stdout == f"Job {made.id} is queued again.\n"
    assert "start one with `tenantry work`" in result.stderr
    assert "Job 99 does not exist" in shop.refused("job", "show", "99")
    assert json.loads(shop.done("job", "show", str(made.id), "--json"))["lines"] == []


def end(process: subprocess.Popen[str]) -> None:
    """Stop a worker."""
    process.terminate()
    assert process.wait(30) == 0
