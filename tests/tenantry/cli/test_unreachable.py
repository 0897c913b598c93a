"""Commands about a tenant whose PostgreSQL server is not there: a sentence, and nothing half done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tenantry.databases.servers import SERVERS

if TYPE_CHECKING:
    from tests.tenantry.cli.conftest import Desk

pytestmark = pytest.mark.postgresql
NOWHERE = "postgresql+psycopg://tenantry:geheim@127.0.0.1:1/sites"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, server_url: str) -> Place:
    """Return where the placement ``main`` is; its server is up."""
    monkeypatch.setenv("TENANTRY_FACTORY", "tenants:create_app")
    made = Place(monkeypatch, server_url)
    made.come_back()
    return made


class Place:
    """A placement that can be made unreachable."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        self._monkeypatch = monkeypatch
        self._url = url

    def come_back(self) -> None:
        """Let the server be where it was."""
        self._point_to(self._url)

    def go_away(self) -> None:
        """Let nobody listen there."""
        self._point_to(NOWHERE)

    def _point_to(self, url: str) -> None:
        SERVERS.clear()
        databases = {"local": "sqlite", "main": url}
        self._monkeypatch.setenv("TENANTRY_DATABASES", json.dumps(databases))


@pytest.fixture
def acme(desk: Desk, place: Place, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a working folder with a tenant on the server, one in a file, and a bundle of each."""
    monkeypatch.setenv("TENANTRY_FACTORY", "tenants:create_app")
    place.come_back()
    desk.prepare()
    desk.done("tenant", "create", "acme", "--placement", "main")
    desk.done("tenant", "create", "globex")
    desk.done("tenant", "export", "acme", "-o", "acme.tenant")
    return desk


COMMANDS = [
    pytest.param(("tenant", "create", "bolt", "--placement", "main"), id="create"),
    pytest.param(("tenant", "clone", "acme", "bolt"), id="clone"),
    pytest.param(
        ("tenant", "import", "acme.tenant", "--slug", "bolt", "--placement", "main"), id="import"
    ),
    pytest.param(("tenant", "export", "acme", "-o", "again.tenant"), id="export"),
    pytest.param(("backup", "acme", "--to", "backups"), id="backup"),
    pytest.param(("restore", "acme", "--from", "acme.tenant"), id="restore"),
    pytest.param(("tenant", "delete", "acme", "--yes"), id="delete"),
]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_is_refused_and_then_works(
    acme: Desk, place: Place, words: tuple[str, ...]
) -> None:
    """It names the placement or the address, and no password; the same words work afterwards."""
    place.go_away()
    result = acme.run(*words)
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    said = result.stderr
    assert "refused" in said
    assert "'main'" in said or "127.0.0.1" in said
    assert "geheim" not in said
    assert "Traceback" not in said
    assert "bolt" not in acme.done("tenant", "list")
    assert not (acme.folder / "again.tenant").exists()
    place.come_back()
    acme.done(*words)


def test_neighbours_are_backed_up_all_the_same(acme: Desk, place: Place) -> None:
    """One server that is down keeps no other tenant from its backup; the exit code tells."""
    place.go_away()
    result = acme.run("backup", "--all")
    assert result.exit_code == 1
    assert "1 were backed up, 1 were not" in result.stderr
    assert "globex" in acme.done("backup", "list")


def test_a_purge_goes_on_when_the_server_is_back(acme: Desk, place: Place) -> None:
    """Nothing is marked as purged while its database cannot be looked for."""
    acme.done("tenant", "delete", "acme", "--yes")
    place.go_away()
    result = acme.run("tenant", "purge", "acme", "--early", "--yes")
    assert result.exit_code == 1
    assert "'main' does not answer" in result.stderr
    place.come_back()
    acme.done("tenant", "purge", "acme", "--early", "--yes")


def test_placements_that_are_named_no_more_are_told(
    acme: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tenantry doctor` says how many tenants live there, and what to do."""
    monkeypatch.setenv("TENANTRY_DATABASES", '{"local": "sqlite"}')
    result = acme.run("doctor", "--only", "machine")
    assert result.exit_code == 1
    said = " ".join(result.stdout.split())
    assert "does not name the placement 'main', where 1 tenant lives" in said
