"""What owners do to their site by themselves, and how far they can go."""

from __future__ import annotations

import json
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from html import unescape
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from backend_app.context import EXTENSION
from backend_app.jobs import find_running
from tenantry.catalog import SYSTEM, JobState, MailState
from tenantry.catalog.models import JobRecord, MailRecord, now
from tenantry.databases.placements import tenant_database
from tenantry.lifecycle import Operations
from tenantry.lifecycle.jobs import imports_dir
from tenantry.lifecycle.tenant_paths import TenantPaths
from tenantry.values.tenant import TenantState
from tests.backend_app import job_work
from tests.backend_app.conftest import World, build_world
from tests.backend_app.job_work import run_jobs
from tests.markup import find_flaws
from tests.tenantry.lifecycle import ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenantry.catalog import Job
    from tests.backend_app.conftest import Browser

ACME = "acme.example.test"
SHOWN = ("backups", "usage", "mail", "danger", "import")
PAGES = (*SHOWN, "backup", "restore", "export", "rename", "delete")


@pytest.fixture
def world(peopled: Path, tmp_path: Path) -> Iterator[World]:
    """Return the platform, on which Acme and Bolt keep their books."""
    shutil.copytree(peopled, tmp_path / "data")
    plans = {"free": {"database_mb": 10, "media_mb": 5, "requests": 20}}
    world = build_world(tmp_path / "data", limit_plans=plans)
    world.factory = ledger.make_factory(world.settings)
    state = world.app.extensions[EXTENSION]
    world.app.extensions[EXTENSION] = replace(state, factory=world.factory)
    assert world.factory.provision is not None
    for slug in ("acme", "bolt"):
        tenant = world.catalog.tenants.get(slug)
        world.factory.provision(tenant)
        ledger.write(tenant, world.settings)
    yield world
    world.close()


@pytest.fixture
def olga(world: World) -> Browser:
    """Return the browser of Acme's owner. A sign-in would mail, which is a job."""
    cookie = world.sign_cookie("olga@example.com", "acme", lifetime=timedelta(hours=1))
    return world.browser().adopt(cookie, ACME)


@pytest.fixture
def staff(world: World) -> Browser:
    """Return the browser of somebody who helps to run Acme."""
    account = world.add_account("stan@example.com")
    tenant = world.catalog.tenants.get("acme")
    world.catalog.memberships.add(account.id, tenant.id, role="staff", by=SYSTEM)
    cookie = world.sign_cookie("stan@example.com", "acme", lifetime=timedelta(hours=1))
    return world.browser().adopt(cookie, ACME)


def send(world: World, browser: Browser, name: str, **form: Any) -> Any:
    """Send the form of an operation."""
    data = {"csrf_token": world.form_token(), **form}
    return browser.open("POST", f"/own/{name}", ACME, data=data)


def work(world: World, answer: Any) -> Job:
    """Let a worker do the job to whose page an answer leads, and return it."""
    return job_work.work(world, answer, pages="/backend/own/jobs")


def names(world: World, slug: str = "acme") -> tuple[str, ...]:
    """Return the names of a site's backups."""
    return Operations(
        world.catalog, world.factory, settings=world.settings, actor=SYSTEM
    ).list_backup_names(slug)


def content(world: World) -> Any:
    """Return what Acme's database holds."""
    return ledger.read(world.catalog.tenants.get("acme"), world.settings)


def spoil(world: World) -> None:
    """Change what Acme's database holds."""
    engine = tenant_database(world.catalog.tenants.get("acme"), world.settings).open_engine()
    with engine.begin() as connection:
        ledger.rename_two(connection, 1)
    engine.dispose()


@pytest.mark.parametrize("name", PAGES)
def test_each_page_is_for_the_owner_of_the_site(world: World, olga: Browser, name: str) -> None:
    """Another site's owner, a visiting operator and the platform's host have none of them."""
    page = olga.get(f"/own/{name}", ACME)
    assert page.status_code == 200
    assert find_flaws(page.text) == []
    assert str(world.settings.data_dir) not in page.text
    other = world.browser().adopt(world.sign_cookie("otto@example.com", "bolt"), ACME)
    assert other.get(f"/own/{name}", ACME).status_code == 302  # to the sign-in
    cookie = world.sign_cookie("operator@example.com", "acme", as_operator=True)
    assert world.browser().adopt(cookie, ACME).get(f"/own/{name}", ACME).status_code == 403
    operator = world.browser().adopt(world.sign_cookie("operator@example.com"))
    assert operator.get(f"/own/{name}").status_code == 404


@pytest.mark.parametrize("name", ["danger", "import", "restore", "export", "rename", "delete"])
def test_staff_see_but_do_nothing(world: World, staff: Browser, name: str) -> None:
    """Backups, plan and mail are shown to them; what changes the site is not."""
    for seen in ("backups", "usage", "mail"):
        assert staff.get(f"/own/{seen}", ACME).status_code == 200
    assert "/own/danger" not in staff.get("/own/backups", ACME).text
    assert staff.get(f"/own/{name}", ACME).status_code == 403
    assert send(world, staff, name, typed="acme").status_code in {403, 405}
    assert world.catalog.jobs.list().total == 0


def test_a_site_is_backed_up_and_restored(world: World, olga: Browser) -> None:
    """The restore first keeps what is there, so that it can be undone in the same way."""
    before = content(world)
    job = work(world, send(world, olga, "backup", keep="1"))
    assert (job.state, job.arguments["keep"]) == (JobState.DONE, None)  # owners remove none
    (first,) = names(world)
    assert f"backup={first}" in olga.get("/own/backups", ACME).text
    spoil(world)
    spoiled = content(world)
    assert spoiled != before
    shown = send(world, olga, "restore", backup=first, dry_run="x")
    assert "Would restore acme as of" in shown.text
    job = work(world, send(world, olga, "restore", backup=first, typed="acme"))
    assert job.state is JobState.DONE
    assert content(world) == before
    page = olga.get(f"/own/jobs/{job.id}", ACME).text
    assert re.findall(r"<li>([^<]+)</li>", page.partition("<ol>")[2].partition('id="job"')[2]) == [
        "Copy the database and the files",
        "Write the backup",
        "Unpack and check the backup",
        "Exchange the data while the site is closed",
    ]
    assert find_flaws(page) == []
    second, _ = names(world)
    job = work(world, send(world, olga, "restore", backup=second, typed="acme"))
    assert content(world) == spoiled


def test_a_backup_that_is_thinned_out_meanwhile_is_not_listed(world: World, olga: Browser) -> None:
    """Its name was read a moment before; the others are listed, here and in the operators' console."""
    work(world, send(world, olga, "backup"))
    (name,) = names(world)
    acme = world.catalog.tenants.get("acme")
    gone = TenantPaths(acme, world.settings).backups / "20260101T000000.000000Z.tenant"
    gone.symlink_to("nowhere")
    page = olga.get("/own/backups", ACME)
    assert page.status_code == 200
    assert name in page.text
    operator = world.browser().adopt(world.sign_cookie("operator@example.com"))
    page = operator.get("/tenants/acme/backups")
    assert page.status_code == 200
    assert name in page.text


@pytest.mark.parametrize("typed", ["", "bolt", "ACME"])
def test_what_replaces_or_destroys_wants_the_address_typed(
    world: World, olga: Browser, typed: str
) -> None:
    """Nothing happens before."""
    run = work(world, send(world, olga, "backup"))
    assert run.state is JobState.DONE
    (name,) = names(world)
    for form in (
        {"name": "restore", "backup": name},
        {"name": "delete", "reason": "x"},
        {"name": "rename", "new": "coil"},
    ):
        answer = send(world, olga, typed=typed, **form)
        assert answer.status_code == 422
        assert "That is not “acme”." in answer.text
    assert world.catalog.jobs.list().total == 1
    assert world.catalog.tenants.get("acme").state is TenantState.ACTIVE


def test_each_is_done_a_few_times_a_day(world: World, olga: Browser) -> None:
    """The fifth backup waits until a day after the first; the platform's own do not count."""
    Operations(world.catalog, world.factory, settings=world.settings, actor=SYSTEM).start(
        "backup", slug="acme"
    )
    run_jobs(world)
    for _ in range(4):
        assert work(world, send(world, olga, "backup")).state is JobState.DONE
    answer = send(world, olga, "backup")
    assert answer.status_code == 409
    assert "This can be done 4 times a day." in answer.text
    assert "Back up now" not in olga.get("/own/backups", ACME).text
    with world.catalog.store.writing(SYSTEM) as writer:
        for record in writer.session.query(JobRecord).filter_by(actor_kind="owner"):
            record.created_at = now() - timedelta(days=1, minutes=1)
    assert work(world, send(world, olga, "backup")).state is JobState.DONE


def test_a_second_click_leads_to_the_same_job(world: World, olga: Browser) -> None:
    """What runs already is not begun again."""
    first, second = send(world, olga, "export"), send(world, olga, "export")
    assert first.location == second.location
    assert world.catalog.jobs.list().total == 1


def test_two_clicks_at_once_count_once(
    world: World, olga: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have found nothing that runs, and both were within the limit: it is one job."""
    both = threading.Barrier(2, timeout=30)

    def find_and_wait(name: str, tenant_id: str | None = None) -> Job | None:
        found = find_running(name, tenant_id)
        both.wait()
        return found

    monkeypatch.setattr("backend_app.own_operations.find_running", find_and_wait)
    form = {"csrf_token": world.form_token()}
    browsers = [world.browser(), world.browser()]
    for browser in browsers:
        browser.adopt(world.sign_cookie("olga@example.com", "acme"), ACME)
    with ThreadPoolExecutor(2) as threads:
        asked = [
            threads.submit(browser.open, "POST", "/own/export", ACME, data=form)
            for browser in browsers
        ]
        first, second = (one.result() for one in asked)
    assert (first.status_code, first.location) == (303, second.location)
    assert world.catalog.jobs.list().total == 1


def test_an_export_is_downloaded_and_imported(world: World, olga: Browser) -> None:
    """Its rows replace what is there, and a backup of that is made first."""
    before = content(world)
    job = work(world, send(world, olga, "export"))
    page = olga.get(f"/own/jobs/{job.id}", ACME).text
    assert "Download the file" in page
    assert str(world.settings.data_dir) not in page
    with olga.get(f"/own/jobs/{job.id}/file", ACME) as answer:
        file = answer.data
    assert world.actions(job.tenant_id)[0] == "job.download"
    spoil(world)
    form = {"typed": "acme", "file": (BytesIO(file), "acme.tenant")}
    job = work(world, send(world, olga, "import", **form))
    assert job.state is JobState.DONE, job.error
    assert content(world) == before
    assert len(names(world)) == 1


def test_one_file_is_restored_at_a_time(world: World, olga: Browser) -> None:
    """Another one is refused, instead of leading to the first one's job as if it were restored."""
    job = work(world, send(world, olga, "export"))
    with olga.get(f"/own/jobs/{job.id}/file", ACME) as answer:
        file = answer.data
    work(world, send(world, olga, "backup"))
    spoil(world)
    work(world, send(world, olga, "backup"))
    second, first = names(world)
    begun = send(world, olga, "restore", backup=first, typed="acme")
    assert send(world, olga, "restore", backup=first, typed="acme").location == begun.location
    sent = {"file": (BytesIO(file), "acme.tenant")}
    for name, form in (("restore", {"backup": second}), ("import", sent)):
        answer = send(world, olga, name, typed="acme", **form)
        assert answer.status_code in {400, 409, 422}, answer.status_code
        assert "another restore is under way" in answer.text
    assert world.catalog.jobs.list(name="operations.restore").total == 1
    assert list(imports_dir(world.settings).iterdir()) == []


def test_an_imported_file_changes_no_settings(world: World, olga: Browser) -> None:
    """Anyone could have written them, and no form has checked them; a backup does bring them back."""
    tenant = world.catalog.tenants.get("acme")
    forged = {"mail_reply_to": "nobody", "accent": ["x"], "listed": True, "unheard": "of"}
    configure = world.catalog.tenants.configure
    configure(tenant.id, settings={"tagline": "then", **forged}, by=SYSTEM)
    job = work(world, send(world, olga, "export"))
    with olga.get(f"/own/jobs/{job.id}/file", ACME) as answer:
        file = answer.data
    work(world, send(world, olga, "backup"))
    (backup,) = names(world)
    present = {"tagline": "now", "mail_reply_to": "", "accent": "", "listed": False, "unheard": ""}
    configure(tenant.id, settings=present, by=SYSTEM)
    form = {"typed": "acme", "file": (BytesIO(file), "acme.tenant")}
    assert work(world, send(world, olga, "import", **form)).state is JobState.DONE
    found = world.catalog.tenants.get("acme").settings
    assert {name: found[name] for name in present} == present
    work(world, send(world, olga, "restore", backup=backup, typed="acme"))
    assert world.catalog.tenants.get("acme").settings["tagline"] == "then"


def test_only_an_export_of_the_site_is_imported(world: World, olga: Browser) -> None:
    """A backup has a database's pages, which nobody outside may bring; a stranger's file is refused."""
    operations = Operations(world.catalog, world.factory, settings=world.settings, actor=SYSTEM)
    stranger = world.settings.data_dir / "bolt.tenant"
    operations.export("bolt", stranger)
    backup = operations.backup("acme").path
    cut = stranger.read_bytes()[:-30]
    secret = world.settings.data_dir / "secret.tenant"
    operations.export("acme", secret, passphrase=b"four brown horses")
    for content_, problem in (
        (stranger.read_bytes(), "it is not an export of this site"),
        (backup.read_bytes(), "it is a copy of a database"),
        (secret.read_bytes(), "it is encrypted"),
        (b"nothing", ""),
        (cut, ""),
    ):
        form = {"typed": "acme", "file": (BytesIO(content_), "x.tenant")}
        answer = send(world, olga, "import", **form)
        assert answer.status_code in {400, 409, 422}, answer.status_code
        page = unescape(answer.text)
        assert "The file" in page
        assert problem in page
        assert str(world.settings.data_dir) not in page
    assert world.catalog.jobs.list().total == 0
    assert list(imports_dir(world.settings).iterdir()) == []


def test_a_site_gets_another_address(world: World, olga: Browser) -> None:
    """The session is of the old address: the way leads to *My sites*."""
    answer = send(world, olga, "rename", new="coil", typed="acme")
    assert answer.status_code == 303
    assert answer.location == world.settings.own_sites_url
    assert world.catalog.tenants.find("coil") is not None
    event = world.catalog.audit.list(tenant_id=world.catalog.tenants.get("coil").id).items[0]
    assert (event.action, event.actor_kind) == ("tenant.rename", "owner")


def test_a_site_is_renamed_twice_a_day(world: World, olga: Browser) -> None:
    """Each former address stays reserved for ever; renames by the platform's operators do not count."""
    operations = Operations(world.catalog, world.factory, settings=world.settings, actor=SYSTEM)
    operations.rename("acme", "ames")
    operations.rename("ames", "acme")
    for before, new in (("acme", "coil"), ("coil", "acme")):
        host = f"{before}.example.test"
        olga.adopt(world.sign_cookie("olga@example.com", before, lifetime=timedelta(hours=1)), host)
        form = {"csrf_token": world.form_token(), "new": new, "typed": before}
        assert olga.open("POST", "/own/rename", host, data=form).status_code == 303
    answer = send(world, olga, "rename", new="third", typed="acme")
    assert answer.status_code == 409
    assert "This can be done 2 times a day." in answer.text
    assert world.catalog.tenants.find("third") is None


def test_the_page_says_how_to_bring_a_deleted_site_back(world: World, olga: Browser) -> None:
    """The page says for how long; what a purge would destroy names no folder."""
    page = olga.get("/own/delete", ACME).text
    assert "For 30 days you can bring it back on the page of your sites" in unescape(page)
    answer = send(world, olga, "delete", reason="done with it", typed="acme")
    assert answer.location == world.settings.own_sites_url
    run_jobs(world)
    row = world.catalog.tenants.get_row("acme")
    assert row.tenant.state is TenantState.DELETED
    assert row.reason == "done with it"


def test_a_dry_run_that_no_page_offers_tells_nothing(world: World, olga: Browser) -> None:
    """What a purge would destroy is named by its folders."""
    popular = world.settings.popular_dir
    popular.mkdir(parents=True)
    (popular / "1.json").write_text(json.dumps({world.catalog.tenants.get("acme").id: 1.0}))
    answer = send(world, olga, "delete", reason="x", dry_run="x")
    assert answer.status_code == 200
    assert str(world.settings.data_dir) not in answer.text
    assert world.catalog.jobs.list().total == 0


def test_a_suspended_site_is_left_alone(world: World, olga: Browser) -> None:
    """Its owner can read everything, and do nothing."""
    Operations(world.catalog, world.factory, settings=world.settings, actor=SYSTEM).suspend("acme")
    for name in ("backup", "restore", "export", "rename", "delete"):
        page = olga.get(f"/own/{name}", ACME)
        assert "The site is suspended" in page.text
        assert send(world, olga, name, typed="acme", new="coil", reason="x").status_code == 409
    assert world.catalog.jobs.list().total == 0


def test_another_sites_job_is_not_found(world: World, olga: Browser) -> None:
    """Nor one of the platform's about the same site, whose page names files (R40)."""
    operations = Operations(world.catalog, world.factory, settings=world.settings, actor=SYSTEM)
    bolt = operations.start("export", slug="bolt")
    move = operations.start("clone", slug="acme", new="twin")
    run_jobs(world)
    for job in (bolt, move):
        for part in ("", "/progress", "/file"):
            assert olga.get(f"/own/jobs/{job.id}{part}", ACME).status_code == 404


def test_a_number_that_no_database_has_is_not_found(world: World, olga: Browser) -> None:
    """SQLite cannot even look for it."""
    for number in (2**63, 10**30):
        assert olga.get(f"/own/jobs/{number}", ACME).status_code == 404
        operator = world.browser().adopt(world.sign_cookie("operator@example.com"))
        assert operator.get(f"/jobs/{number}").status_code == 404
    assert olga.get(f"/own/jobs/{2**63 - 1}", ACME).status_code == 404


def test_an_unchanged_job_costs_nothing_to_watch(world: World, olga: Browser) -> None:
    """The page asks with what it shows; a failure is told without the server's files."""
    answer = send(world, olga, "backup")
    page = olga.get(answer.location.removeprefix("/backend"), ACME).text
    (asked,) = re.findall(r'data-hx-get="/backend([^"]+)"', unescape(page))
    assert olga.get(asked, ACME).status_code == 204
    folder = world.settings.tenant_dir(world.catalog.tenants.get("acme").id)
    (folder / "site.sqlite3").write_bytes(b"\xff" * 10_000)
    job = work(world, answer)
    assert job.state is JobState.FAILED
    shown = olga.get(asked, ACME).text
    assert "It could not be done." in shown
    assert str(world.settings.data_dir) not in shown


def test_plan_and_use(world: World, olga: Browser) -> None:
    """Limits of the plan, and how much is used."""
    page = olga.get("/own/usage", ACME).text
    assert "of 10 MiB" in page
    assert "of 5 MiB" in page
    assert re.search(r"Requests a second</dt><dd>20</dd>", page)


def test_mails_are_listed_without_their_readers(world: World, olga: Browser) -> None:
    """What became of each; nothing of another site."""
    acme, bolt = (world.catalog.tenants.get(slug) for slug in ("acme", "bolt"))
    with world.catalog.store.writing(SYSTEM) as writer:
        for tenant, template in ((acme, "members/reset"), (bolt, "members/secret")):
            facts = {"address_hash": "0" * 64, "by_visitor": False, "due_at": now()}
            record = MailRecord(id=tenant.id, tenant_id=tenant.id, template=template, **facts)
            record.state = MailState.QUEUED
            writer.session.add(record)
    page = olga.get("/own/mail", ACME).text
    assert "members/reset" in page
    assert "Queued" in page
    assert "members/secret" not in page
    assert "0" * 64 not in page
