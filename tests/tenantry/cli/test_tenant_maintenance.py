"""``tenantry tenant maintenance``: closed for a time, in the operator's words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tests.tenantry.cli.conftest import Desk


@pytest.fixture
def acme(ready: Desk) -> Desk:
    """Return a platform with a site."""
    ready.done("tenant", "create", "acme")
    return ready


def test_a_site_goes_into_maintenance_and_comes_back(acme: Desk) -> None:
    """The catalog keeps what visitors read and until when; resuming forgets both."""
    words = ["tenant", "maintenance", "acme", "--message", "New  engine", "--reason", "ticket 7"]
    assert "Would answer 503" in acme.done(*words, "--dry-run")
    text = acme.done(*words, "--until", "2099-12-01T06:00")
    assert "until 2099-12-01 06:00 UTC: its site answers 503" in text
    row = json.loads(acme.done("tenant", "show", "acme", "--json"))
    assert (row["state"], row["message"], row["reason"]) == (
        "maintenance",
        "New engine",
        "ticket 7",
    )
    assert row["reopens_at"] == "2099-12-01T06:00:00+00:00"
    with acme.catalog as catalog:
        event = catalog.audit.list().items[0]
    assert event.detail == {
        "before": "active",
        "after": "maintenance",
        "reason": "ticket 7",
        "message": "New engine",
        "until": "2099-12-01T06:00:00+00:00",
    }

    assert "is served again" in acme.done("tenant", "resume", "acme")
    row = json.loads(acme.done("tenant", "show", "acme", "--json"))
    assert (row["state"], row["message"], row["reopens_at"]) == ("active", "", None)


def test_said_again_it_changes_what_visitors_read(acme: Desk) -> None:
    """The same again changes nothing, another message is a change."""
    acme.done("tenant", "maintenance", "acme", "--message", "One")
    with acme.catalog as catalog:
        epoch = catalog.changes.read_epoch()
    acme.done("tenant", "maintenance", "acme", "--message", "One")
    with acme.catalog as catalog:
        assert catalog.changes.read_epoch() == epoch
    acme.done("tenant", "maintenance", "acme", "--message", "Two", "--retry-after", "7200")
    with acme.catalog as catalog:
        tenant = catalog.tenants.get("acme")
        assert (catalog.changes.read_epoch(), tenant.notice) == (epoch + 1, "Two")
    assert tenant.reopens_at is not None
    left = tenant.reopens_at - datetime.now(UTC)
    assert timedelta(hours=1) < left <= timedelta(hours=2)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["acme", "--until", "2020-01-01 00:00"], "is in the past", id="past"),
        pytest.param(["nobody"], "does not exist", id="unknown"),
        pytest.param(["closed"], "is archived and cannot become maintenance", id="archived"),
        pytest.param(["closed", "--dry-run"], "cannot become", id="dry run"),
    ],
)
def test_maintenance_refusals(acme: Desk, words: list[str], sentence: str) -> None:
    """Each refusal is one line."""
    acme.done("tenant", "create", "closed")
    acme.done("tenant", "archive", "closed")
    assert sentence in acme.refused("tenant", "maintenance", *words)
    with acme.catalog as catalog:
        assert catalog.tenants.get("acme").state is TenantState.ACTIVE


def test_one_end_is_enough(acme: Desk) -> None:
    """Two would contradict each other."""
    words = ["--until", "2099-01-01 00:00", "--retry-after", "60"]
    assert acme.run("tenant", "maintenance", "acme", *words).exit_code == 2
