"""Owners bring back a site that they have deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from tenantry.catalog import SYSTEM, Actor
from tenantry.catalog.models import TenantRecord, now
from tenantry.errors import TooLateError
from tenantry.lifecycle import Operations
from tenantry.values.tenant import TenantState
from tests.markup import find_flaws

if TYPE_CHECKING:
    from tests.frontend_app.conftest import Front

OLGA = Actor("owner", "olga@mail.test")
OPERATOR = Actor("operator", "operator@mail.test")


@pytest.fixture(autouse=True)
def _site(front: Front) -> None:
    """Olga owns Acme, with Sam as staff; Eve owns nothing."""
    for email in (OLGA.label, "sam@mail.test", "eve@mail.test"):
        front.add_account(email)
    acme = front.add_tenant("acme", OLGA.label)
    sam = front.catalog.accounts.find("sam@mail.test")
    assert sam is not None
    front.catalog.memberships.add(sam.id, acme.id, "staff", by=SYSTEM)


def act(front: Front, actor: Actor) -> Operations:
    return Operations(front.catalog, front.operations.factory, settings=front.settings, actor=actor)


def state(front: Front) -> TenantState:
    return front.catalog.tenants.get("acme").state


def test_a_site_comes_back(front: Front) -> None:
    """It is served as before, in the owner's name; the page says, in the owner's time, until when."""
    account, zone = front.catalog.accounts.find(OLGA.label), "Pacific/Auckland"
    assert account is not None
    front.catalog.account_changes.configure(
        account.id, name="Olga", language="", time_zone=zone, by=SYSTEM
    )
    act(front, OLGA).delete("acme")
    olga = front.person(OLGA.label)
    page = olga.get("/sites").text
    assert find_flaws(page) == []
    until = front.catalog.tenants.get_row("acme").purge_at
    assert until is not None
    assert f">{until.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}</time>" in page
    assert olga.post("/sites/acme/undelete").status_code == 303
    assert "Acme is back." in olga.get("/sites").text
    assert state(front) is TenantState.ACTIVE
    newest = front.catalog.audit.list(action="tenant.state", size=1).items[0]
    assert (newest.actor_kind, newest.actor) == ("owner", OLGA.label)
    assert "undelete" not in olga.get("/sites").text


def test_a_site_that_was_closed_stays_closed(front: Front) -> None:
    """Its maintenance was an operator's: the owner has the site back, and an operator opens it."""
    act(front, OPERATOR).begin_maintenance("acme")
    act(front, OLGA).delete("acme")
    olga = front.person(OLGA.label)
    olga.post("/sites/acme/undelete")
    assert "Ask the platform&#39;s operator to open it." in olga.get("/sites").text
    assert state(front) is TenantState.ARCHIVED


def test_only_its_owners_own_deletion_is_taken_back(front: Front) -> None:
    """Neither staff nor strangers, nor what an operator has deleted, nor a site that is not."""
    olga = front.person(OLGA.label)
    assert olga.post("/sites/acme/undelete").status_code == 404
    act(front, OPERATOR).delete("acme")
    assert "undelete" not in olga.get("/sites").text
    assert olga.post("/sites/acme/undelete").status_code == 404
    operator = act(front, OPERATOR)
    operator.undelete("acme")
    operator.resume("acme")
    act(front, OLGA).delete("acme")
    for email in ("sam@mail.test", "eve@mail.test"):
        other = front.person(email)
        assert "undelete" not in other.get("/sites").text
        assert other.post("/sites/acme/undelete").status_code == 404
    assert state(front) is TenantState.DELETED


def test_the_grace_is_over(front: Front) -> None:
    """From the purge date on only what is left of the site is shown."""
    act(front, OLGA).delete("acme")
    with front.catalog.store.writing(SYSTEM) as writer:
        record = writer.session.get(TenantRecord, front.catalog.tenants.get("acme").id)
        assert record is not None
        record.purge_at = now() - timedelta(seconds=1)
    olga = front.person(OLGA.label)
    assert "undelete" not in olga.get("/sites").text
    assert olga.post("/sites/acme/undelete").status_code == 404
    with pytest.raises(TooLateError):
        act(front, OLGA).undelete_own("acme")
    assert state(front) is TenantState.DELETED
