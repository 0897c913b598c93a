"""``tenantry tenant export`` and ``import``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from tenantry.cli import main
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from tests.tenantry.cli.conftest import Desk


@pytest.fixture
def acme(ready: Desk) -> Desk:
    """Return a platform with a site that has a file."""
    ready.done("tenant", "create", "acme", "--name", "Acme Ltd")
    folder = get_settings().tenant_dir(facts(ready, "acme")["id"])
    (folder / "picture").write_text("a picture")
    return ready


def facts(desk: Desk, slug: str) -> dict[str, Any]:
    """Return all about a tenant."""
    found: dict[str, Any] = json.loads(desk.done("tenant", "show", slug, "--json"))
    return found


def test_out_and_in_again(acme: Desk) -> None:
    """A site becomes a file, and the file another site."""
    told = acme.done("tenant", "export", "acme", "-o", "acme.tenant")
    assert told == "Exported acme to acme.tenant: 0 rows in 0 tables, 2 files.\n"
    told = acme.done("tenant", "import", "acme.tenant", "--slug", "copy", "--owner", "a@x.test")
    assert "http://copy.localhost" in told
    copy = facts(acme, "copy")
    assert (copy["name"], copy["owners"]) == ("Acme Ltd", ["a@x.test"])
    folder = get_settings().tenant_dir(copy["id"])
    assert (folder / "picture").read_text() == "a picture"


def test_dry_run_only_looks(acme: Desk) -> None:
    """It says what is in the file and makes nothing, be it on another platform."""
    acme.done("tenant", "export", "acme", "-o", "acme.tenant")
    told = acme.done("tenant", "import", "acme.tenant", "--slug", "copy", "--dry-run")
    assert "Would import copy: 0 rows in 0 tables, 2 files. The file is sound." in told
    assert "'copy' does not exist" in acme.refused("tenant", "show", "copy")


def test_passphrase_from_a_file_or_from_stdin(acme: Desk) -> None:
    """It is never an argument: every user of the machine could see those."""
    (acme.folder / "secret").write_text("correct horse battery\nsecond line\n")
    acme.done("tenant", "export", "acme", "-o", "acme.tenant", "--passphrase-file", "secret")
    assert b"acme" not in (acme.folder / "acme.tenant").read_bytes()
    words = ["tenant", "import", "acme.tenant", "--slug", "copy"]
    assert acme.run(*words).exit_code == 2  # no terminal to ask on
    (acme.folder / "wrong").write_text("another passphrase")
    assert "passphrase is wrong" in acme.refused(*words, "--passphrase-file", "wrong")
    result = CliRunner().invoke(
        main, [*words, "--passphrase-file", "-"], input="correct horse battery\n"
    )
    assert result.exit_code == 0, result.output


def test_passphrase_is_asked_for_twice(acme: Desk) -> None:
    """Who mistypes it once would never see the data again."""
    words = ["tenant", "export", "acme", "-o", "acme.tenant", "--encrypt"]
    result = CliRunner().invoke(main, words, input="correct horse\ncorrect horse\n")
    assert result.exit_code == 0, result.output
    assert "correct" not in result.output
    assert ", encrypted." in result.output
    short = ["tenant", "export", "acme", "-o", "other", "--encrypt"]
    result = CliRunner().invoke(main, short, input="short\nshort\n")
    assert (result.exit_code, "8 characters" in result.stderr) == (2, True)


def test_refusals_are_one_line(acme: Desk) -> None:
    """Damaged, taken, unknown, unwritable: each says what is wrong."""
    acme.done("tenant", "export", "acme", "-o", "acme.tenant")
    assert "exists already" in acme.refused("tenant", "export", "acme", "-o", "acme.tenant")
    assert "does not exist" in acme.refused("tenant", "export", "nobody", "-o", "x")
    assert "cannot be written" in acme.refused("tenant", "export", "acme", "-o", "no/such/x")
    for extra in ([], ["--dry-run"]):
        assert "exists already" in acme.refused("tenant", "import", "acme.tenant", *extra)
    (acme.folder / "bad").write_bytes((acme.folder / "acme.tenant").read_bytes()[:-1])
    assert "damaged or truncated" in acme.refused("tenant", "import", "bad", "--slug", "copy")
    assert "cannot name a site" in acme.refused("tenant", "import", "acme.tenant", "--slug", "A!")


def test_clone_and_release(acme: Desk) -> None:
    """A clone is told to be quiet, and is released by its own command."""
    assert "Would create copy as a copy of acme" in acme.done(
        "tenant", "clone", "acme", "copy", "--dry-run"
    )
    assert "does not exist" in acme.refused("tenant", "show", "copy")
    assert "quiet until `tenantry tenant release copy`" in acme.done(
        "tenant", "clone", "acme", "copy"
    )
    assert facts(acme, "copy")["quiet"] is True
    assert "active, quiet" in acme.done("tenant", "list")
    for extra in ([], ["--dry-run"]):
        assert "exists already" in acme.refused("tenant", "clone", "acme", "copy", *extra)
    assert "Would release copy." in acme.done("tenant", "release", "copy", "--dry-run")
    assert "is released" in acme.done("tenant", "release", "copy")
    assert "is not quiet" in acme.done("tenant", "release", "copy")
    assert facts(acme, "copy")["quiet"] is False
    assert "quiet" not in acme.done("tenant", "list")
