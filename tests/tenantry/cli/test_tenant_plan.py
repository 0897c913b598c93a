"""Plans: which there are, and how a tenant gets another one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tenantry.doctor import Severity
from tenantry.doctor.placement_checks import examine_plans
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from tests.tenantry.cli.conftest import Desk

PLANS = '{"free": {"requests": 5}, "gold": {}}'
CSV = "slug,name,owner_email\none,The One,ada@example.com\n"


@pytest.fixture
def acme(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a platform with two plans and a site."""
    monkeypatch.setenv("TENANTRY_LIMIT_PLANS", PLANS)
    ready.done("tenant", "create", "acme")
    return ready


@pytest.mark.parametrize("source", ["slug", "file", "all or nothing"])
def test_an_unknown_plan_creates_nothing(acme: Desk, source: str) -> None:
    """One sentence names the plans; it used to be accepted and to mean no limits."""
    (acme.folder / "tenants.csv").write_text(CSV)
    words = {
        "slug": ["one"],
        "file": ["--from-file", "tenants.csv"],
        "all or nothing": ["--from-file", "tenants.csv", "--all-or-nothing"],
    }[source]
    sentence = acme.refused("tenant", "create", *words, "--plan", "platinumm")
    assert "no plan 'platinumm'; the plans are free, gold" in sentence
    with acme.catalog as catalog:
        assert catalog.tenants.find("one") is None


def test_new_tenants_get_the_default_plan(acme: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings name it."""
    monkeypatch.setenv("TENANTRY_DEFAULT_PLAN", "gold")
    acme.done("tenant", "create", "bakery")
    with acme.catalog as catalog:
        assert [catalog.tenants.get(slug).plan for slug in ("acme", "bakery")] == ["free", "gold"]


def test_a_tenant_gets_another_plan(acme: Desk) -> None:
    """It is a change, which workers see at the next request, with an audit row; once."""
    with acme.catalog as catalog:
        before = catalog.tenants.get("acme").revision
    assert "Would give acme the plan gold" in acme.done(
        "tenant", "plan", "acme", "gold", "--dry-run"
    )
    assert "has the plan gold now" in acme.done("tenant", "plan", "acme", "gold")
    assert "already" in acme.done("tenant", "plan", "acme", "gold")
    with acme.catalog as catalog:
        tenant = catalog.tenants.get("acme")
        assert (tenant.plan, tenant.revision) == ("gold", before + 1)
        assert catalog.changes.read_since(catalog.changes.read_epoch() - 1).revisions == {
            tenant.id: before + 1
        }
        (event,) = [e for e in catalog.audit.list().items if e.action == "tenant.plan"]
        assert event.detail == {"before": "free", "after": "gold"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["acme", "platinumm"], "the plans are free, gold", id="unknown plan"),
        pytest.param(["acme", "platinumm", "--dry-run"], "no plan", id="dry run"),
        pytest.param(["nobody", "gold"], "'nobody' does not exist", id="unknown tenant"),
    ],
)
def test_plan_refusals(acme: Desk, words: list[str], sentence: str) -> None:
    """Each refusal is one line."""
    assert sentence in acme.refused("tenant", "plan", *words)


def test_a_plan_that_goes_is_told(acme: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status and doctor name it, who has it, and whose limits hold."""
    acme.done("tenant", "plan", "acme", "gold")
    assert "Plans" not in acme.done("status")
    monkeypatch.setenv("TENANTRY_LIMIT_PLANS", '{"free": {"requests": 5}}')

    sentence = "'gold', which 1 tenant has: it gets the limits of 'free'"
    assert sentence in acme.done("status")
    assert json.loads(acme.done("status", "--json"))["plans"] == {"gold": 1}
    get_settings.cache_clear()
    (finding,) = examine_plans(get_settings(), {"gold": 1, "free": 3})
    assert finding.severity is Severity.WARNING
    assert sentence in finding.sentence
    assert "tenantry tenant plan" in finding.remedy
