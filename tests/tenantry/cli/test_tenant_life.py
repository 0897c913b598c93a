"""``tenantry tenant rename``, ``archive``, ``delete``, ``undelete`` and ``purge``."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tenantry.settings import get_settings
from tests.tenantry.cli.conftest import PROGRAM

if TYPE_CHECKING:
    from tests.tenantry.cli.conftest import Desk


@pytest.fixture
def two(ready: Desk) -> Desk:
    """Return a platform with two sites."""
    ready.done("tenant", "create", "acme", "--owner", "ada@x.test")
    ready.done("tenant", "create", "bakery")
    return ready


# --- rename -------------------------------------------------------------------------------------


def test_rename_says_the_new_address(two: Desk) -> None:
    """And for how long the old one leads there; said again, that it is done."""
    text = two.done("tenant", "rename", "acme", "acme-ltd")
    assert "http://acme-ltd.localhost" in text
    assert "90 days" in text
    assert "already" in two.done("tenant", "rename", "acme", "acme-ltd")
    assert "already" in two.done("tenant", "rename", "acme-ltd", "acme-ltd")


def test_rename_dry_run(two: Desk) -> None:
    """It says what would happen, and refuses what would be refused."""
    with two.catalog as catalog:
        epoch, events = catalog.changes.read_epoch(), catalog.audit.list().total
    assert "Would rename acme to bolt" in two.done("tenant", "rename", "acme", "bolt", "--dry-run")
    assert "bakery" in two.refused("tenant", "rename", "acme", "bakery", "--dry-run")
    with two.catalog as catalog:
        assert (catalog.changes.read_epoch(), catalog.audit.list().total) == (epoch, events)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["nobody", "bolt"], "'nobody' does not exist", id="unknown"),
        pytest.param(["acme", "bakery"], "'bakery' exists already", id="taken"),
        pytest.param(["acme", "www"], "'www' cannot name a site", id="reserved"),
        pytest.param(["acme", "Bolt"], "'Bolt' cannot name a site", id="against the rule"),
    ],
)
def test_rename_refuses(two: Desk, words: list[str], sentence: str) -> None:
    """One line that names what is wrong."""
    assert sentence in two.refused("tenant", "rename", *words)


def test_a_former_name_is_told_to_whoever_uses_it(two: Desk) -> None:
    """Commands do not follow it silently, but say the new one; show lists it; none gets it."""
    two.done("tenant", "rename", "acme", "bolt")
    for command in ("show", "suspend"):
        assert "renamed to 'bolt'" in two.refused("tenant", command, "acme")
    assert "renamed to 'bolt'" in two.refused("tenant", "rename", "acme", "coil")
    assert "'acme' was another tenant's and stays reserved" in two.refused(
        "tenant", "create", "acme"
    )
    (name,) = json.loads(two.done("tenant", "show", "bolt", "--json"))["former_names"]
    assert name["slug"] == "acme"
    assert "acme (redirects until 20" in two.done("tenant", "show", "bolt")


def test_a_file_with_a_former_name_is_refused_as_a_whole(two: Desk) -> None:
    """Checking the file finds reserved names before anything is made."""
    two.done("tenant", "rename", "acme", "bolt")
    file = two.folder / "sites.csv"
    file.write_text("slug,name,owner_email\nnew,New,a@x.test\nacme,Acme,b@x.test\n")
    result = two.run("tenant", "create", "--from-file", str(file), "--all-or-nothing")

    assert result.exit_code == 1
    assert "'acme' was another tenant's and stays reserved" in result.stderr
    with two.catalog as catalog:
        assert catalog.tenants.find("new") is None


def test_without_days_the_old_address_is_closed(two: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting decides, and the command says so."""
    monkeypatch.setenv("TENANTRY_RENAME_REDIRECT_DAYS", "0")
    assert "old address is closed" in two.done("tenant", "rename", "acme", "bolt")
    assert "acme (reserved)" in two.done("tenant", "show", "bolt")


# --- archive, delete, undelete, purge -----------------------------------------------------------


def state_of(desk: Desk, slug: str = "acme") -> str:
    """Return the state that the catalog has."""
    with desk.catalog as catalog:
        return catalog.tenants.get(slug).state.value


def test_archive_and_resume(two: Desk) -> None:
    """Both can be said again; the dry run changes nothing."""
    assert "Would archive acme" in two.done("tenant", "archive", "acme", "--dry-run")
    assert state_of(two) == "active"
    assert "410" in two.done("tenant", "archive", "acme", "--reason", "season over")
    assert "already" in two.done("tenant", "archive", "acme")
    assert "served again" in two.done("tenant", "resume", "acme")
    assert state_of(two) == "active"


def test_many_tenants_at_once(two: Desk) -> None:
    """The dry run says to how many; another number adds no job, and the right one adds one."""
    words = ["tenant", "bulk", "suspend", "--search", "acme", "--set", "reason=unpaid"]
    text = two.done(*words, "--dry-run")
    assert "Would suspend 1 tenant (“acme”)." in text
    assert "Would make acme suspended; it is active." in text
    assert "1 match by now" in two.refused(*words, "--count", "2")
    assert "Job 1 does it." in two.done(*words, "--count", "1")
    with two.catalog as catalog:
        (job,) = catalog.jobs.list().items
    assert job.arguments == {
        "operation": "suspend",
        "sites": "“acme”",
        "options": {"reason": "unpaid"},
    }
    assert state_of(two) == "active"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["suspend"], "Give --dry-run first"),
        (["suspend", "--dry-run", "--count", "1"], "Give --dry-run first"),
        (["plan", "--dry-run"], "plan needs --set new=VALUE"),
        (["suspend", "--dry-run", "--set", "colour=red"], "it takes reason"),
        (["backup", "--dry-run", "--set", "keep=few"], "not a whole number"),
        (["maintenance", "--dry-run", "--set", "until=soon"], "is not a time"),
    ],
)
def test_many_tenants_wrongly_asked_for(two: Desk, words: list[str], told: str) -> None:
    """It is wrong usage, with what to write instead."""
    done = two.run("tenant", "bulk", *words)
    assert done.exit_code == 2
    assert told in " ".join(done.stderr.split())


def test_delete_says_what_would_go(two: Desk) -> None:
    """Law 12: every place with its size, and where the bundle would be; nothing is changed."""
    with two.catalog as catalog:
        tenant = catalog.tenants.get("acme")
    (get_settings().tenant_dir(tenant.id) / "cat.png").write_bytes(b"cat" * 1000)
    text = two.done("tenant", "delete", "acme", "--dry-run")
    assert str(get_settings().last_bundle(tenant.id)) in text
    assert f"its folder {get_settings().tenant_dir(tenant.id)}" in text
    assert ", 2.9 KiB" in text
    assert "1 membership in the catalog" in text
    assert state_of(two) == "active"


def test_delete_undelete_delete_purge(two: Desk) -> None:
    """The whole way: with a bundle, back once, and at last for ever."""
    assert "undeleted until" in two.done("tenant", "delete", "acme", "--yes")
    with two.catalog as catalog:
        tenant = catalog.tenants.get("acme")
    bundle = get_settings().last_bundle(tenant.id)
    assert bundle.stat().st_mode & 0o777 == 0o600
    assert "already" in two.done("tenant", "delete", "acme", "--yes")
    assert "until 20" in two.done("tenant", "list", "--state", "deleted")
    assert "Purge at" in two.done("tenant", "show", "acme")
    assert "Would make acme archived" in two.done("tenant", "undelete", "acme", "--dry-run")
    assert "archived again" in two.done("tenant", "undelete", "acme")
    assert "already" in two.done("tenant", "undelete", "acme")

    two.done("tenant", "delete", "acme", "--yes")
    assert "can be undeleted until" in two.refused("tenant", "purge", "acme", "--yes")
    dry = two.done("tenant", "purge", "acme", "--early", "--dry-run")
    assert str(bundle) in dry
    assert bundle.exists()
    assert "only its names" in two.done("tenant", "purge", "acme", "--early", "--yes")
    assert not bundle.exists()
    assert not get_settings().tenant_dir(tenant.id).exists()
    assert "purged already" in two.done("tenant", "purge", "acme", "--yes")
    assert "purged 20" in two.done("tenant", "list", "--state", "deleted")
    assert "purge date" in two.refused("tenant", "undelete", "acme")
    assert "stays reserved" in two.refused("tenant", "create", "acme")
    (row,) = json.loads(two.done("tenant", "list", "--state", "deleted", "--json"))
    assert row["purged_at"]
    assert row["owners"] == []


def test_a_deleted_site_s_bundle_makes_a_new_one(two: Desk) -> None:
    """What was deleted by mistake is in the bundle also when nobody remembers undelete."""
    two.done("tenant", "delete", "acme", "--yes")
    with two.catalog as catalog:
        bundle = get_settings().last_bundle(catalog.tenants.get("acme").id)
    two.done("tenant", "import", str(bundle), "--slug", "acme-2")
    assert state_of(two, "acme-2") == "active"


def test_purge_due(two: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """For cron: what is due and nothing else, one line for each."""
    assert two.done("tenant", "purge", "--due", "--yes") == "Nothing is due.\n"
    two.done("tenant", "delete", "bakery", "--yes")
    monkeypatch.setenv("TENANTRY_PURGE_DAYS", "0")
    two.done("tenant", "delete", "acme", "--yes")
    assert "Would purge acme" in two.done("tenant", "purge", "--due", "--dry-run")
    assert "give --yes to purge 1 tenant." in two.refused("tenant", "purge", "--due")
    out = two.done("tenant", "purge", "--due", "--yes")
    assert out == "acme is purged; only its names and its audit trail remain.\n"
    assert two.done("tenant", "purge", "--due", "--yes") == "Nothing is due.\n"
    assert "undeleted until" in two.done("tenant", "delete", "bakery", "--yes")


def test_what_is_left_is_exit_1(two: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 12: one line names it, and the others are purged all the same."""
    monkeypatch.setenv("TENANTRY_PURGE_DAYS", "0")
    for slug in ("acme", "bakery"):
        two.done("tenant", "delete", slug, "--yes")
    with two.catalog as catalog:
        folder = get_settings().tenant_dir(catalog.tenants.get("acme").id)
    folder.rename(two.folder / "elsewhere")
    folder.symlink_to(two.folder / "elsewhere")
    result = two.run("tenant", "purge", "--due", "--yes")

    assert result.exit_code == 1
    assert "bakery is purged" in result.stdout
    assert result.stderr.count("\n") == 1
    assert str(folder) in result.stderr


@pytest.mark.parametrize("command", ["delete", "purge"])
def test_nothing_is_destroyed_unasked(two: Desk, command: str) -> None:
    """Law 12: without a terminal nobody can be asked, so --yes has to be given."""
    if command == "purge":
        two.done("tenant", "delete", "acme", "--yes")
    before = state_of(two)
    options = ["--early"] if command == "purge" else []
    assert "give --yes" in two.refused("tenant", command, "acme", *options)
    assert state_of(two) == before


@pytest.mark.parametrize("words", [[], ["acme", "--due"], ["--due", "--early"]])
def test_purge_needs_one_way_to_say_what(two: Desk, words: list[str]) -> None:
    """A slug or what is due."""
    assert two.run("tenant", "purge", *words).exit_code == 2


def typed(desk: Desk, text: str, *words: str) -> str:
    """Run the program on a terminal where somebody types *text*, and return what appears there."""
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, *words], cwd=desk.folder, stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    os.write(controller, f"{text}\n".encode())
    shown = b""
    # OSError is how Linux says that nobody writes any more.
    with os.fdopen(controller, "rb", buffering=0) as screen, suppress(OSError):
        while part := screen.read(4096):
            shown += part
    process.wait(30)
    return shown.decode()


def test_on_a_terminal_the_slug_is_typed(two: Desk) -> None:
    """A slip of the finger deletes nothing; the slug does."""
    assert "Nothing was done" in typed(two, "y", "tenant", "delete", "acme")
    assert state_of(two) == "active"
    assert "acme is deleted" in typed(two, "acme", "tenant", "delete", "acme")
    assert state_of(two) == "deleted"
