"""Announcements, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tenantry.catalog import SYSTEM
from tenantry.catalog.models import now

if TYPE_CHECKING:
    from tenantry.catalog import Catalog


def test_what_is_current_depends_on_plan_and_time(any_catalog: Catalog) -> None:
    """The newest first, three at most; what is over or withdrawn is not shown."""
    announcements, soon = any_catalog.announcements, now() + timedelta(days=1)
    for subject, plan, ends_at in (
        ("all", "", soon),
        ("gold", "gold", soon),
        ("over", "", now() - timedelta(seconds=1)),
    ):
        announcements.add(subject, "text\0", plan=plan, by_mail=False, ends_at=ends_at, by=SYSTEM)
    assert [one.subject for one in announcements.find_current("free")] == ["all"]
    assert [one.subject for one in announcements.find_current("gold")] == ["gold", "all"]
    assert [one.subject for one in announcements.list()] == ["over", "gold", "all"]
    over, gold, _ = announcements.list()
    assert gold.text == "text"
    assert announcements.find(gold.id) == gold
    assert announcements.find(10**9) is None
    assert not announcements.withdraw(over.id, by=SYSTEM)
    assert not announcements.withdraw(10**9, by=SYSTEM)
    assert announcements.withdraw(gold.id, by=SYSTEM)
    assert [one.subject for one in announcements.find_current("gold")] == ["all"]
    for number in range(4):
        announcements.add(str(number), "x", by_mail=True, ends_at=soon, by=SYSTEM)
    assert [one.subject for one in announcements.find_current("free")] == ["3", "2", "1"]
