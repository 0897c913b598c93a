"""What no single tenant shows: the doctor compares two, repeats hooks, and builds eight at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenantry.doctor import Finding, Severity, examine

if TYPE_CHECKING:
    from collections.abc import Mapping

TRAPS = Path(__file__).parent / "traps"
PAGE = Path(__file__).parents[3] / "docs" / "doctor.md"
ROW = re.compile(r"^\| (?P<trap>[^|]+) \| (?P<where>[^|]+) \| `(?P<name>\w+)` \|$", re.MULTILINE)

RUNNING = {
    "engine_listener": ("listeners", "Pool.connect (listener)", "engine_listener.py:14"),
    "log_handler": ("logs", "shop.orders (logger)", "Each build adds a handler"),
    "loggers_switched_off": ("logs", "planted.before (logger)", "switched it off"),
    "same_key": ("keys", "TOKEN_SECRET", "Both tenants have the same one"),
    "shared_file": ("files", "tenantry-doctor-planted-orders.sqlite", "shared_file.py:16"),
    "shared_sessions": ("sessions", "GET /", "cookies (sid"),
    "wiping_provision": ("factory", "several:create_app (provision)", "site.sqlite3: order"),
}
"""For each trap that is found by running it: the check, the subject and what the sentence says."""


@pytest.fixture(scope="module")
def environment() -> Mapping[str, str]:
    """Return what the examined process sees: the planted factories are on its path."""
    return {"PATH": "/usr/bin", "PYTHONPATH": str(TRAPS), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="module")
def found(environment: Mapping[str, str]) -> list[Finding]:
    """Return what is found about the app that has all of them."""
    return examine("several:create_app", environment)


@pytest.mark.parametrize("trap", RUNNING)
def test_a_trap_is_found_by_running_the_app(found: list[Finding], trap: str) -> None:
    """It is named as its author knows it, with file and line where a line does it."""
    check, subject, says = RUNNING[trap]
    alike = [each for each in found if each.check == check and subject in each.subject]
    assert any(says in finding.sentence for finding in alike), (alike, found)
    assert all(finding.severity is not Severity.OK for finding in alike)


def test_builds_that_disturb_each_other(environment: Mapping[str, str]) -> None:
    """One app after another is built without a fault, but a worker builds several at once."""
    found = examine("racing_builds:create_app", environment)
    [finding] = [each for each in found if each.severity is Severity.UNSAFE]
    assert finding.check == "builds"
    assert "RuntimeError: another app is being configured" in finding.sentence


def test_signing_in_opens_what_no_sign_up_does(environment: Mapping[str, str]) -> None:
    """With --login, a member's pages are visited; the token of an API goes with each request."""
    login = "/login name=ada password=secret"
    [pages] = [
        each
        for each in examine("members_only:create_app", environment, login=login)
        if each.check == "pages"
    ]
    assert pages.severity is Severity.OK
    assert "3 of 3 GET routes answered" in pages.sentence
    found = examine("members_only:create_app", environment, login=login.replace("secret", "wrong"))
    assert any("does not sign the visitor of --login in" in each.sentence for each in found)


def test_the_page_has_a_row_for_each_trap() -> None:
    """The table on the page names the planted factory of each row, and how it is found."""
    rows = {match["name"]: match["where"].strip() for match in ROW.finditer(PAGE.read_text())}
    planted = {path.stem for path in TRAPS.glob("*.py")} - {"several", "members_only"}
    assert set(rows) == planted
    for name, where in rows.items():
        runs = name in RUNNING or name == "racing_builds"
        reads = "# trap" in (TRAPS / f"{name}.py").read_text()
        assert where == " and ".join(
            word for word, is_so in (("visits", runs), ("source", reads)) if is_so
        )
