"""The audit trail as people read it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from backend_app.activity import describe, fold
from tenantry.catalog import AuditEvent

if TYPE_CHECKING:
    from tests.backend_app.conftest import Browser, World

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
VISIT = ("backend.entered", "link.enter.used", "backend.visit", "link.enter")


def event(action: str, detail: dict[str, Any] | None = None, **facts: Any) -> AuditEvent:
    """Return an event of an operator at a site."""
    given = {"number": 1, "at": NOON, "actor": "op@x.test", "tenant_id": "t", **facts}
    rest = {"actor_kind": "operator", "tenant_slug": "acme", "ip": None, "request_id": "r"}
    return AuditEvent(action=action, detail=detail or {}, hash="", **{**rest, **given})


@pytest.mark.parametrize(
    ("action", "detail", "sentence"),
    [
        ("account.create", {"email": "a@b.test"}, "Created the account a@b.test"),
        ("account.sign-out", {"email": "a@b.test"}, "Signed out as a@b.test"),
        ("account.end-session", {"email": "a@b.test"}, "Ended a session of a@b.test"),
        ("tenant.state", {"after": "suspended", "reason": "Rent"}, "Suspended the site: Rent"),
        ("tenant.state", {"after": "active"}, "Put the site online"),
        ("section.delete", {"result": "“A” is deleted."}, "“A” is deleted."),
        ("tenant.rename", {"before": "a", "after": "b"}, "Renamed the site from a to b"),
        ("backend.visit", {}, "Entered the site's backend: \N{EN DASH}"),
        ("plugin.odd", {}, "plugin.odd"),
        (
            "tenant.configure",
            {"before": {"name": "A", "listed": True}, "after": {"name": "B", "listed": False}},
            "Changed the site's settings: name from “A” to “B”, listed from yes to no",
        ),
    ],
)
def test_events_are_sentences(action: str, detail: dict[str, Any], sentence: str) -> None:
    """Each action is told in words, with its facts; an unknown one by its code."""
    assert describe(event(action, detail)) == sentence


def test_a_visit_is_one_line() -> None:
    """The four events of a visit are one entry, whose sentence has the reason."""
    visit = [event(name, {"reason": "Help"}, number=9 - n) for n, name in enumerate(VISIT)]
    later = event("backend.left", at=NOON + timedelta(hours=1))
    entries = fold([later, *visit])
    assert [entry.sentence for entry in entries] == [
        "Left the site's backend",
        "Entered the site's backend: Help",
    ]
    assert entries[1].events == tuple(visit)


def test_what_does_not_belong_together_is_not_folded() -> None:
    """Other people, other sites, other days: each visit is a line of its own, and no event is lost."""
    events = [
        event("backend.visit", {"reason": "1"}, number=6),
        event("backend.visit", {"reason": "2"}, number=5),
        event("backend.visit", {"reason": "3"}, number=4, tenant_id="other"),
        event("backend.visit", {"reason": "4"}, number=3, actor="b@x.test"),
        event("link.enter", number=2, at=NOON - timedelta(hours=3)),
    ]
    entries = fold(events)
    assert [entry.event.number for entry in entries] == [6, 5, 4, 3, 2]
    assert sorted(it.number for entry in entries for it in entry.events) == [2, 3, 4, 5, 6]


def test_the_trail_has_sentences_and_the_codes_behind_them(world: World, operator: Browser) -> None:
    """Code and JSON stand in a drawer, for those who compare them with a log."""
    operator.post("/tenants/acme/suspend", {"reason": "The rent"})
    page = operator.get("/audit").text
    assert "<summary>Suspended the site: The rent</summary>" in page
    assert "<code>tenant.state</code>" in page
    assert "&#34;reason&#34;: &#34;The rent&#34;" in page
    assert "<summary>Created the site Acme</summary>" in page
    assert (
        "Suspended the site"
        in world.browser("olga@example.com", world.host("acme"))
        .get("/activity", world.host("acme"))
        .text
    )
