"""Operations from the first to the last click: watched, killed, cancelled, compared with commands."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tenantry.catalog import SYSTEM, JobState
from tests.live.browser.person import OPERATOR, PASSWORD
from tests.live.browser.test_operations import add
from tests.live.server import Server, say, until
from tests.live.test_job_worker import worker_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.browser.conftest import NewPerson
    from tests.live.browser.person import Person
    from tests.live.conftest import NewServer

ROWS = 250_000
"""So many are moved for some seconds."""
OWN = {
    *("id", "slug", "url", "hosts", "revision", "created_at", "folder", "purge_at", "reopens_at"),
    "former_names",
}
"""Facts in which two sites differ however they were treated."""


def facts_of(server: Server, slug: str) -> dict[str, Any]:
    """Return what the command line tells of a site, without what is its own."""
    facts = json.loads(say(server, "tenant", "show", slug, "--json"))
    return {name: value for name, value in facts.items() if name not in OWN}


def errands_of(server: Server, slug: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what the audit trail has of a site, without names and times."""
    tenant = server.catalog.tenants.get(slug)
    events = server.catalog.audit.list(tenant_id=tenant.id, size=50).items
    own = {"slug", "after", "before", "job", "file", "size", "name"}
    return [
        (event.action, {key: value for key, value in event.detail.items() if key not in own})
        for event in events
        if not event.action.startswith(("backend.", "job."))
    ]


def ends(operator: Person, state: str) -> None:
    """Wait on the job's page, without touching it, until it shows the state."""
    expect(operator.page.locator("#job .state").first).to_have_text(state)


def test_a_sites_life_in_the_console_and_by_command(  # noqa: PLR0915 - a life has many days
    platform: Server, operator: Person
) -> None:
    """Two sites, one clicked and one typed: at the end nothing tells them apart."""
    for slug in ("clicked", "typed"):
        add(platform, slug)
    until(lambda: worker_of(platform), why="the job worker starts")

    def begin(operation: str) -> None:
        operator.go("", "/backend/tenants/clicked")
        operator.click(operation, role="link")

    begin("Maintenance")
    operator.fill("Message", "New engine.")
    operator.fill("Reason", "a test")
    operator.click("Show what it would do")
    said = say(
        platform, "tenant", "maintenance", "clicked", "--message", "New engine.", "--dry-run"
    )
    expect(operator.page.get_by_text(said.strip())).to_be_visible()
    operator.look("operation-dry-run")
    operator.click("Maintenance")
    operator.is_told("clicked is in maintenance")
    operator.click("Resume the site")
    begin("Change owners")
    operator.fill("E-mail", "olga@example.org")
    operator.click("Change owners")
    operator.is_told("olga@example.org")
    begin("Back up")
    operator.click("Back up")
    ends(operator, "Done")
    operator.look("job-done")
    operator.click("Show clicked", role="link")
    content = operator.page.get_by_role("main")  # the menu leads to those of all sites
    content.get_by_role("link", name="Backups", exact=True).click()
    operator.sees("Backups: Clicked")
    operator.look("backups")
    operator.click("in place", role="link")
    operator.fill("Type clicked to confirm", "typed")
    operator.expect_status(422)
    operator.click("Restore")
    expect(operator.page.get_by_text("That is not “clicked”.")).to_be_visible()
    operator.look("operation-typed-wrong")
    operator.fill("Type clicked to confirm", "clicked")
    operator.click("Restore")
    ends(operator, "Done")
    begin("Clone")
    operator.fill("Address", "clicked-copy")
    operator.click("Clone")
    ends(operator, "Done")
    operator.click("Show clicked-copy", role="link")
    operator.click("Release the copy", role="link")
    operator.click("Release")
    operator.is_told("clicked-copy is released.")

    say(
        platform, "tenant", "maintenance", "typed", "--message", "New engine.", "--reason", "a test"
    )
    say(platform, "tenant", "resume", "typed")
    say(platform, "tenant", "owner", "typed", "--add", "olga@example.org")
    say(platform, "backup", "typed")
    say(platform, "restore", "typed")
    say(platform, "tenant", "clone", "typed", "typed-copy")
    say(platform, "tenant", "release", "typed-copy")
    for one, other in (("clicked", "typed"), ("clicked-copy", "typed-copy")):
        told = facts_of(platform, one)
        assert told | {"name": ""} == facts_of(platform, other) | {"name": ""}
        assert [act for act, _ in errands_of(platform, one)] == [
            act for act, _ in errands_of(platform, other)
        ]

    begin("Delete")
    operator.fill("Reason", "left us")
    operator.fill("Type clicked to confirm", "clicked")
    operator.click("Delete")
    ends(operator, "Done")
    say(platform, "tenant", "delete", "typed", "--reason", "left us", "--yes")
    assert facts_of(platform, "clicked") | {"name": ""} == facts_of(platform, "typed") | {
        "name": ""
    }
    operator.go("", "/backend/jobs?search=clicked")
    operator.look("jobs")


@pytest.fixture
def two_places(new_server: NewServer, folder: Path) -> Iterator[Server]:
    """Return a server of its own with two placements, and a site that takes a while to be moved."""
    disk = folder / "other-disk"
    databases = json.dumps({"local": "sqlite", "disk": f"sqlite:///{disk}"})
    with new_server(env={"TENANTRY_DATABASES": databases}) as server:
        account = server.catalog.accounts.add(OPERATOR, operator=True, by=SYSTEM)
        server.catalog.accounts.set_password(account.id, PASSWORD, by=SYSTEM)
        with closing(sqlite3.connect(server.site_file("acme"))) as connection, connection:
            (post,) = connection.execute("SELECT id FROM post LIMIT 1").fetchone()
            columns = [row[1] for row in connection.execute("PRAGMA table_info(comment)")]
            others = ", ".join(f'"{name}"' for name in columns if name != "id")
            connection.execute(
                f"INSERT INTO comment ({others}) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "  # noqa: S608
                f"SELECT i + 1 FROM n WHERE i < {ROWS}) SELECT {others} FROM n, "
                f"(SELECT * FROM comment WHERE post_id = {post} LIMIT 1)"
            )
        yield server


def test_a_move_is_watched_killed_cancelled_and_done(
    two_places: Server, new_person: NewPerson
) -> None:
    """The page stays open: it tells of the worker's death, of the next attempt and of the end."""
    server = two_places
    operator = new_person(server=server).enter_backend(OPERATOR)
    until(lambda: worker_of(server), why="the job worker starts")
    operator.go("", "/backend/tenants/acme/move")
    operator.page.get_by_label("New placement").select_option("disk")
    operator.click("Move")
    page = operator.page
    ends(operator, "Running")
    expect(page.get_by_role("progressbar")).to_have_attribute("value", re.compile(r"[1-9]\d*"))
    operator.look("job-running")
    number = int(page.url.rsplit("/", 1)[1])

    killed = worker_of(server)
    assert killed is not None
    assert server.catalog.jobs.get(number).state is JobState.RUNNING
    os.kill(killed, signal.SIGKILL)
    expect(page.get_by_text("its worker ended 1 time")).to_be_visible()
    ends(operator, "Running")
    assert server.site("acme").status == 200

    operator.click("Cancel the job")
    operator.is_told("is asked to stop")
    ends(operator, "Cancelled")
    operator.look("job-cancelled")
    row = server.catalog.tenants.get_row("acme")
    assert (row.tenant.placement, row.moving_to) == ("local", "")

    operator.click("Run it again")
    ends(operator, "Running")
    page.reload()
    ended = server.catalog.jobs.get
    until(lambda: ended(number).state.is_final, seconds=120, why="the move ends")
    ends(operator, "Done")
    assert server.catalog.tenants.get("acme").placement == "disk"
    job = server.catalog.jobs.get(number)
    assert job.result["rows"] > ROWS
    assert "lives on disk already" in say(server, "tenant", "move", "acme", "--to", "disk")
    operator.click("Show acme", role="link")
    operator.click("Drop the old copy", role="link")
    operator.fill("Type acme to confirm", "acme")
    operator.click("Drop the old copy")
    operator.is_told("The old copy of acme on local is gone.")
    assert server.site("acme").status == 200


def test_a_job_is_watched_without_scripts(platform: Server, new_person: NewPerson) -> None:
    """The page asks to be loaded again until the job has ended; its buttons work."""
    operator = new_person(java_script_enabled=False)
    operator.go("", "/backend/")
    operator.fill("E-mail", OPERATOR)
    operator.fill("Password", PASSWORD)
    operator.click("Sign in")
    operator.go("", "/backend/tenants/globex/backup")
    operator.click("Back up")
    ends(operator, "Done")
    expect(operator.page.locator("noscript")).to_have_count(0)


def test_a_site_goes_out_in_a_file_and_comes_in(
    platform: Server, operator: Person, folder: Path
) -> None:
    """The file is longer than a form may be; the dry run reads all of it, and then a job does."""
    add(platform, "leaving")
    media = platform.settings.tenant_dir(platform.catalog.tenants.get("leaving").id)
    media.mkdir(parents=True, exist_ok=True)
    (media / "noise").write_bytes(os.urandom(1024 * 1024))
    operator.go("", "/backend/tenants/leaving/export")
    operator.click("Export")
    ends(operator, "Done")
    with operator.page.expect_download() as download:
        operator.page.get_by_role("link", name="Download the file").click()
    bundle = folder / "leaving.tenant"
    download.value.save_as(bundle)

    operator.go("", "/backend/tenants")
    operator.click("Import", role="link")
    operator.look("import")
    for button in ("Show what it would do", "Import"):
        operator.page.get_by_label("File", exact=True).set_input_files(bundle)
        operator.fill("Address", "arriving")
        operator.click(button)
        if button != "Import":
            expect(operator.page.get_by_text("Would import arriving")).to_be_visible()
    ends(operator, "Done")
    arrived = platform.settings.tenant_dir(platform.catalog.tenants.get("arriving").id)
    assert (arrived / "noise").read_bytes() == (media / "noise").read_bytes()
    assert platform.site("arriving").status == 200
    operator.go("", "/backend/migrations")
    operator.look("migrations")
