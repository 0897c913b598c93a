"""The pages of operations on a site: each one does what its command does, or says why not."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from backend_app.context import EXTENSION
from tenantry.catalog import SYSTEM, JobState
from tenantry.lifecycle import Operations
from tenantry.lifecycle.jobs import imports_dir
from tenantry.lifecycle.offered import OPERATIONS
from tenantry.lifecycle.tenant_paths import backups_dir
from tenantry.values.tenant import TenantState
from tests.backend_app.conftest import World, build_world
from tests.backend_app.job_work import work
from tests.markup import find_flaws
from tests.tenantry.lifecycle import ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.backend_app.conftest import Browser

SOON = datetime.now(UTC) + timedelta(days=3)
FORMS: dict[str, dict[str, str]] = {
    "suspend": {"reason": "unpaid"},
    "maintenance": {"reason": "new engine", "message": "Back soon."},
    "archive": {"reason": "left us"},
    "rename": {"new": "coil"},
    "plan": {"new": "standard"},
    "owner": {"change": "add", "email": "cora@example.com"},
    "clone": {"new": "twin"},
    "move": {"to": "disk"},
    "delete": {"reason": "left us", "typed": "acme"},
}


@pytest.fixture
def world(peopled: Path, tmp_path: Path) -> Iterator[World]:
    """Return the platform with databases on two placements, in which Acme keeps its books."""
    shutil.copytree(peopled, tmp_path / "data")
    databases = {"local": "sqlite", "disk": f"sqlite:///{tmp_path}/disk"}
    plans: dict[str, Any] = {"free": {}, "standard": {}}
    world = build_world(tmp_path / "data", databases=databases, limit_plans=plans)
    world.factory = ledger.make_factory(world.settings)
    state = world.app.extensions[EXTENSION]
    world.app.extensions[EXTENSION] = replace(state, factory=world.factory)
    acme = world.catalog.tenants.get("acme")
    assert world.factory.provision is not None
    world.factory.provision(acme)
    ledger.write(acme, world.settings)
    yield world
    world.close()


@pytest.fixture
def operator(world: World) -> Browser:
    """Return the operator's browser. A sign-in would mail, which is a job."""
    return world.browser().adopt(world.sign_cookie("operator@example.com"))


def in_python(world: World) -> Operations:
    """Return what a command would use."""
    return Operations(world.catalog, world.factory, settings=world.settings, actor=SYSTEM)


def state_of(world: World, slug: str = "acme") -> TenantState:
    return world.catalog.tenants.get(slug).state


# --- what all have in common -----------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in FORMS if name != "delete"])
def test_a_page_first_shows_what_it_would_do(world: World, operator: Browser, name: str) -> None:
    """The dry run has the command's sentences, and changes nothing."""
    before, events = world.catalog.tenants.get("acme"), world.catalog.audit.list().total
    form = FORMS[name]
    arguments = {key: value for key, value in form.items() if key != "typed"}
    would = OPERATIONS[name].prepare(in_python(world), "acme", **arguments).would
    answer = operator.post(f"/tenants/acme/{name}", {**form, "dry_run": "Show"})
    assert answer.status_code == 200
    for sentence in would:
        assert sentence in unescape(answer.text)
    for value in form.values():
        assert value in answer.text
    assert world.catalog.tenants.get("acme") == before
    assert (world.catalog.audit.list().total, world.catalog.jobs.list().total) == (events, 0)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_page_says_what_the_operation_does(operator: Browser, name: str) -> None:
    """Also where it cannot be done: then it says why."""
    page = operator.get(f"/tenants/acme/{name}")
    assert page.status_code == 200
    assert OPERATIONS[name].text in unescape(page.text)
    assert OPERATIONS[name].title in page.text


@pytest.mark.parametrize("name", [name for name, one in OPERATIONS.items() if one.is_typed])
def test_what_destroys_wants_the_name_typed(world: World, operator: Browser, name: str) -> None:
    """Neither nothing nor another site's name will do."""
    for typed in ("", "bolt", "ACME"):
        answer = operator.post(f"/tenants/acme/{name}", {"reason": "x", "typed": typed})
        assert answer.status_code == 422
        assert "That is not “acme”." in answer.text
    assert state_of(world) is TenantState.ACTIVE
    assert world.catalog.jobs.list().total == 0


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_for_operators_with_their_token(
    world: World, operator: Browser, name: str
) -> None:
    """An owner on the platform, on the site's host, and a form without its token do nothing."""
    before = world.catalog.tenants.get("acme")
    form = FORMS.get(name, {"typed": "acme"})
    assert operator.open("POST", f"/tenants/acme/{name}", data=form).status_code == 400
    owner = world.browser().adopt(world.sign_cookie("olga@example.com"))
    token = {"csrf_token": world.form_token()}
    answer = owner.open("POST", f"/tenants/acme/{name}", data={**form, **token})
    assert answer.status_code == 403
    host = world.host("acme")
    there = world.browser().adopt(world.sign_cookie("olga@example.com", "acme"), host)
    answer = there.open("POST", f"/tenants/acme/{name}", host, data={**form, **token})
    assert answer.status_code == 404
    assert world.catalog.tenants.get("acme") == before
    assert world.catalog.jobs.list().total == 0


@pytest.mark.parametrize(
    ("name", "form", "sentence"),
    [
        pytest.param("rename", {"new": "bolt"}, "'bolt'", id="rename to a taken name"),
        pytest.param("rename", {"new": "-"}, "cannot name a site", id="rename to no name"),
        pytest.param("clone", {"new": "bolt"}, "'bolt'", id="clone to a taken name"),
        pytest.param("owner", {"change": "add", "email": "x"}, "not an e-mail", id="no address"),
        pytest.param("owner", {"change": "remove", "email": "olga@example.com"}, "own", id="last"),
        pytest.param("undelete", {}, "is active and cannot become", id="not deleted"),
        pytest.param("purge", {"typed": "acme"}, "is active and cannot become", id="in use"),
        pytest.param("drop-former", {"typed": "acme"}, "no old copy to drop", id="no old copy"),
        pytest.param(
            "maintenance", {"reason": "x", "until": "2020-01-01T10:00"}, "in the past", id="past"
        ),
    ],
)
def test_a_refusal_is_one_sentence_beside_what_was_typed(
    world: World, operator: Browser, name: str, form: dict[str, str], sentence: str
) -> None:
    """Nothing has changed, and nothing has to be typed again."""
    before = world.catalog.tenants.get("acme")
    answer = operator.post(f"/tenants/acme/{name}", form)
    assert answer.status_code in {409, 422}
    (shown,) = re.findall(r'role="alert">.*?alert-body">(.*?)</div>', answer.text, re.DOTALL)
    assert sentence in unescape(shown)
    for key, value in form.items():
        assert value in answer.text or key == "change"
    assert world.catalog.tenants.get("acme") == before
    assert world.catalog.jobs.list().total == 0


@pytest.mark.parametrize(
    ("name", "form"),
    [
        pytest.param("plan", {"new": "gold"}, id="no plan"),
        pytest.param("move", {"to": "nowhere"}, id="no placement"),
        pytest.param("owner", {"change": "steal", "email": "a@b.test"}, id="no change"),
        pytest.param("restore", {"backup": "../x", "typed": "acme"}, id="no backup"),
        pytest.param("rename", {}, id="nothing"),
        pytest.param("suspend", {"reason": " "}, id="no reason"),
        pytest.param("backup", {"keep": "-3"}, id="keep none"),
        pytest.param("maintenance", {"reason": "x", "until": "soon"}, id="no time"),
    ],
)
def test_what_a_form_does_not_offer_is_not_taken(
    world: World, operator: Browser, name: str, form: dict[str, str]
) -> None:
    """A wrong answer is told at its field."""
    before = world.catalog.tenants.get("acme")
    answer = operator.post(f"/tenants/acme/{name}", form)
    assert answer.status_code == 422
    assert "invalid-feedback" in answer.text
    assert world.catalog.tenants.get("acme") == before
    assert world.catalog.jobs.list().total == 0


def test_a_site_that_does_not_exist_has_no_operations(operator: Browser) -> None:
    """As for any page that does not exist."""
    assert operator.get("/tenants/nobody/suspend").status_code == 404
    assert operator.get("/tenants/acme/explode").status_code == 404


def test_the_sites_page_leads_to_what_can_be_done(world: World, operator: Browser) -> None:
    """By its state: a deleted site has other buttons than one that is served."""

    def offered(slug: str) -> set[str]:
        page = operator.get(f"/tenants/{slug}").text
        return set(re.findall(rf'href="/backend/tenants/{slug}/([a-z-]+)"', page))

    assert {"suspend", "maintenance", "rename", "clone", "move", "export", "backup"} <= offered(
        "acme"
    )
    assert {"restore", "delete", "plan", "owner", "archive", "migrate"} <= offered("acme")
    assert not {"resume", "undelete", "purge", "release", "drop-former"} & offered("acme")
    acme = world.catalog.tenants.get("acme")
    for state in (TenantState.ARCHIVED, TenantState.DELETED):
        world.catalog.tenants.transition(acme.id, state, purge_at=SOON, by=SYSTEM)
    assert offered("acme") == {"undelete", "purge"}


# --- what is done at once --------------------------------------------------------------------------


def test_a_site_is_closed_and_opened(world: World, operator: Browser) -> None:
    """Suspended, archived, in maintenance, and each time back; the trail has who and why."""
    for name, state in (
        ("suspend", TenantState.SUSPENDED),
        ("archive", TenantState.ARCHIVED),
        ("maintenance", TenantState.MAINTENANCE),
    ):
        assert operator.post(f"/tenants/acme/{name}", FORMS[name]).status_code == 303
        assert state_of(world) is state
        event = world.catalog.audit.list().items[0]
        assert (event.actor, event.detail["reason"]) == (
            "operator@example.com",
            FORMS[name]["reason"],
        )
        assert operator.post("/tenants/acme/resume").status_code == 303
        assert state_of(world) is TenantState.ACTIVE
    assert "acme is served again" in operator.get("/tenants/acme").text


def test_maintenance_has_a_message_and_an_end(world: World, operator: Browser) -> None:
    """The time of the field is UTC."""
    form = FORMS["maintenance"] | {"until": f"{SOON:%Y-%m-%dT%H:%M}"}
    operator.post("/tenants/acme/maintenance", form)
    found = world.catalog.tenants.get("acme")
    assert found.notice == "Back soon."
    assert found.reopens_at == SOON.replace(second=0, microsecond=0)


def test_a_renamed_site_is_shown_under_its_new_name(world: World, operator: Browser) -> None:
    """The answer leads there."""
    answer = operator.post("/tenants/acme/rename", FORMS["rename"])
    assert answer.location == "/backend/tenants/coil"
    assert "acme is renamed to coil" in operator.get("/tenants/coil").text


def test_owners_change(world: World, operator: Browser) -> None:
    """Added, transferred; and what is so already says so."""
    operator.post("/tenants/acme/owner", FORMS["owner"])
    assert world.catalog.tenants.get("acme").owners == ("cora@example.com", "olga@example.com")
    form = {"change": "transfer", "email": "cora@example.com"}
    operator.post("/tenants/acme/owner", form)
    assert world.catalog.tenants.get("acme").owners == ("cora@example.com",)
    operator.post("/tenants/acme/owner", form)
    assert "cora@example.com alone owns acme already." in operator.get("/tenants/acme").text


def test_a_deleted_site_comes_back(world: World, operator: Browser) -> None:
    """Its page asks, and only its form does it."""
    in_python(world).delete("acme")
    assert "Would make acme archived" in operator.get("/tenants/acme/undelete").text
    assert state_of(world) is TenantState.DELETED
    operator.post("/tenants/acme/undelete")
    assert state_of(world) is TenantState.ARCHIVED
    assert "acme is archived again." in operator.get("/tenants/acme").text


# --- what a job does --------------------------------------------------------------------------------


def test_a_backup_is_made_and_restored(world: World, operator: Browser) -> None:
    """In place and beside; the job's page says what became of it."""
    job = work(world, operator.post("/tenants/acme/backup"))
    assert (job.state, job.actor) == (JobState.DONE, "operator@example.com")
    (name,) = in_python(world).list_backup_names("acme")
    form = {"backup": name, "typed": "acme"}
    page = operator.post("/tenants/acme/restore", {"backup": name, "dry_run": "x"}).text
    assert re.search(r"Would restore acme as of \S+ \S+ UTC: \d+ rows", page)
    assert work(world, operator.post("/tenants/acme/restore", form)).state is JobState.DONE
    beside = {"backup": name, "new": "older", "owner_email": "olga@example.com"}
    job = work(world, operator.post("/tenants/acme/restore-beside", beside))
    assert job.result["slug"] == "older"
    assert world.catalog.tenants.get("older").owners == ("olga@example.com",)
    assert 'href="/backend/tenants/older"' in operator.get(f"/jobs/{job.id}").text


def test_a_site_is_moved_and_its_old_copy_dropped(world: World, operator: Browser) -> None:
    """Progress and steps are on the job's page."""
    job = work(world, operator.post("/tenants/acme/move", FORMS["move"]))
    assert (job.state, world.catalog.tenants.get("acme").placement) == (JobState.DONE, "disk")
    assert job.done == job.total > 0
    page = operator.get(f"/jobs/{job.id}").text
    assert "100 %" in page
    assert "placed" in page
    assert "Would destroy the old copy of acme on local" in (
        operator.get("/tenants/acme/drop-former").text
    )
    operator.post("/tenants/acme/drop-former", {"typed": "acme"})
    assert world.catalog.tenants.get_row("acme").former_placement == ""


def test_an_export_is_downloaded(world: World, operator: Browser) -> None:
    """From its job's page, by operators, and the trail says so; it is a bundle of this site."""
    job = work(world, operator.post("/tenants/acme/export"))
    assert f'href="/backend/jobs/{job.id}/file"' in operator.get(f"/jobs/{job.id}").text
    answer = operator.get(f"/jobs/{job.id}/file")
    assert answer.data == Path(job.result["file"]).read_bytes()
    answer.close()
    assert "attachment" in answer.headers["Content-Disposition"]
    assert world.actions()[0] == "job.download"
    preview = in_python(world).preview_import(Path(job.result["file"]), slug="second")
    assert preview.manifest.tenant.slug == "acme"
    Path(job.result["file"]).unlink()
    assert operator.get(f"/jobs/{job.id}/file").status_code == 404


def test_backups_are_listed_with_their_ways_back(world: World, operator: Browser) -> None:
    """The newest first; a damaged one says so, and cannot be restored."""
    assert "No backup yet" in operator.get("/tenants/acme/backups").text
    work(world, operator.post("/tenants/acme/backup"))
    (name,) = in_python(world).list_backup_names("acme")
    page = operator.get("/tenants/acme/backups").text
    assert f'href="/backend/tenants/acme/restore?backup={name}"' in page
    assert f'href="/backend/tenants/acme/restore-beside?backup={name}"' in page
    assert f'selected value="{name}"' in operator.get(f"/tenants/acme/restore?backup={name}").text
    assert find_flaws(page) == []
    home = backups_dir(world.settings) / f"t_{world.catalog.tenants.get('acme').id}"
    (home / name).write_bytes(b"no bundle")
    page = operator.get("/tenants/acme/backups").text
    assert "Damaged" in page
    assert "?backup=" not in page
    answer = operator.post("/tenants/acme/restore", {"backup": name, "typed": "acme"})
    assert answer.status_code == 422
    assert "is not a bundle" in answer.text or "damaged" in answer.text


def test_a_file_is_imported(world: World, operator: Browser) -> None:
    """First it is checked; then a job makes a site of it, with an owner, a plan and a placement."""
    job = work(world, operator.post("/tenants/acme/export"))
    bundle = Path(job.result["file"]).read_bytes()
    form = {"slug": "second", "owner_email": "otto@example.com", "plan": "standard"}

    def send(content: bytes = bundle, **more: str) -> Any:
        file = (BytesIO(content), "my.tenant")
        return operator.post("/import", {**form, **more, "file": file})

    answer = send(dry_run="x")
    assert "Would import second on local with the plan standard" in answer.text
    assert list(imports_dir(world.settings).iterdir()) == []
    job = work(world, send(placement="disk"))
    assert job.state is JobState.DONE, job.error
    made = world.catalog.tenants.get("second")
    assert (made.plan, made.placement, made.owners) == ("standard", "disk", ("otto@example.com",))
    assert find_flaws(operator.get("/import").text) == []

    for refused in (send(), send(b"no bundle"), send(slug="-"), operator.post("/import", form)):
        assert refused.status_code in {409, 422}
        assert "alert-danger" in refused.text or "invalid-feedback" in refused.text
        assert str(world.settings.data_dir) not in refused.text
    assert world.catalog.jobs.list(name="operations.import").total == 1
    assert len(list(imports_dir(world.settings).iterdir())) == 1


def test_a_clone_is_made_and_released(world: World, operator: Browser) -> None:
    """Its page says that it is quiet, and has the way out."""
    assert work(world, operator.post("/tenants/acme/clone", FORMS["clone"])).state is JobState.DONE
    assert 'href="/backend/tenants/twin/release"' in operator.get("/tenants/twin").text
    operator.post("/tenants/twin/release")
    assert not world.catalog.tenants.get("twin").quiet
    operator.post("/tenants/twin/release")
    assert "twin is not quiet." in operator.get("/tenants/twin").text


def test_a_site_is_deleted_and_purged(world: World, operator: Browser) -> None:
    """Each page says what goes; nothing goes before its name is typed and its time is meant."""
    folder = world.settings.tenant_dir(world.catalog.tenants.get("acme").id)
    assert str(folder) in operator.get("/tenants/acme/delete").text
    assert work(world, operator.post("/tenants/acme/delete", FORMS["delete"])).state == "done"
    assert state_of(world) is TenantState.DELETED
    assert str(folder) in operator.get("/tenants/acme/purge").text
    early = operator.post("/tenants/acme/purge", {"typed": "acme"})
    assert early.status_code == 409
    assert "can be purged" in early.text or "until" in early.text
    assert folder.exists()
    job = work(world, operator.post("/tenants/acme/purge", {"typed": "acme", "early": "y"}))
    assert job.state is JobState.DONE
    assert not folder.exists()
    assert world.catalog.tenants.get_row("acme").purged_at is not None
    assert "/tenants/acme/purge" not in operator.get("/tenants/acme").text
