"""``tenantry tenant list``, ``show``, ``suspend`` and ``resume``."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import termios
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog import SYSTEM
from tenantry.settings import get_settings
from tests.tenantry.cli.conftest import PROGRAM

if TYPE_CHECKING:
    from tests.tenantry.cli.conftest import Desk


@pytest.fixture
def three(ready: Desk) -> Desk:
    """Return a platform with three sites."""
    ready.done("tenant", "create", "acme", "--name", "Acme [red]Ltd", "--owner", "ada@x.test")
    ready.done("tenant", "create", "bakery", "--name", "Zoe's")
    ready.done("tenant", "create", "chess", "--name", "\x1b[2JChess")
    ready.done("tenant", "suspend", "bakery", "--reason", "unpaid")
    return ready


def listed(desk: Desk, *words: str) -> list[str]:
    """Return the slugs of a listing."""
    rows: list[dict[str, Any]] = json.loads(desk.done("tenant", "list", "--json", *words))
    return [row["slug"] for row in rows]


def test_list_is_a_plain_table_in_a_pipe(three: Desk) -> None:
    """Nothing is cut, no frame is drawn, and no name can steer the terminal."""
    header, acme, bakery, chess = three.done("tenant", "list").splitlines()
    assert header.split() == ["SLUG", "NAME", "STATE", "OWNER", "URL"]
    assert "Acme [red]Ltd" in acme
    assert "ada@x.test" in acme
    assert "suspended" in bakery
    assert "\x1b" not in chess


def test_json_has_everything(three: Desk) -> None:
    """Programs get every fact, and nothing but JSON."""
    (row,) = json.loads(three.done("tenant", "list", "--search", "acme", "--json"))
    assert row["name"] == "Acme [red]Ltd"
    assert row["owners"] == ["ada@x.test"]
    assert row["url"] == get_settings().url_of("acme.localhost") + "/"
    assert set(row) == {
        "slug", "name", "state", "reason", "url", "hosts", "owners", "plan", "placement",
        "former_placement", "moving_to", "quiet", "settings", "id", "revision", "created_at",
        "purge_at", "purged_at", "message", "reopens_at",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "slugs"),
    [
        pytest.param([], ["acme", "bakery", "chess"], id="all of them"),
        pytest.param(["--search", "ZOE"], ["bakery"], id="by name"),
        pytest.param(["--search", "%"], [], id="no wildcards"),
        pytest.param(["--state", "suspended"], ["bakery"], id="by state"),
        pytest.param(["--state", "archived"], [], id="none"),
        pytest.param(["--sort", "-slug"], ["chess", "bakery", "acme"], id="backwards"),
        pytest.param(["--sort", "-name"], ["bakery", "acme", "chess"], id="by another column"),
        pytest.param(["--size", "2"], ["acme", "bakery"], id="first page"),
        pytest.param(["--size", "2", "--page", "2"], ["chess"], id="second page"),
        pytest.param(["--size", "2", "--all"], ["acme", "bakery", "chess"], id="all pages"),
    ],
)
def test_list_selects(three: Desk, words: list[str], slugs: list[str]) -> None:
    """Search, state, order and paging are the catalog's."""
    assert listed(three, *words) == slugs


def test_page_says_that_there_are_more(three: Desk) -> None:
    """A cut listing says so, but not on stdout."""
    result = three.run("tenant", "list", "--size", "2")
    assert "Page 1 of 2, 3 in all" in result.stderr
    assert "Page" not in result.stdout


def test_all_goes_beyond_a_batch(ready: Desk) -> None:
    """All pages are all tenants, in order, also where they are read in several batches."""
    with ready.catalog as catalog:
        for number in range(505):
            catalog.tenants.add(f"site{number:03}", name="Site", by=SYSTEM)
    assert listed(ready, "--all") == [f"site{number:03}" for number in range(505)]


@pytest.mark.parametrize("words", [["--state", "gone"], ["--sort", "id"], ["--page", "0"]])
def test_wrong_usage(ready: Desk, words: list[str]) -> None:
    """What the help does not offer is wrong usage."""
    assert ready.run("tenant", "list", *words).exit_code == 2


def test_show(three: Desk) -> None:
    """All about one tenant, for people and for programs."""
    text = three.done("tenant", "show", "bakery")
    assert "unpaid" in text
    facts = json.loads(three.done("tenant", "show", "bakery", "--json"))
    assert facts["reason"] == "unpaid"
    assert facts["folder"] == str(get_settings().tenant_dir(facts["id"]))


@pytest.mark.parametrize("command", ["show", "suspend", "resume"])
def test_unknown_tenant_is_one_line(ready: Desk, command: str) -> None:
    """A slug that nobody has is refused."""
    assert "Tenant 'nobody' does not exist." in ready.refused("tenant", command, "nobody")


def test_suspend_and_resume(three: Desk) -> None:
    """Both work, both can be said again, and the reason is kept while it holds."""
    three.done("tenant", "suspend", "acme", "--reason", "spam")
    assert "already" in three.done("tenant", "suspend", "acme")
    with three.catalog as catalog:
        assert (
            catalog.tenants.get_row("acme").tenant.state,
            catalog.tenants.get_row("acme").reason,
        ) == (
            "suspended",
            "spam",
        )
    assert "http://acme.localhost" in three.done("tenant", "resume", "acme")
    assert "already" in three.done("tenant", "resume", "acme")


def test_dry_run_changes_nothing(three: Desk) -> None:
    """A dry run says what would happen, and refuses what would be refused."""
    with three.catalog as catalog:
        epoch = catalog.changes.read_epoch()
        catalog_audit = catalog.audit.list().total
    assert "Would make acme suspended" in three.done("tenant", "suspend", "acme", "--dry-run")
    assert "Would make bakery active" in three.done("tenant", "resume", "bakery", "--dry-run")
    with three.catalog as catalog:
        assert (catalog.changes.read_epoch(), catalog.audit.list().total) == (epoch, catalog_audit)


@pytest.mark.parametrize("extra", [[], ["--dry-run"]], ids=["done", "dry run"])
def test_half_made_site_is_not_let_in(ready: Desk, extra: list[str]) -> None:
    """Resuming is for suspended sites: one without its data would only show errors."""
    with ready.catalog as catalog:
        catalog.tenants.add("half", name="Half", by=SYSTEM)
    assert "cannot become active" in ready.refused("tenant", "resume", "half", *extra)


def on_a_terminal(desk: Desk, *words: str) -> str:
    """Run the installed program on a terminal of 80 columns, and return what appears there."""
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    process = subprocess.Popen(
        [PROGRAM, *words], cwd=desk.folder, stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    shown = b""
    # OSError is how Linux says that nobody writes any more.
    with os.fdopen(controller, "rb", buffering=0) as screen, suppress(OSError):
        while part := screen.read(4096):
            shown += part
    process.wait(30)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())


def test_terminal_shows_a_table_with_nothing_cut(three: Desk) -> None:
    """On a terminal columns are fitted by folding; markup in a name stays what it is."""
    shown = on_a_terminal(three, "tenant", "list")
    assert "Acme [red]Ltd" in shown
    assert "\x1b" not in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_terminal_shows_progress_and_every_bad_line(three: Desk) -> None:
    """The bar and the reports of bad lines do not write over each other."""
    (three.folder / "t.csv").write_text("slug,name,owner_email\nWRONG,W,w@x.test\nok,O,o@x.test\n")
    shown = on_a_terminal(three, "tenant", "create", "--from-file", "t.csv")
    assert "line 2: 'WRONG' cannot name a site" in shown
    assert "1 of 2 tenants were created, 1 refused." in shown
