"""The page of all sites' backups: how old they are, and whether they are good."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING

import pytest

from backend_app.context import EXTENSION
from tenantry.catalog import SYSTEM, JobState
from tenantry.catalog.models import BackupRecord, now
from tenantry.lifecycle import Operations
from tests.backend_app.conftest import World, build_world
from tests.backend_app.job_work import work
from tests.markup import find_flaws
from tests.tenantry.lifecycle import ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.backend_app.conftest import Browser


@pytest.fixture
def world(peopled: Path, tmp_path: Path) -> Iterator[World]:
    """Return the platform, whose daily backups go to another disk."""
    shutil.copytree(peopled, tmp_path / "data")
    world = build_world(tmp_path / "data", backup_dir=str(tmp_path / "disk"))
    world.factory = ledger.make_factory(world.settings)
    state = world.app.extensions[EXTENSION]
    world.app.extensions[EXTENSION] = replace(state, factory=world.factory)
    assert world.factory.provision is not None
    for slug in ("acme", "bolt"):
        world.factory.provision(world.catalog.tenants.get(slug))
    yield world
    world.close()


@pytest.fixture
def operator(world: World) -> Browser:
    """Return the operator's browser. A sign-in would mail, which is a job."""
    cookie = world.sign_cookie("operator@example.com", lifetime=timedelta(hours=1))
    return world.browser().adopt(cookie)


def shown(operator: Browser, show: str = "") -> set[str]:
    """Return which sites the page lists."""
    page = operator.get(f"/backups?show={show}").text
    assert find_flaws(page) == []
    return set(re.findall(r'href="/backend/tenants/(\w+)/backups"', page))


def test_backups_are_made_verified_and_tried(world: World, operator: Browser) -> None:
    """Each step is a job, and the list says what came of it."""
    assert "None known" in operator.get("/backups").text
    assert shown(operator, "none") == {"acme", "bolt"}
    job = work(world, operator.post("/backups/make"))
    assert (job.state, job.result["made"]) == (JobState.DONE, 2)
    assert shown(operator, "none") == set()
    assert shown(operator, "unchecked") == {"acme", "bolt"}
    assert work(world, operator.post("/backups/verify")).result == {
        "sound": 2,
        "elsewhere": 0,
    }
    assert shown(operator, "unchecked") == set()
    page = operator.get("/backups").text
    assert page.count("Sound") == 2
    (name,) = re.findall(r'acme/drill".*?name="backup" value="([^"]+)"', page)
    assert work(world, operator.post("/tenants/acme/drill", {"backup": name})).state == "done"
    acme = world.catalog.tenants.get("acme")
    assert world.catalog.backups.find([acme.id])[acme.id].restored_at is not None
    assert world.actions(acme.id)[0] == "tenant.drill"


def test_what_is_wrong_with_backups_needs_attention(world: World, operator: Browser) -> None:
    """A backup with a fault and one that is too old are named on the overview."""
    work(world, operator.post("/backups/make"))
    acme, bolt = (world.catalog.tenants.get(slug) for slug in ("acme", "bolt"))
    path = Operations(
        world.catalog, world.factory, settings=world.settings, actor=SYSTEM
    ).choose_backup("acme")
    assert path is not None
    path.write_bytes(path.read_bytes()[:-40])
    job = work(world, operator.post("/backups/verify"))
    assert job.state is JobState.FAILED
    assert "1 of 2 backups are not sound" in job.error
    with world.catalog.store.writing(SYSTEM) as writer:
        record = writer.session.get(BackupRecord, bolt.id)
        assert record is not None
        record.current_at = now() - timedelta(days=4)
    assert shown(operator, "damaged") == {"acme"}
    assert shown(operator, "old") == {"bolt"}
    assert "Too old" in operator.get("/backups").text
    page = unescape(operator.get("/").text)
    assert "1 site has a backup with a fault" in page
    assert "1 site has no new backup" in page
    assert '/backend/backups?show=damaged"' in page
    assert world.catalog.backups.find([acme.id])[acme.id].problem


@pytest.mark.parametrize("path", ["/backups/make", "/backups/verify"])
def test_a_second_click_leads_to_the_same_job(world: World, operator: Browser, path: str) -> None:
    """Two at once would find sites locked by each other. A later one is another job."""
    first = operator.post(path)
    assert operator.post(path).location == first.location
    assert world.catalog.jobs.list().total == 1
    work(world, first)
    assert operator.post(path).location != first.location


@pytest.mark.parametrize("path", ["/backups/make", "/backups/verify"])
def test_backups_of_all_are_for_operators(world: World, path: str) -> None:
    """An owner starts nothing, and sees nothing."""
    owner = world.browser().adopt(world.sign_cookie("olga@example.com"))
    token = {"csrf_token": world.form_token()}
    assert owner.open("POST", path, data=token).status_code == 403
    assert owner.get("/backups").status_code == 403
    assert world.catalog.jobs.list().total == 0
