"""Defining jobs, and asking for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog import SYSTEM
from tenantry.errors import BadJobError, UnknownJobError
from tenantry.jobs import JobDefinitions, JobQueue, job
from tenantry.jobs.schedules import Schedule

if TYPE_CHECKING:
    from tenantry.catalog import Catalog


@job("letters.send", attempts=2, deadline=60, cancellable=True)
def send(run: Any, to: str, copies: int = 1) -> str:
    """Return what was sent."""
    return f"{copies} to {to}"


@job("platform.clean", place="platform")
def clean(run: Any) -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        pytest.param("Send", {}, "lower-case", id="capital"),
        pytest.param("a..b", {}, "lower-case", id="no word between dots"),
        pytest.param("a" * 81, {}, "80 characters", id="too long"),
        pytest.param("a", {"attempts": 0}, "attempts=0", id="never tried"),
        pytest.param("a", {"seconds": -1}, "seconds=-1", id="no time"),
    ],
)
def test_a_definition_that_cannot_work_is_refused(
    name: str, options: dict[str, Any], problem: str
) -> None:
    """The error names the value and the rule."""
    with pytest.raises(BadJobError, match=problem):
        job(name, **options)


def test_names_are_unique() -> None:
    """Two jobs of one name would run each other's arguments."""
    with pytest.raises(BadJobError, match="defined twice"):
        JobDefinitions([send], [job("letters.send")(len)])
    with pytest.raises(BadJobError, match="decorate it"):
        JobDefinitions([len])  # type: ignore[list-item]
    assert [one.name for one in JobDefinitions([send], [send, clean])] == [
        "letters.send",
        "platform.clean",
    ]


def test_a_definition_is_called_like_its_function() -> None:
    """Tests of an app call it directly."""
    assert send(None, "ada@acme.test", copies=2) == "2 to ada@acme.test"


@pytest.mark.parametrize(
    ("name", "arguments", "problem"),
    [
        pytest.param("letters.post", {}, "letters.send, platform.clean", id="unknown"),
        pytest.param("letters.send", {}, "missing a required argument: 'to'", id="too few"),
        pytest.param("letters.send", {"to": "a", "cc": "b"}, "unexpected.*'cc'", id="too many"),
        pytest.param("letters.send", {"to": object()}, "not JSON", id="an object"),
        pytest.param("letters.send", {"to": float("nan")}, "not JSON", id="no number"),
        pytest.param("letters.send", {"to": "a"}, "must belong to a tenant", id="no tenant"),
    ],
)
def test_a_wrong_request_is_refused_at_once(
    catalog: Catalog, name: str, arguments: dict[str, Any], problem: str
) -> None:
    """Not in a worker, hours later."""
    queue = JobQueue(catalog.jobs, JobDefinitions([send, clean]))
    with pytest.raises((BadJobError, UnknownJobError), match=problem):
        queue.enqueue(name, arguments, by=SYSTEM)
    assert catalog.jobs.list().total == 0


def test_what_the_author_said_is_recorded(catalog: Catalog) -> None:
    """Attempts, deadline and cancelling are the definition's."""
    acme = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    queue = JobQueue(catalog.jobs, JobDefinitions([send, clean]))
    made = queue.enqueue("letters.send", {"to": "a"}, tenant_id=acme.id, key="k", by=SYSTEM)

    assert (made.max_attempts, made.cancellable, made.needs_site) == (2, True, True)
    assert made.deadline_at is not None
    assert timedelta(seconds=59) < made.deadline_at - made.created_at < timedelta(seconds=61)
    with pytest.raises(BadJobError, match="201 characters"):
        queue.enqueue("platform.clean", {}, key="k" * 201, by=SYSTEM)


def test_a_schedules_last_moment() -> None:
    """It is the same for every worker that looks, whenever it was started."""
    nightly = Schedule("nightly", "platform.clean", at=timedelta(hours=2, minutes=23))
    assert nightly.find_due(datetime(2026, 5, 4, 2, 22, 59, tzinfo=UTC)).isoformat() == (
        "2026-05-03T02:23:00+00:00"
    )
    assert nightly.find_due(datetime(2026, 5, 4, 2, 23, tzinfo=UTC)).isoformat() == (
        "2026-05-04T02:23:00+00:00"
    )
