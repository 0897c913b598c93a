"""Each kind of leak is planted in a factory of its own, and is found by its name."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest

from tenantry.doctor import Finding, Severity, examine, is_safe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Diagnose = Callable[..., list[Finding]]

UNSAFE, WARNING, OK = Severity


def about(found: list[Finding], subject: str) -> list[Finding]:
    """Return what was found about one thing."""
    return [finding for finding in found if finding.subject == subject]


def bad(found: list[Finding]) -> list[Finding]:
    """Return what is not in order."""
    return [finding for finding in found if finding.severity is not OK]


@pytest.mark.parametrize(
    ("factory", "subject", "says"),
    [
        pytest.param("module_cache", "module_cache._cache (dict)", "data", id="module cache"),
        pytest.param("module_cache", "GET /", "the first tenant's data", id="neighbour's page"),
        pytest.param("request_list", "request_list.ORDERS (list)", "data", id="list of requests"),
        pytest.param("counter", "counter.hits (int)", "changed it", id="counter"),
        pytest.param("closure", "closure.search.recent (list)", "data", id="closure"),
        pytest.param(
            "class_attribute", "class_attribute.Cart.items (list)", "changed it", id="class"
        ),
        pytest.param("class_attribute", "class_attribute.cart.last (str)", "data", id="object"),
        pytest.param("cached_function", "cached_function.title (lru_cache)", "data", id="cache"),
        pytest.param("context_variable", "context variables (dict)", "['shown']", id="context"),
        pytest.param(
            "signal_receiver",
            "signal_receiver.create_app.<locals>.count (receiver)",
            "for every tenant's requests",
            id="signal",
        ),
        pytest.param(
            "signal_kept",
            "signal_kept.create_app.<locals>.count (receiver)",
            "holds it for ever, and with it the first tenant's app",
            id="signal of one app",
        ),
        pytest.param("thread", "thread.poll (thread)", "holds the first tenant's app", id="thread"),
        pytest.param("idle_thread", "idle_thread.wait (thread)", "Every instance", id="threads"),
        pytest.param(
            "cached_method",
            "cached_method.Shop.total (lru_cache)",
            "holds the first tenant's app after",
            id="cache on a method",
        ),
        pytest.param("at_exit", "atexit.register(at_exit.close)", "app after", id="exit"),
        pytest.param("registry", "registry.APPS (dict)", "<tenant id>", id="registry"),
        pytest.param("open_file", "journal (file)", "stays open", id="open file"),
        pytest.param("same_app", "same_app:create_app", "made before it was called", id="same app"),
        pytest.param(
            "hanging:create_failure", "hanging:create_failure", "no such theme", id="failure"
        ),
        pytest.param(
            "hanging:create_bomb",
            "hanging:create_bomb",
            "exit code 3) while provisioning a tenant",
            id="end of the process",
        ),
        pytest.param("nothing", "nothing:create_app", "no module 'nothing'", id="no factory"),
    ],
)
def test_a_planted_leak_is_found(diagnose: Diagnose, factory: str, subject: str, says: str) -> None:
    """R24: what makes tenants unsafe is named as its author knows it, and fails the examination."""
    found = diagnose(factory)
    [finding] = about(found, subject)
    assert finding.severity is UNSAFE
    assert says in finding.sentence
    assert not is_safe(found)


@pytest.mark.parametrize(
    "factory",
    [
        pytest.param("clean", id="Flask"),
        pytest.param("tidy", id="Flask that tidies up"),
        pytest.param("own_database", id="Flask with extensions"),
        pytest.param("shared_config", id="flyweights with a list in their config"),
        pytest.param("full_site", id="bundled site as full apps"),
        pytest.param("tenants", id="bundled site"),
    ],
)
def test_a_clean_factory_has_nothing(diagnose: Diagnose, factory: str) -> None:
    """Who does everything right reads of nothing else: a false alarm would hide the true one."""
    assert not bad(diagnose(factory))


@pytest.mark.timeout(400)
def test_every_page_of_the_bundled_site_is_reached(diagnose: Diagnose) -> None:
    """Signing up, signing in and the owner's link open all its doors."""
    [visits] = [finding for finding in diagnose("tenants", seconds=300) if finding.check == "pages"]
    # Those that are left show a deleted post, and a page of the menu: the doctor deletes none of its
    # own posts, and makes none a page. The page of its tag is there only while its post is published.
    # A draft's link needs its token, and the three pages of files need a member who may upload.
    answered, _, routes = visits.sentence.partition(" GET routes")[0].partition(" of ")
    assert int(routes) - int(answered) <= 7


def test_no_place_is_overlooked(diagnose: Diagnose) -> None:
    """Defaults, slots, function attributes and counters are looked into."""
    found = {finding.subject for finding in bad(diagnose("odd_places"))}
    assert found == {
        "odd_places.attribute.calls (int)",
        "odd_places.default.seen (list)",
        "odd_places.numbers (count)",
        "odd_places.tally.number (int)",
    }


def test_a_page_that_never_ends_is_left(diagnose: Diagnose) -> None:
    """One page cannot use up the time of all others."""
    found = diagnose("slow", seconds=24)
    assert is_safe(found)
    [finding] = about(found, "GET /endless")
    assert finding.severity is WARNING
    assert "takes more than" in finding.sentence
    assert about(found, "slow:create_app")


def test_a_late_import_is_told_with_its_place(diagnose: Diagnose) -> None:
    """A module that a request imports makes nobody unsafe, but its line is worth moving."""
    found = bad(diagnose("late_import"))
    [finding] = about(found, "colorsys (module)")
    assert finding.severity is WARNING
    assert "late_import.home, line 15" in finding.sentence
    assert found == [finding]


def test_any_wsgi_app_is_followed_by_its_links(diagnose: Diagnose) -> None:
    """An app without routes is visited along its links, and a page that fails is told."""
    found = bad(diagnose("plain_wsgi"))
    assert [(finding.severity, finding.subject) for finding in found] == [(WARNING, "GET /broken")]
    assert "ValueError: it is broken" in found[0].sentence


def test_a_factory_that_hangs_is_given_up(diagnose: Diagnose) -> None:
    """The doctor waits as long as it was told to, and says what it waited for."""
    [finding] = diagnose("hanging", seconds=3)
    assert finding.severity is UNSAFE
    assert "within 3 s; it was provisioning a tenant" in finding.sentence


def test_nothing_of_the_platform_is_touched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The tenants live in a folder of their own, which is gone at the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    stages: list[str] = []
    seen: list[bool] = []

    def tell(stage: str) -> None:
        stages.append(stage)
        seen.append(any(folder.iterdir()))

    real = {"TENANTRY_DATA_DIR": str(tmp_path / "real"), "TENANTRY_CATALOG_URL": "sqlite:////real"}
    found = examine("tenants:create_app", {**os.environ, **real}, tell=tell)
    assert is_safe(found)
    assert "building a tenant's app" in stages
    assert all(seen)
    assert not any(folder.iterdir())
    assert not (tmp_path / "real").exists()
