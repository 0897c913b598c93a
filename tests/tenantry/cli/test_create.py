"""``tenantry tenant create``: one, many, all or nothing."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tenantry.lifecycle.tenant_file import TenantFileError, read_lines
from tenantry.settings import get_settings
from tenantry.values.tenant import TenantState
from tests.tenantry.cli.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tenantry.cli.conftest import Desk

HEADER = "slug,name,owner_email\n"
GOOD = "one,The One,ada@example.com\ntwo,,bob@example.com\n"


def write(desk: Desk, text: str | bytes) -> str:
    """Write the CSV file and return its name."""
    data = text if isinstance(text, bytes) else text.encode()
    (desk.folder / "tenants.csv").write_bytes(data)
    return "tenants.csv"


def slugs(desk: Desk) -> list[str]:
    """Return the active tenants; no other may be there."""
    with desk.catalog as catalog:
        counts = catalog.tenants.count_by_state()
        assert sum(counts.values()) == counts[TenantState.ACTIVE]
        return [row.tenant.slug for row in catalog.tenants.list(size=1000).items]


def folders(desk: Desk) -> int:
    """Return how many tenants have data."""
    return len(list((desk.folder / "var" / "tenants").glob("t_*")))


def test_one_tenant(ready: Desk) -> None:
    """It can be visited, belongs to its owner, and the audit trail knows who made it."""
    text = ready.done("tenant", "create", "acme", "--name", "Acme Ltd", "--owner", "Ada@Acme.test")
    assert f"Created acme: {get_settings().url_of('acme.localhost')}/\n" in text
    assert "`tenantry account link ada@acme.test`" in text
    with ready.catalog as catalog:
        row = catalog.tenants.get_row("acme")
        event = catalog.audit.list(tenant_id=row.tenant.id).items[0]
    assert (row.tenant.name, row.tenant.plan, row.owners) == (
        "Acme Ltd",
        "free",
        ("ada@acme.test",),
    )
    assert (event.actor_kind, event.action) == ("cli", "tenant.state")
    assert event.actor


def test_slug_alone_is_enough(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slug is its name until somebody gives it one; the plan can be chosen."""
    monkeypatch.setenv("TENANTRY_LIMIT_PLANS", '{"free": {}, "pro": {}}')
    ready.done("tenant", "create", "acme", "--plan", "pro")
    with ready.catalog as catalog:
        tenant = catalog.tenants.get("acme")
    assert (tenant.name, tenant.plan) == ("acme", "pro")


def test_placements(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant goes where it is told, or to the first placement with room; or nowhere."""
    places = {name: {"url": "sqlite", "tenants": size} for name, size in (("one", 1), ("two", 2))}
    monkeypatch.setenv("TENANTRY_DATABASES", json.dumps(places))
    ready.done("tenant", "create", "first")
    ready.done("tenant", "create", "second")
    ready.done("tenant", "create", "third", "--placement", "one")
    ready.done(
        "tenant", "create", "--from-file", write(ready, f"{HEADER}fourth,,ada@example.com\n")
    )
    full = ready.refused("tenant", "create", "fifth")
    unknown = ready.refused("tenant", "create", "sixth", "--placement", "three")
    with ready.catalog as catalog:
        found = {slug: catalog.tenants.get(slug).placement for slug in slugs(ready)}

    assert found == {"first": "one", "second": "two", "third": "one", "fourth": "two"}
    assert "No placement has room for one more tenant (one, two)" in full
    assert "no placement 'three'; TENANTRY_DATABASES names one, two" in unknown


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["Acme"], "cannot name a site", id="bad slug"),
        pytest.param(["www"], "keeps this name for itself", id="reserved"),
        pytest.param(["taken"], "exists already", id="taken"),
        pytest.param(["acme", "--owner", "ada"], "not an e-mail address", id="bad address"),
        pytest.param(["broken-disk"], "RuntimeError: the disk is full", id="no data"),
    ],
)
def test_refusal_leaves_nothing(ready: Desk, words: list[str], sentence: str) -> None:
    """Whatever goes wrong: one line, and neither a row nor a folder stays."""
    ready.done("tenant", "create", "taken")
    assert sentence in ready.refused("tenant", "create", *words)
    assert slugs(ready) == ["taken"]
    assert folders(ready) == 1


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([], id="nothing"),
        pytest.param(["acme", "--from-file", "tenants.csv"], id="both"),
        pytest.param(["--from-file", "tenants.csv", "--owner", "a@b.test"], id="owner of a file"),
        pytest.param(["acme", "--all-or-nothing"], id="all of one"),
        pytest.param(["--from-file", "missing.csv"], id="no such file"),
    ],
)
def test_wrong_usage(ready: Desk, words: list[str]) -> None:
    """What cannot be meant is wrong usage, before anything is done."""
    write(ready, HEADER + GOOD)
    assert ready.run("tenant", "create", *words).exit_code == 2
    assert slugs(ready) == []


@pytest.mark.parametrize("extra", [[], ["--all-or-nothing"]], ids=["each", "all"])
def test_file(ready: Desk, extra: list[str]) -> None:
    """Every line becomes a site; an empty name is the slug."""
    name = write(ready, HEADER + GOOD)
    assert "Created 2 tenants." in ready.done("tenant", "create", "--from-file", name, *extra)
    assert slugs(ready) == ["one", "two"]
    assert folders(ready) == 2
    with ready.catalog as catalog:
        row = catalog.tenants.get_row("one")
        assert (row.tenant.name, row.owners) == ("The One", ("ada@example.com",))
        assert catalog.tenants.get("two").name == "two"
        assert catalog.audit.verify().first_bad is None


BAD = (
    HEADER
    + "one,One,ada@example.com\n"
    + "Two,Two,bob@example.com\n"
    + "\n"
    + '"thr\nee",Three,cy@example.com\n'
    + "www,Four,dee@example.com\n"
    + "one,Five,eve@example.com\n"
    + "six,Six,fay\n"
    + "seven,Seven,\n"
    + "eight,Eight,hal@example.com,more\n"
    + "nine,Nine,ida@example.com\n"
)
NUMBERS = [3, 5, 7, 8, 9, 10, 11]
"""First lines of the bad records of :data:`BAD`; the fourth one is empty, the fifth goes on."""


def told(text: str) -> list[int]:
    """Return the line numbers in a report."""
    lines = [line for line in text.splitlines() if line.startswith("line ")]
    return [int(line.split()[1].rstrip(":")) for line in lines]


def test_bad_lines_are_told_and_good_ones_kept(ready: Desk) -> None:
    """Each bad line is told with number and reason; the exit code says that there were some."""
    result = ready.run("tenant", "create", "--from-file", write(ready, BAD))
    assert result.exit_code == 1
    assert told(result.stderr) == NUMBERS
    assert "Error: 2 of 9 tenants were created, 7 refused." in result.stderr
    assert slugs(ready) == ["nine", "one"]


def test_all_or_nothing_checks_first(ready: Desk) -> None:
    """With one bad line nothing is made, and all bad lines are told, not only the first."""
    ready.done("tenant", "create", "nine")
    result = ready.run("tenant", "create", "--all-or-nothing", "--from-file", write(ready, BAD))
    assert result.exit_code == 1
    assert told(result.stderr) == [*NUMBERS, 12]
    assert "is on line 2 already" in result.stderr
    assert "Nothing was created: 8 of 9 lines are invalid." in result.stderr
    assert slugs(ready) == ["nine"]
    assert folders(ready) == 1


def test_all_or_nothing_takes_back(ready: Desk) -> None:
    """A failure in the middle takes back what was made before it: rows, folders, accounts."""
    name = write(ready, HEADER + GOOD + "broken-disk,B,b@example.com\nlast,L,l@example.com\n")
    line = ready.refused("tenant", "create", "--all-or-nothing", "--from-file", name)
    assert "Nothing was created. Tenant 'broken-disk'" in line
    assert slugs(ready) == []
    assert folders(ready) == 0
    with ready.catalog as catalog:
        assert catalog.accounts.find("ada@example.com") is None
    ready.done("tenant", "create", "one")  # the names are free again


def test_failure_of_one_keeps_the_others(ready: Desk) -> None:
    """Without --all-or-nothing a site that cannot be provisioned is only its own problem."""
    name = write(ready, HEADER + "broken-disk,B,b@example.com\n" + GOOD)
    result = ready.run("tenant", "create", "--from-file", name)
    assert told(result.stderr) == [2]
    assert slugs(ready) == ["one", "two"]


def test_log_gets_a_line_now_and_then(ready: Desk) -> None:
    """Long work shows plain lines where there is no terminal."""
    rows = "".join(f"site{n},Site,o{n % 7}@example.com\n" for n in range(250))
    name = write(ready, HEADER + rows)
    result = ready.run("tenant", "create", "--all-or-nothing", "--from-file", name)
    lines = [line.partition(", ") for line in result.stderr.splitlines()]
    assert [line[0] for line in lines] == ["Preparing: 100 of 250", "Preparing: 200 of 250"]
    assert all(re.fullmatch(r"\d+ a second, \d+ s left", line[2]) for line in lines)
    assert len(slugs(ready)) == 250


def test_byte_order_mark_and_column_order_do_not_matter(tmp_path: Path) -> None:
    """Spreadsheets put a mark in front, CRLF behind, and columns where they were dragged."""
    path = tmp_path / "tenants.csv"
    path.write_bytes(b"\xef\xbb\xbfname, owner_email,slug\r\nTh\xc3\xa9,a@b.test,the\r\n")
    (line,) = read_lines(path, plan="pro")
    order = line.get_order()
    assert (order.slug, order.name, order.owner_email, order.plan) == (
        "the",
        "Thé",
        "a@b.test",
        "pro",
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(b"", "missing 'slug', 'name', 'owner_email'", id="empty"),
        pytest.param(b"slug,name\na,A\n", "missing 'owner_email'", id="missing"),
        pytest.param(b"slug,name,owner_email,plan\n", "unknown 'plan'", id="extra"),
        pytest.param(b"slug,name,mail\n", "missing 'owner_email'; unknown 'mail'", id="misspelt"),
        pytest.param(b"slug,name,owner_email,slug\n", "twice 'slug'", id="twice"),
        pytest.param(b"slug;name;owner_email\n", "missing", id="other separator"),
        pytest.param(b"a,A,a@b.test\n", "missing", id="no header"),
        pytest.param(
            b"slug,name,owner_email\na,\xe9,a@b.test\n", "not UTF-8 at byte 24", id="Latin-1"
        ),
        pytest.param(b'slug,name,owner_email\na,"A"x,a@b.test\n', "line 2 is not CSV", id="quotes"),
    ],
)
def test_unusable_file_creates_nothing(ready: Desk, content: bytes, sentence: str) -> None:
    """A file that is not what it should be is refused as a whole, before anything is created."""
    line = ready.refused("tenant", "create", "--from-file", write(ready, content))
    assert sentence in line
    assert "Nothing was created." in line
    assert slugs(ready) == []


def test_unreadable_file(tmp_path: Path) -> None:
    """A file that vanishes between look and read is told by the system's reason."""
    with pytest.raises(TenantFileError, match="No such file"):
        read_lines(tmp_path / "gone.csv")


def test_a_killed_creation_is_finished_by_the_same_command(ready: Desk) -> None:
    """Its row and its data are half-made; they are no obstacle, and nobody else's."""
    wait = ready.folder / "var" / "wait"
    wait.touch()
    process = ready.start("tenant", "create", "acme", "--name", "Before")
    until(lambda: folders(ready) == 1, why=lambda: ready.log)
    assert "exists already" in ready.refused("tenant", "create", "acme"), "it is being created"
    process.kill()
    process.wait(30)
    wait.unlink()

    ready.done("tenant", "create", "acme", "--name", "After")
    assert slugs(ready) == ["acme"]
    assert folders(ready) == 1
    with ready.catalog as catalog:
        assert catalog.tenants.get("acme").name == "After"
        assert catalog.tenants.get_row("acme").reason == ""


def test_a_killed_file_is_finished_by_the_same_command(ready: Desk) -> None:
    """All or nothing also means: all, once it is said again."""
    write(ready, HEADER + GOOD)
    wait = ready.folder / "var" / "wait"
    wait.touch()
    words = ("tenant", "create", "--from-file", "tenants.csv", "--all-or-nothing")
    process = ready.start(*words)
    until(lambda: folders(ready) == 1, why=lambda: ready.log)
    process.kill()
    process.wait(30)
    wait.unlink()

    assert ready.done(*words) == "Created 2 tenants.\n"
    assert slugs(ready) == ["one", "two"]
    assert folders(ready) == 2


def test_what_somebody_else_prepares_is_not_taken_over(ready: Desk) -> None:
    """A tenant in state *provisioning* may be an import that runs: only our own are begun anew."""
    with ready.catalog as catalog:
        catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    assert "exists already" in ready.refused("tenant", "create", "acme")
