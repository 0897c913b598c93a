"""The front page in the catalog: revisions, and who sees them when."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog import SYSTEM, Actor, Catalog
from tenantry.catalog.directory import Directory
from tenantry.catalog.engine import open_engine
from tenantry.errors import BadArgumentError, BadImageError, FrontPageConflictError
from tenantry.values.front_page import FrontPage
from tests.pictures import png

if TYPE_CHECKING:
    from collections.abc import Callable

MIRA = Actor("operator", "mira@example.com")


def test_without_a_revision_it_is_what_tenantry_comes_with(any_catalog: Catalog) -> None:
    """Nothing has to be set up."""
    assert any_catalog.front_pages.get() == FrontPage()
    assert any_catalog.front_pages.list().total == 0
    assert any_catalog.front_pages.find(1) is None


def test_each_save_is_a_revision(any_catalog: Catalog) -> None:
    """It is shown at once; the earlier ones can be read again; the trail names what has changed."""
    pages = any_catalog.front_pages
    first = pages.save({"name": "Bazaar", "logo": png()}, after=0, by=MIRA)
    second = pages.save({"terms": "# Be kind\r\n\r\nAlways.", "logo": b""}, after=1, by=SYSTEM)
    assert (second.name, second.terms, second.logo) == ("Bazaar", "# Be kind\n\nAlways.", b"")
    assert pages.get() == second
    assert pages.find(1) == first
    assert first.logo == png()
    found = [(it.number, it.by, it.changed) for it in pages.list().items]
    assert found == [(2, "tenantry", ("terms", "logo")), (1, MIRA.label, ("name", "logo"))]
    scanned = any_catalog.scans.read_front_pages(after=10**18 - 1).items  # no column holds it
    assert [it.number for it in scanned] == [2, 1]
    event = any_catalog.audit.list().items[-1]
    assert (event.action, event.actor, event.tenant_id) == ("front.change", MIRA.label, None)
    assert event.detail == {"revision": 1, "changed": "name, logo"}


def test_saving_nothing_new_makes_no_revision(any_catalog: Catalog) -> None:
    """Sent twice, a form counts once."""
    pages = any_catalog.front_pages
    page = pages.save({"name": "Bazaar"}, after=0, by=MIRA)
    assert pages.save({"name": " Bazaar ", "footer": ""}, after=1, by=MIRA) == page
    assert pages.list().total == 1


def test_nobodys_revision_is_replaced_unseen(any_catalog: Catalog) -> None:
    """Of two who edit the same revision, the second is told who was first."""
    any_catalog.front_pages.save({"name": "Bazaar"}, after=0, by=MIRA)
    with pytest.raises(FrontPageConflictError) as caught:
        any_catalog.front_pages.save({"name": "Souk"}, after=0, by=SYSTEM)
    assert str(caught.value) == (
        "mira@example.com has saved revision 1 of the front page meanwhile. "
        "Read it, and save again to replace it."
    )
    assert any_catalog.front_pages.get().name == "Bazaar"


def test_of_two_at_the_same_moment_one_wins(any_catalog: Catalog) -> None:
    """The first one is kept, and the other one is refused."""
    both, outcome = threading.Barrier(2), []

    def save(name: str) -> None:
        both.wait()
        try:
            outcome.append(any_catalog.front_pages.save({"name": name}, after=0, by=MIRA).revision)
        except FrontPageConflictError as error:
            outcome.append(-error.revision)

    threads = [threading.Thread(target=save, args=(name,)) for name in ("Bazaar", "Souk")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome) == [-1, 1]


@pytest.mark.parametrize(
    ("changes", "error", "problem"),
    [
        pytest.param({"name": " "}, BadArgumentError, "name cannot be empty", id="no name"),
        pytest.param({"headline": "\0"}, BadArgumentError, "cannot be empty", id="no headline"),
        pytest.param({"lead": "x" * 501}, BadArgumentError, "501 characters, and 500", id="long"),
        pytest.param({"terms": "x" * 60_001}, BadArgumentError, "60000 at most", id="long terms"),
        pytest.param({"accent": "red;}"}, BadArgumentError, "written as #1f6feb", id="no colour"),
        pytest.param({"dark_accent": "#123"}, BadArgumentError, "written as", id="short colour"),
        pytest.param({"logo": b"<svg/>"}, BadImageError, "no PNG", id="no picture"),
    ],
)
def test_what_cannot_be_shown_is_not_saved(
    any_catalog: Catalog, changes: dict[str, Any], error: type[Exception], problem: str
) -> None:
    """Half of a change is none."""
    with pytest.raises(error, match=problem):
        any_catalog.front_pages.save({"tagline": "new", **changes}, after=0, by=MIRA)
    assert any_catalog.front_pages.get() == FrontPage()
    assert any_catalog.audit.list().total == 0


def test_a_change_is_no_tenants(any_catalog: Catalog) -> None:
    """It has its place in the change feed, and no instance is thought to be stale for it."""
    directory = Directory(any_catalog, domain="example.test")
    directory.catch_up(anyway=True)
    news: list[Any] = []
    directory.subscribe(news.append)
    directory.subscribe_gone(news.append)
    before = any_catalog.changes.read_epoch()
    any_catalog.front_pages.save({"name": "Bazaar"}, after=0, by=MIRA)
    directory.follow()
    assert any_catalog.changes.read_epoch() == before + 1
    assert news == [{}]


def test_another_worker_of_the_node_sees_it_at_once(
    any_url: str, open_catalog_at: Callable[..., Catalog]
) -> None:
    """They share the counter; a process that has read nothing yet reads it."""
    here, there = open_catalog_at(any_url), open_catalog_at(any_url)
    assert there.front_pages.get().name == "Tenantry"
    for number, name in enumerate(("Bazaar", "Souk", "Market")):
        here.front_pages.save({"name": name}, after=number, by=MIRA)
        assert there.front_pages.get().name == name


def test_another_node_sees_it_when_it_polls(
    any_url: str, open_catalog_at: Callable[..., Catalog]
) -> None:
    """Its counter says nothing; the directory tells what it has found."""
    here, there = open_catalog_at(any_url), open_catalog_at(any_url, node="other")
    directory = Directory(there, domain="example.test")
    directory.subscribe_changes(lambda _: there.front_pages.look_again())
    directory.poll()
    assert there.front_pages.get().revision == 0
    here.front_pages.save({"name": "Bazaar"}, after=0, by=MIRA)
    assert there.front_pages.get().revision == 0
    directory.poll()
    assert there.front_pages.get().name == "Bazaar"


def test_a_change_that_comes_while_it_is_read_is_read_again(
    any_url: str, open_catalog_at: Callable[..., Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory tells of it between the question and the answer, which is older."""
    here, there = open_catalog_at(any_url), open_catalog_at(any_url, node="other")
    pages, read = there.front_pages, there.front_pages._read_newest

    def read_and_be_overtaken(known: FrontPage) -> FrontPage:
        found = read(known)
        here.front_pages.save({"name": "Bazaar"}, after=0, by=MIRA)
        pages.look_again()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(pages, "_read_newest", read_and_be_overtaken)
        assert pages.get().revision == 0
    assert pages.get().name == "Bazaar"


def test_it_stays_while_the_catalog_is_away(
    any_catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    """Stale beats dead; and not each visitor has the catalog asked meanwhile."""
    pages, store = any_catalog.front_pages, any_catalog.store
    pages.save({"name": "Bazaar"}, after=0, by=MIRA)
    assert pages.get().name == "Bazaar"
    working = store.engine
    store.engine = open_engine("postgresql+psycopg://op@127.0.0.1:1/none")
    try:
        store.signal.announce(99)
        assert [pages.get().name for _ in range(3)] == ["Bazaar"] * 3
        assert caplog.text.count("the front page stays as it was") == 1
    finally:
        store.engine.dispose()
        store.engine = working
