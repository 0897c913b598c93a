"""``tenantry audit``: what was done, and whether the trail of it is whole."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.tenantry.cli.conftest import Desk


@pytest.fixture
def acme(ready: Desk) -> Desk:
    """Return a platform with one site."""
    ready.done("tenant", "create", "acme", "--owner", "ada@x.test")
    return ready


def tamper(desk: Desk, *statements: str) -> None:
    """Change the catalog as somebody who can write to its file can."""
    with closing(sqlite3.connect(desk.folder / "var" / "catalog.sqlite3")) as connection:
        connection.executescript(
            "DROP TRIGGER audit_events_no_update; DROP TRIGGER audit_events_no_delete;"
        )
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_events_are_listed(acme: Desk) -> None:
    """People and programs see who did what to which tenant, the newest first."""
    rows = json.loads(acme.done("audit", "list", "--json", "--all"))
    assert [row["number"] for row in rows] == sorted((row["number"] for row in rows), reverse=True)
    assert rows[0]["action"] == "tenant.state"
    assert rows[0]["tenant"] == "acme"
    own = json.loads(acme.done("audit", "list", "--tenant", "acme", "--json", "--all"))
    assert {row["tenant"] for row in own} == {"acme"}
    assert "tenant.create" in acme.done("audit", "list")
    assert "does not exist" in acme.refused("audit", "list", "--tenant", "bolt")


def test_a_whole_trail_is_sound(acme: Desk) -> None:
    """Exit 0, the number of events, and what to note elsewhere."""
    text = acme.done("audit", "verify")
    assert "The audit trail is sound" in text
    report = json.loads(acme.done("audit", "verify", "--json"))
    assert report["sound"]
    assert report["first_bad"] is None
    assert report["anchor"] == report["newest"]
    point = f"{report['newest']['number']}:{report['newest']['hash']}"
    assert point in text
    acme.done("host", "add", "acme", "www.acme.test")
    assert "sound" in acme.done("audit", "verify", "--anchor", point)
    wrong = point[:-1] + ("0" if point[-1] != "0" else "1")
    assert "was seen before" in acme.refused("audit", "verify", "--anchor", wrong)
    assert acme.run("audit", "verify", "--anchor", "12").exit_code == 2


def test_the_first_bad_event_is_named(acme: Desk) -> None:
    """Exit 1, for people and for programs; doctor and status say it, too."""
    tamper(acme, "UPDATE audit_events SET actor = 'somebody else' WHERE number = 2")
    assert "Event 2 of the audit trail does not match" in acme.refused("audit", "verify")
    result = acme.run("audit", "verify", "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert (report["sound"], report["first_bad"]) == (False, 2)
    doctor = acme.run("doctor", "--only", "machine")
    assert doctor.exit_code == 1
    assert "Event 2 of the audit trail" in doctor.output


def test_a_cut_end_is_seen_everywhere(acme: Desk) -> None:
    """The newest events removed and the head set back leave a whole chain; the anchor knows better."""
    report = json.loads(acme.done("audit", "verify", "--json"))
    last = report["newest"]["number"]
    assert f"{last} events, anchored at event {last}" in acme.done("status")
    tamper(
        acme,
        f"DELETE FROM audit_events WHERE number > {last - 2}",  # noqa: S608 - a number
        "UPDATE heads SET audit_hash = (SELECT hash FROM audit_events ORDER BY number DESC LIMIT 1)",
    )
    sentence = f"ends at event {last - 2}, and event {last} was seen before"
    assert sentence in acme.refused("audit", "verify")
    assert json.loads(acme.run("audit", "verify", "--json").stdout)["first_bad"] == last - 1
    assert sentence in acme.done("status")
    assert json.loads(acme.done("status", "--json"))["audit"]["problem"]
    assert sentence in acme.run("doctor", "--only", "machine").output


def test_a_restored_catalog_is_accepted(acme: Desk) -> None:
    """After a restore of the catalog, one command with a reason makes the trail sound again."""
    catalog = acme.folder / "var" / "catalog.sqlite3"
    with closing(sqlite3.connect(catalog)) as source:
        source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = catalog.read_bytes()
    acme.done("host", "add", "acme", "www.acme.test")
    for path in catalog.parent.glob("catalog.sqlite3-*"):
        path.unlink()
    catalog.write_bytes(kept)
    assert "restored from an older backup" in acme.refused("audit", "verify")
    assert acme.run("audit", "accept").exit_code == 2
    assert "sound" in acme.done("audit", "accept", "--reason", "restored Friday's backup")
    assert "sound" in acme.done("audit", "verify")
    (event, *_) = json.loads(acme.done("audit", "list", "--json"))
    assert (event["action"], event["detail"]["reason"]) == (
        "audit.accept",
        "restored Friday's backup",
    )
