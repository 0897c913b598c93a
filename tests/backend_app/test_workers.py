"""Operators see the workers and what they could not build; owners see a sentence."""

from __future__ import annotations

import html
import os
import re
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.worker import Reporter
from tests.tenantry.worker.sample import expensive, failure, report, usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.backend_app.conftest import Browser, World

ACME = "acme.example.test"
BOLT = "bolt.example.test"


@pytest.fixture
def worker(world: World) -> Iterator[dict[str, Any]]:
    """Let this process be the platform's only worker; return its report, to be changed."""
    told = report(pid=os.getpid(), failures=[])
    reporter = Reporter(world.settings.workers_dir, lambda: told)
    reporter.start()
    yield told
    reporter.stop()


def text_of(browser: Browser, path: str, host: str = "example.test") -> str:
    """Return a page's words as people read them."""
    response = browser.get(path, host)
    assert response.status_code == 200
    body = re.sub(r"(?s)<(script|style).*?</\1>", "", response.text)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", body)).split())


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param("3/10000", id="instances"),
        pytest.param("81/768 MiB", id="memory"),
        pytest.param("2/200", id="connections"),
        pytest.param("31/16000", id="descriptors"),
        pytest.param("4.0 ms", id="pause"),
        pytest.param("250.0 ms in 10 requests", id="most expensive"),
        pytest.param("factory 45.0 ms", id="timed steps"),
        pytest.param("list in module shop", id="holder of a leak"),
    ],
)
@pytest.mark.usefixtures("worker")
def test_operator_sees_the_figures(operator: Browser, shown: str) -> None:
    """The same figures as in the terminal."""
    assert shown in text_of(operator, "/workers")


def test_no_worker_answers(operator: Browser) -> None:
    """That nobody answers is a page, too."""
    assert "No worker answers" in text_of(operator, "/workers")
    assert "could not be built" not in text_of(operator, "/")


def test_silent_worker_costs_a_page_no_more_than_a_moment(
    world: World, operator: Browser, worker: dict[str, Any]
) -> None:
    """A stuck worker is named, and the pages come with what the others say."""
    with socket.socket(socket.AF_UNIX) as stuck:
        stuck.bind(str(world.settings.workers_dir / "77.sock"))
        stuck.listen()
        for path in ("/workers", "/", "/tenants/acme"):
            began = time.monotonic()
            assert operator.get(path).status_code == 200
            assert time.monotonic() - began < 2
        page = text_of(operator, "/workers")
    assert "process id 77 does not report: it does not answer in time" in page
    assert "3/10000" in page


def test_operator_is_told_which_sites_could_not_be_built(
    operator: Browser, worker: dict[str, Any]
) -> None:
    """On the dashboard by name, on the page of workers with the problem."""
    worker["failures"] = [failure(), failure(slug="bolt", serving=None, retry_in=0.0)]
    assert "2 sites could not be built: acme, bolt" in text_of(operator, "/")
    page = text_of(operator, "/workers")
    assert "acme 3 2 ValueError: no such theme ab12cd34 in 2 s 1" in page
    assert "bolt 3 none ValueError: no such theme ab12cd34 next visit 1" in page


def test_operator_reads_a_failure_on_the_site_s_page(
    world: World, operator: Browser, worker: dict[str, Any]
) -> None:
    """What failed, under which id, when it is tried again and what serves meanwhile."""
    acme = world.catalog.tenants.get("acme").id
    worker["failures"] = [failure(tenant=acme)]
    page = text_of(operator, "/tenants/acme")
    assert "Revision 3 could not be built: ValueError: no such theme" in page
    assert "Revision 2 goes on serving. Error ab12cd34, after 2 tries; next try in 2 s." in page
    worker["failures"] = [failure(tenant=acme, serving=None, attempts=1, retry_in=0.2)]
    page = text_of(operator, "/tenants/acme")
    assert "visitors are asked to come back later" in page
    assert "after 1 try; next try at the next visit." in page
    assert "could not be built" not in text_of(operator, "/tenants/bolt")


def test_owner_reads_a_sentence_without_internals(
    world: World, olga: Browser, worker: dict[str, Any]
) -> None:
    """The error's number is what owner and operator talk about; the traceback is not theirs."""
    worker["failures"] = [failure(tenant=world.catalog.tenants.get("acme").id)]
    page = text_of(olga, "/", ACME)
    assert "The latest change of the site is not in effect yet." in page
    assert "Visitors see the site as it was before." in page
    assert "ab12cd34" in page
    assert "ValueError" not in page


def test_owner_of_a_neighbour_reads_nothing(world: World, worker: dict[str, Any]) -> None:
    """One site's trouble is not the other's news."""
    worker["failures"] = [failure(tenant=world.catalog.tenants.get("acme").id)]
    otto = world.browser("otto@example.com", BOLT)
    assert "not in effect" not in text_of(otto, "/", BOLT)
    assert otto.get("/workers", BOLT).status_code == 404


def test_page_is_for_operators_only(world: World, worker: dict[str, Any]) -> None:
    """It names every site."""
    assert world.browser("olga@example.com").get("/workers").status_code == 403
    assert world.browser().get("/workers").status_code == 302


def test_what_a_site_says_is_no_markup(operator: Browser, worker: dict[str, Any]) -> None:
    """An exception's text may come from a stranger."""
    nasty = "<script>alert(1)</script>"
    worker["failures"] = [failure(problem=nasty)]
    worker["leaks"][0]["held_by"] = nasty
    worker["slowest_builds"][0]["steps"] = [[nasty, 1.0]]
    worker["expensive"] = expensive(usage("d" * 32, nasty))
    response = operator.get("/workers")
    assert response.status_code == 200
    assert nasty not in response.text
    assert "&lt;script&gt;" in response.text
