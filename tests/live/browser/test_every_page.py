"""Every page that has an address of its own: on an empty platform and on a crowded one.

They are found in the apps themselves, so a new page is looked at without being named here. ``make
screenshots`` makes a picture of each, wide and narrow, light and dark.
"""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Flask

import backend_app
import frontend_app
from backend_app.access import audience_of
from tenantry.catalog import SYSTEM, Catalog
from tenantry.catalog.models import now
from tenantry.catalog.values import NewJob
from tenants import comments, discovery, feed, history, media, members, pages, posts
from tests.live.browser.person import ALBUM, LAYOUT_FLAWS, OPERATOR, PASSWORD, WINDOWS
from tests.live.server import Server, copy_data, make_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flask import Blueprint

    from tests.live.browser.conftest import NewPerson
    from tests.live.browser.person import Person

MANY = 120
LONG = "x" * 40
NAMES = (
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "دفتر ملاحظات الورشة الصغيرة",
    "小さな工房のノート",
    "O'Brien & Söhne <Ltd>",
)
OWN = "acme"
LOOK_AHEAD = """(url) => fetch(url, {redirect: "manual"}).then(async (answer) =>
    [answer.status, (await answer.text()).includes("<html")])"""
"""A redirect has the status 0 then."""
SITE_MODULES = (pages, feed, discovery, posts, history, comments, members, media)


def find_paths(blueprints: Iterable[Blueprint], audience: str = "") -> tuple[str, ...]:
    """Return the paths of the pages that need nothing but their address.

    :param audience: Of the backend's views: ``platform`` or ``site``.
    """
    app = Flask("pages")
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    found = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        mark = audience_of(view)
        fits = not audience or (mark is not None and getattr(mark, audience))
        if "GET" in (rule.methods or ()) and not rule.arguments and rule.endpoint != "static":
            found += [rule.rule] * fits
    return tuple(sorted(set(found)))


PLATFORM = find_paths(backend_app.BLUEPRINTS, "platform")
SITE = find_paths(backend_app.BLUEPRINTS, "site")
FRONT = find_paths(frontend_app.BLUEPRINTS)
PUBLIC = find_paths(module.bp for module in SITE_MODULES)


@pytest.fixture(scope="module")
def empty(folder: Path) -> Iterator[Server]:
    """Return a platform on which there is one operator and nothing else."""
    data = Path(tempfile.mkdtemp(prefix="empty-", dir=folder)) / "var"
    make_data(data, ())
    with Server(data) as running:
        add_operator(running.catalog)
        yield running


@pytest.fixture(scope="module")
def crowded(folder: Path, demo_data: Path) -> Iterator[Server]:
    """Return a platform with many of everything, under names that are hard to show."""
    data = Path(tempfile.mkdtemp(prefix="crowded-", dir=folder)) / "var"
    with Server(copy_data(demo_data, data)) as running:
        add_operator(running.catalog)
        fill(running.catalog)
        yield running


def add_operator(catalog: Catalog) -> None:
    """Let somebody sign in who operates the platform."""
    account = catalog.accounts.add(OPERATOR, operator=True, by=SYSTEM)
    catalog.accounts.set_password(account.id, PASSWORD, by=SYSTEM)


def fill(catalog: Catalog) -> None:
    """Add many sites, people, domains, backups and jobs."""
    owner = catalog.accounts.find(f"owner@{OWN}.test")
    assert owner is not None
    catalog.accounts.set_password(owner.id, PASSWORD, by=SYSTEM)
    for number in range(MANY):
        slug = f"{LONG[: number % 36]}y{number:03}"[-40:]
        made = catalog.tenants.add(slug, name=NAMES[number % len(NAMES)], by=SYSTEM)
        catalog.provisioning.activate({made.id: f"{LONG}{number}@mail.test"}, by=SYSTEM)
        catalog.backups.record(
            made.id,
            file=f"{number}.tenant",
            made_at=now() - timedelta(days=number),
            size=10**number % 10**12,
        )
        if number % 5 == 0:
            catalog.backups.record_check(made.id, file=f"{number}.tenant", problem=LONG * 5)
        catalog.hosts.add(made.id, f"{LONG}.{number}.example.test", by=SYSTEM)
    due = now() + timedelta(days=1)
    jobs = (NewJob(name="operations.purge_due", arguments={}, due_at=due) for _ in range(MANY))
    catalog.jobs.add(*jobs, by=SYSTEM)


def walk(person: Person, slug: str, paths: Iterable[str], album: str) -> int:
    """Look at each path that answers with a page; return how many do."""
    seen = 0
    person.go(slug, "/robots.txt")  # what is asked below must be of the same origin
    found = {path: person.page.evaluate(LOOK_AHEAD, person.address(slug, path)) for path in paths}
    for path, (status, is_page) in found.items():
        assert status < 500, path
        if status >= 400:
            person.expect_status(status)
        if status != 200 or not is_page:
            continue
        person.go(slug, path)
        seen += 1
        if ALBUM:
            person.look(f"{album}-{path.strip('/').replace('/', '-') or 'index'}")
            continue
        for window, size in WINDOWS.items():
            person.page.set_viewport_size(size)
            assert person.page.evaluate(LAYOUT_FLAWS) == [], f"{album} {path} {window}"
    return seen


def under_backend(paths: Iterable[str]) -> list[str]:
    """Return the paths as the front door has them."""
    return [f"/backend{path}" for path in paths]


def test_pages_of_an_empty_platform(empty: Server, new_person: NewPerson) -> None:
    """Where there is nothing yet, each page says so and keeps its layout."""
    operator = new_person(server=empty).enter_backend(OPERATOR)
    assert walk(operator, "", under_backend(PLATFORM), "empty-backend") > 15
    assert walk(operator, "", FRONT, "empty-front") > 5
    assert walk(new_person(server=empty), "", FRONT, "empty-visitor") > 3


def test_pages_of_a_crowded_platform(crowded: Server, new_person: NewPerson) -> None:
    """Many of everything, under long and foreign names, keeps the layout too."""
    operator = new_person(server=crowded).enter_backend(OPERATOR)
    assert walk(operator, "", under_backend(PLATFORM), "crowded-backend") > 15
    assert walk(operator, "", FRONT, "crowded-front") > 5


def test_pages_of_a_site(crowded: Server, new_person: NewPerson) -> None:
    """The site's own pages, and those of its backend."""
    owner = new_person(server=crowded).enter_backend(f"owner@{OWN}.test", slug=OWN)
    assert walk(owner, OWN, under_backend(SITE), "site-backend") > 8
    owner.go(OWN, "/backend/")
    owner.click("Open my site, signed in")
    assert walk(owner, OWN, PUBLIC, "site-owner") > 4
    assert walk(new_person(server=crowded), OWN, PUBLIC, "site-visitor") > 2
