"""What belongs to one node is served, copied and destroyed there, and nowhere else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import make_url

from tenantry.catalog import SYSTEM, JobState
from tenantry.lifecycle import Operations

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fleet.node import Node

    NewNode = Callable[..., Node]

OTHER_KEYS = "fedcba9876543210" * 4


def execute(url: str, statement: str) -> None:
    """Run a statement on the catalog, as nobody but a test does."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        connection.execute(statement.encode())


def test_files_of_one_node_are_touched_by_no_other(make_node: NewNode, tmp_path: Path) -> None:
    """Host name, settings and path do not make two nodes one: the id does, and the refusal names it."""
    one, two = make_node("one"), make_node("two")
    one.run("init", "--no-link")
    one.run("tenant", "create", "acme", "--name", "Acme")
    one.run("backup", "acme")
    two.run("init", "--no-link")
    owner = (one.data / "node_id").read_text()[:8]
    assert owner != (two.data / "node_id").read_text()[:8]

    for command in (
        ("tenant", "create", "globex", "--name", "Globex"),
        ("tenant", "create", "globex", "--name", "Globex", "--placement", "local"),
        ("tenant", "clone", "acme", "globex"),
        ("tenant", "export", "acme", "-o", str(tmp_path / "bundle")),
        ("tenant", "delete", "acme", "--yes"),
        ("tenant", "check", "acme"),
        ("backup", "acme"),
        ("restore", "acme"),
        ("flask", "acme", "routes"),
    ):
        line = two.refused(*command)
        assert owner in line, f"{command}: {line}"
        assert "Run the command there" in line
    one.run("tenant", "delete", "acme", "--yes")
    line = two.refused("tenant", "purge", "acme", "--early", "--yes")
    assert owner in line
    assert two.tenant_files() == []
    assert one.tenant_files() != []
    one.run("tenant", "purge", "acme", "--early", "--yes")
    assert one.tenant_files() == []


def test_a_site_is_served_by_its_node_alone(make_node: NewNode) -> None:
    """The other node answers 503 with a sentence, on the site's host; its own sites it serves."""
    databases = '{{"{}": "sqlite"}}'
    one = make_node("one", TENANTRY_DATABASES=databases.format("west"))
    both = '{"east": "sqlite", "west": "sqlite"}'
    two = make_node("two", TENANTRY_DATABASES=both)
    one.run("init", "--no-link")
    one.run("tenant", "create", "acme", "--name", "Acme")
    two.run("init", "--no-link")
    two.run("tenant", "create", "globex", "--name", "Globex")
    assert json.loads(two.run("tenant", "show", "globex", "--json"))["placement"] == "east"
    with two:
        answer = two.site("acme")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
        assert "another server" in answer.text
        assert two.site("globex").status == 200
    with one:
        assert one.site("acme").status == 200


def test_other_secret_keys_are_told_at_the_start(make_node: NewNode) -> None:
    """A node with keys of its own could read nobody's session; it says so, and changes nothing."""
    one = make_node("one")
    two = make_node("two", TENANTRY_SECRET_KEYS=OTHER_KEYS)
    one.run("init", "--no-link")
    line = two.refused("init", "--no-link")
    assert "secret keys of this node" in line
    assert "init --accept-keys" in line
    assert "secret keys" in two.refused("tenant", "list")

    # Keys are exchanged as on one machine: the new one in front, the old one still there.
    three = make_node("three", TENANTRY_SECRET_KEYS=f"{OTHER_KEYS},{'0123456789abcdef' * 4}")
    three.run("init", "--no-link")
    assert "secret keys" in one.refused("tenant", "list")
    two.run("tenant", "list")
    one.run("init", "--accept-keys", "--no-link")
    one.run("tenant", "list")


def test_nodes_that_share_files_serve_the_same_tenants(
    make_node: NewNode, server_url: str, tmp_path: Path
) -> None:
    """Tenants on a server belong to who has their files: to one node, or to all that share them."""
    databases = json.dumps({"main": server_url})
    shared = tmp_path / "shared"
    one = make_node("one", TENANTRY_DATABASES=databases, TENANTRY_FILES_DIR=str(shared))
    two = make_node("two", TENANTRY_DATABASES=databases, TENANTRY_FILES_DIR=str(shared))
    apart = make_node("apart", TENANTRY_DATABASES=databases)
    for node in (one, two, apart):
        node.run("init", "--no-link")
    one.run("tenant", "create", "acme", "--name", "Acme")
    folder = one.settings.tenant_dir(one.catalog.tenants.get("acme").id)
    assert folder.is_relative_to(shared)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "photo.jpg").write_bytes(b"a photo")

    line = apart.refused("backup", "acme")
    assert (one.data / "node_id").read_text()[:8] in line
    two.run("backup", "acme")
    (folder / "photo.jpg").unlink()
    one.run("restore", "acme")
    assert (folder / "photo.jpg").read_bytes() == b"a photo"
    two.run("tenant", "delete", "acme", "--yes")
    one.run("tenant", "purge", "acme", "--early", "--yes")
    assert not folder.exists()


def test_a_lost_node_s_placement_is_taken_over(make_node: NewNode, catalog_url: str) -> None:
    """Not while the node lives; afterwards the old node is the one that is refused."""
    one, two = make_node("one"), make_node("two")
    for node in (one, two):
        node.run("init", "--no-link")
    execute(catalog_url, "UPDATE nodes SET seen_at = clock_timestamp()")
    assert "was seen" in two.refused("fleet", "take", "local")
    execute(catalog_url, "UPDATE nodes SET seen_at = clock_timestamp() - interval '1 hour'")
    assert "would belong" in two.run("fleet", "take", "local", "--dry-run")
    assert "belongs to this node" in two.run("fleet", "take", "local")
    two.run("tenant", "create", "acme", "--name", "Acme")
    assert "Run the command there" in one.refused("backup", "acme")
    shown = json.loads(one.run("fleet", "status", "--json"))
    assert [(node["here"], node["owns"]) for node in shown] == [
        (True, []),
        (False, ["local"]),
    ]
    assert "placement.take" in one.run("audit", "list")


def test_a_tenant_s_jobs_are_run_by_its_node(make_node: NewNode, catalog_url: str) -> None:
    """The daily backup runs on any node, and misses nobody: what is elsewhere is left to its node."""
    one, two = make_node("one"), make_node("two")
    one.run("init", "--no-link")
    one.run("tenant", "create", "acme", "--name", "Acme")
    two.run("init", "--no-link")
    Operations(two.catalog, settings=two.settings, actor=SYSTEM).start("backup_all")
    two.run("work", "--until-empty")
    states = {job.name: job.state for job in two.catalog.jobs.list().items}
    assert states == {"operations.backup_all": JobState.DONE, "operations.backup": JobState.QUEUED}
    assert not list(two.data.glob("backups/*/*"))
    one.run("work", "--until-empty")
    assert {job.state for job in one.catalog.jobs.list().items} == {JobState.DONE}
    assert len(list(one.data.glob("backups/*/*.tenant"))) == 1
