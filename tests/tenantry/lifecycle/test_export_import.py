"""A tenant goes into a file, and comes out of it as another one."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import tarfile
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from tenantry.bundles import archive
from tenantry.bundles.archive import check_bundle
from tenantry.catalog import SYSTEM, Catalog
from tenantry.databases.placements import tenant_database
from tenantry.errors import BundleError, TenantExistsError
from tenantry.factory import Factory
from tenantry.lifecycle import Operations
from tenantry.migrations import provision_database
from tenantry.security.keys import keys_of
from tenantry.values.tenant import TenantState
from tests.tenantry.lifecycle import ledger
from tests.tenantry.migrations.support import NAME, PEOPLE, write_revisions
from tests.tenantry.support import hello, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

SECRET = b"correct horse battery staple"


@pytest.fixture
def settings(make_settings: Callable[..., Settings], any_placement: dict[str, Any]) -> Settings:
    """Return settings with a plan of their own; tenants live on each kind of placement in turn."""
    return make_settings(databases=any_placement, limit_plans={"gold": {}})


@pytest.fixture
def acme(catalog: Catalog, settings: Settings) -> Tenant:
    """Return a site with rows of every type, files and a host of its own."""
    made = ledger.operations(catalog, settings).create(
        "acme", name="Acme Ltd", plan="gold", site_settings={"tagline": "Anvils"}
    )
    ledger.write(made, settings)
    return catalog.hosts.add(made.id, "www.acme.org", proof="operator", by=SYSTEM)


@pytest.fixture
def bundle(acme: Tenant, catalog: Catalog, settings: Settings, tmp_path: Path) -> Path:
    """Return the site in a file."""
    path = tmp_path / "acme.tar.zst"
    ledger.operations(catalog, settings).export("acme", path)
    return path


def bring_in(catalog: Catalog, settings: Settings, path: Path, **options: Any) -> Tenant:
    """Import a bundle."""
    revision = options.pop("revision", "0002")
    return ledger.operations(catalog, settings, revision=revision).import_(path, **options)


def left(catalog: Catalog, settings: Settings) -> tuple[list[str], list[str]]:
    """Return which tenants and which folders there are, scratch included."""
    slugs = [row.tenant.slug for row in catalog.tenants.list().items]
    folders = sorted(
        path.name
        for name in ("tenants", "scratch")
        for path in (settings.data_dir / name).glob("*")
    )
    return slugs, folders


def test_everything_comes_back(
    acme: Tenant, bundle: Path, catalog: Catalog, settings: Settings
) -> None:
    """R42: rows of every type, files and settings; under another id, with other keys.

    The plan is the platform's to give: what the file says of it is not asked.
    """
    copy = bring_in(catalog, settings, bundle, slug="copy", owner_email="ada@example.com")
    assert ledger.read(copy, settings) == ledger.read(acme, settings)
    assert ledger.read(copy, settings)["person"] == ledger.PEOPLE
    folder = settings.tenant_dir(copy.id)
    assert (folder / "media/deep/grüße.bin").read_bytes() == b"\0\xff" * 70_000
    assert (folder / "media/empty").read_bytes() == b""
    assert (folder / "uploads").is_dir()
    assert (copy.name, copy.plan, dict(copy.settings)) == (
        "Acme Ltd",
        "free",
        {"tagline": "Anvils"},
    )
    assert copy.state is TenantState.ACTIVE
    assert catalog.tenants.get_row("copy").owners == ("ada@example.com",)
    assert catalog.tenants.get_row("copy").reason == ""

    keys = keys_of(settings.secret_keys)
    assert copy.id != acme.id
    assert keys.derive(copy.id, "session") != keys.derive(acme.id, "session")
    assert copy.hosts == ()


def test_numbers_are_not_given_away_twice(
    bundle: Path, catalog: Catalog, settings: Settings
) -> None:
    """A row that was deleted before the export had an id that no new row may get."""
    copy = bring_in(catalog, settings, bundle, slug="copy")
    engine = tenant_database(copy, settings).open_engine()
    with engine.begin() as connection:
        added = connection.execute(ledger.PERSON.insert().values(name="new"))
        assert added.inserted_primary_key is not None
        assert added.inserted_primary_key[0] == 51
    engine.dispose()


def test_other_programs_can_read_it(bundle: Path) -> None:
    """The format is Zstandard and tar; the manifest comes first and says what the rest is."""
    assert bundle.stat().st_mode & 0o777 == 0o600
    names = []
    with (
        bundle.open("rb") as file,
        zstandard.open(file) as unpacked,
        tarfile.open(fileobj=unpacked, mode="r|") as content,
    ):
        for member in content:
            names.append(member.name)
            if member.name == "manifest.json":
                text = content.extractfile(member)
                assert text is not None
                manifest = json.load(text)
    assert names[0] == "manifest.json"
    assert names[1:] == [m["name"] for m in manifest["tables"] + manifest["files"]]
    assert manifest["database"]["revision"] == "0002"
    assert manifest["tenant"]["hosts"] == ["www.acme.org"]
    assert (manifest["format"], manifest["version"]) == ("tenantry bundle", 1)


def test_encrypted_shows_nothing_and_needs_the_passphrase(
    acme: Tenant, catalog: Catalog, settings: Settings, tmp_path: Path
) -> None:
    """R42: without the passphrase it is noise; with it, the same as any other."""
    path = tmp_path / "sealed"
    ledger.operations(catalog, settings).export("acme", path, passphrase=SECRET)
    assert b"ustar" not in path.read_bytes()
    assert zstandard.FRAME_HEADER not in path.read_bytes()[:200]
    with pytest.raises(BundleError, match="is encrypted"):
        bring_in(catalog, settings, path, slug="copy")
    with pytest.raises(BundleError, match="passphrase is wrong"):
        bring_in(catalog, settings, path, slug="copy", passphrase=b"another one")
    copy = bring_in(catalog, settings, path, slug="copy", passphrase=SECRET)
    assert ledger.read(copy, settings) == ledger.read(acme, settings)


def test_trail_says_who_took_and_brought_what(
    bundle: Path, catalog: Catalog, settings: Settings
) -> None:
    """Law 12: taking a copy of everything is a control action."""
    bring_in(catalog, settings, bundle, slug="copy")
    actions = [event.action for event in catalog.audit.list().items]
    assert "tenant.export" in actions
    assert "tenant.import" in actions


def test_links_and_pipes_are_left_out(
    acme: Tenant, catalog: Catalog, settings: Settings, tmp_path: Path
) -> None:
    """A link in a site's folder cannot take the operator's files along."""
    folder = settings.tenant_dir(acme.id)
    (folder / "keys").symlink_to(settings.data_dir / "secret_keys")
    (folder / "all").symlink_to(settings.data_dir)
    os.mkfifo(folder / "pipe")
    path = tmp_path / "out"
    manifest = ledger.operations(catalog, settings).export("acme", path)
    assert manifest.left_out == ("all", "keys", "pipe")
    assert [file.path for file in manifest.files] == ["media/deep/grüße.bin", "media/empty"]


def test_nothing_is_overwritten(bundle: Path, catalog: Catalog, settings: Settings) -> None:
    """An export into a file that is there, be it another site's, is refused."""
    before = bundle.read_bytes()
    with pytest.raises(BundleError, match="exists already"):
        ledger.operations(catalog, settings).export("acme", bundle)
    assert bundle.read_bytes() == before


def test_a_taken_name_is_refused(bundle: Path, catalog: Catalog, settings: Settings) -> None:
    """An import never touches a tenant that is there."""
    before = left(catalog, settings)
    with pytest.raises(TenantExistsError):
        bring_in(catalog, settings, bundle)
    assert left(catalog, settings) == before


def test_another_schema_is_refused(bundle: Path, catalog: Catalog, settings: Settings) -> None:
    """Rows of another revision would be understood wrongly; nothing stays of the try."""
    before = left(catalog, settings)
    with pytest.raises(BundleError, match="revision 0002, this platform's are at 0009"):
        bring_in(catalog, settings, bundle, slug="copy", revision="0009")
    assert left(catalog, settings) == before


def test_platform_without_room_is_refused(
    bundle: Path, catalog: Catalog, settings: Settings, make_bundle: Callable[..., Path]
) -> None:
    """What says that it unpacks to terabytes is refused before it is unpacked."""
    before = left(catalog, settings)
    path = make_bundle(files=[{"name": "files/x", "size": 2**43, "sha256": "0" * 64}])
    with pytest.raises(BundleError):
        bring_in(catalog, settings, path, slug="copy")
    assert left(catalog, settings) == before


def test_one_moment_is_exported_while_writers_write(
    acme: Tenant, catalog: Catalog, settings: Settings, tmp_path: Path
) -> None:
    """Money goes from one table to another all the time; in every bundle the sum is the same."""
    engine = tenant_database(acme, settings).open_engine()
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE account_a (id INTEGER PRIMARY KEY, cents BIGINT)")
        connection.exec_driver_sql("CREATE TABLE account_b (id INTEGER PRIMARY KEY, cents BIGINT)")
        connection.exec_driver_sql("INSERT INTO account_a VALUES (1, 500000)")
        connection.exec_driver_sql("INSERT INTO account_b VALUES (1, 500000)")

    engine.dispose()

    def move(connection: Connection, _number: int) -> None:
        connection.exec_driver_sql("UPDATE account_a SET cents = cents - 1")
        connection.exec_driver_sql("UPDATE account_b SET cents = cents + 1")

    sums = set()
    with ledger.writing(acme, settings, move) as wait_for_one_more:
        for number in range(5):
            wait_for_one_more()
            path = tmp_path / f"{number}"
            manifest = ledger.operations(catalog, settings).export("acme", path)
            rows = {}
            with archive.open_bundle(path) as opened:
                for member, content in opened.members():
                    if (table := getattr(member, "table", "")).startswith("account_"):
                        rows[table] = json.loads(content.read())[1]
            assert manifest.rows
            sums.add(rows["account_a"] + rows["account_b"])
            assert rows["account_a"] < 500_000
    assert sums == {1_000_000}


def test_odd_values_of_sqlite_come_back_to_the_letter(
    acme: Tenant, catalog: Catalog, settings: Settings, tmp_path: Path
) -> None:
    """SQLite keeps anything in any column; a bundle does not make it what it should have been."""
    if settings.get_placement("local").kind != "sqlite":
        pytest.skip("a column of PostgreSQL has one type")
    path = settings.tenant_dir(acme.id) / "site.sqlite3"
    columns = '"at", typeof("at"), day, flag, typeof(flag), count, json'
    query = f'SELECT {columns} FROM "Every thing" WHERE id = 9'  # noqa: S608
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            'INSERT INTO "Every thing" (id, "at", day, flag, count, json)'
            " VALUES (9, '2026-01-01 10:00', 'next monday', 7, 'many', 'no json')"
        )
        connection.commit()
        expected = connection.execute(query).fetchall()
    ledger.operations(catalog, settings).export("acme", tmp_path / "b")
    copy = bring_in(catalog, settings, tmp_path / "b", slug="copy")
    with closing(sqlite3.connect(settings.tenant_dir(copy.id) / "site.sqlite3")) as connection:
        assert connection.execute(query).fetchall() == expected


@pytest.fixture
def make_bundle(bundle: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a bundle with a manifest as wanted, all sums correct."""

    def make(**changes: Any) -> Path:
        from tenantry.bundles.manifest import read_manifest

        with archive.open_bundle(bundle) as opened:
            content = json.loads(opened.manifest.to_json())
        content["tables"], content["files"] = [], []
        content.update(changes)
        path = tmp_path / f"crafted-{len(list(tmp_path.iterdir()))}"
        text = json.dumps(content).encode()

        class Crafted:
            members = ()
            tenant = read_manifest(bundle_manifest(bundle)).tenant

            def to_json(self) -> bytes:
                return text

        archive.write_bundle(path, Crafted(), tmp_path)  # type: ignore[arg-type]
        return path

    return make


def bundle_manifest(path: Path) -> bytes:
    """Return the manifest of a bundle."""
    with archive.open_bundle(path) as opened:
        return opened.manifest.to_json()


def a_file(name: str) -> dict[str, Any]:
    """Return what a manifest says of an empty file."""
    return {
        "name": name,
        "size": 0,
        "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({"version": 2}, "format version 2", id="newer format"),
        pytest.param({"format": "else"}, "not a bundle", id="another format"),
        pytest.param({"files": [a_file("files/../x")]}, "leaves the folder", id="dots"),
        pytest.param({"files": [a_file("files//etc/x")]}, "leaves the folder", id="absolute"),
        pytest.param({"files": [a_file("/etc/x")]}, "does not belong", id="outside"),
        pytest.param({"files": [a_file("files/site.sqlite3-wal")]}, "database's own", id="log"),
        pytest.param({"files": [a_file("files/a"), a_file("files/a/b")]}, "a folder", id="both"),
        pytest.param({"files": [a_file("files/a"), a_file("files/a")]}, "twice", id="twice"),
        pytest.param({"files": [a_file("files/a\0b")]}, "name of a file", id="NUL"),
        pytest.param({"files": [a_file("files/a")]}, "ends before", id="missing"),
        pytest.param({"files": [{"name": "files/a"}]}, "not complete", id="incomplete"),
        pytest.param({"tenant": None}, "not complete", id="no tenant"),
    ],
)
def test_a_bad_manifest_is_refused(
    changes: dict[str, Any],
    problem: str,
    make_bundle: Callable[..., Path],
    catalog: Catalog,
    settings: Settings,
) -> None:
    """Whatever a stranger writes into it, nothing is written here."""
    path, before = make_bundle(**changes), left(catalog, settings)
    with pytest.raises(BundleError, match=problem):
        bring_in(catalog, settings, path, slug="copy")
    assert left(catalog, settings) == before


def test_zstd_itself_can_test_the_file(bundle: Path) -> None:
    """The trailer is a frame that other programs pass over."""
    try:
        done = subprocess.run(["zstd", "-t", bundle], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no zstd")
    assert done.returncode == 0, done.stderr


def test_checking_alone_writes_nothing(bundle: Path, catalog: Catalog, settings: Settings) -> None:
    """A look into a bundle leaves no trace."""
    before = left(catalog, settings)
    assert check_bundle(bundle).tenant.slug == "acme"
    assert left(catalog, settings) == before


@pytest.mark.postgresql
def test_from_one_kind_to_the_other_and_back(
    catalog: Catalog, make_settings: Callable[..., Settings], server_url: str, tmp_path: Path
) -> None:
    """From SQLite to PostgreSQL to SQLite, the app sees the same rows at every station."""
    settings = make_settings(databases={"files": "sqlite", "server": server_url})
    operations = ledger.operations(catalog, settings)
    made = operations.create("a", name="A")
    ledger.write(made, settings)
    expected = ledger.read(made, settings)
    for number, placement in enumerate(("server", "files", "server", "server", "files")):
        path = tmp_path / str(number)
        operations.export(made.slug, path)
        made = bring_in(catalog, settings, path, slug=f"copy{number}", placement=placement)
        assert made.placement == placement
        assert ledger.read(made, settings) == expected
        with opened(tenant_database(made, settings)) as engine, engine.begin() as connection:
            added = connection.execute(ledger.PERSON.insert().values(name="new"))
            assert added.inserted_primary_key is not None
            assert added.inserted_primary_key[0] == 51 + number
            connection.execute(ledger.PERSON.delete().where(ledger.PERSON.c.name == "new"))


def with_revisions(settings: Settings, folder: Path, *bodies: str) -> Factory:
    """Return a factory whose sites have a schema of these revisions."""
    write_revisions(folder, *bodies)

    def provision(tenant: Tenant) -> None:
        provision_database(tenant, settings, folder)

    return Factory(
        build=lambda _: hello("site"), provision=provision, find_migrations=lambda: folder
    )


def test_rows_of_an_older_schema_are_brought_up_to_date(
    catalog: Catalog, settings: Settings, tmp_path: Path
) -> None:
    """They go the way that every tenant's rows have gone; the other way round there is none."""
    old = with_revisions(settings, tmp_path / "old", PEOPLE)
    new = with_revisions(settings, tmp_path / "new", PEOPLE, NAME)
    made = Operations(catalog, old, settings=settings, actor=SYSTEM).create("acme", name="Acme")
    engine = tenant_database(made, settings).open_engine()
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO people (id) VALUES (7)")
    engine.dispose()
    ledger.operations(catalog, settings).export("acme", tmp_path / "one")
    copy = Operations(catalog, new, settings=settings, actor=SYSTEM).import_(
        tmp_path / "one", slug="copy"
    )
    assert tenant_database(copy, settings).revision() == "0002"
    engine = tenant_database(copy, settings).open_engine()
    with engine.begin() as connection:
        rows = connection.exec_driver_sql("SELECT id, name FROM people")
        assert [tuple(row) for row in rows] == [(7, None)]
    engine.dispose()

    ledger.operations(catalog, settings).export("copy", tmp_path / "two")
    events = catalog.audit.list().total
    with pytest.raises(BundleError, match="schema revision 0002, and this release does not know"):
        Operations(catalog, old, settings=settings, actor=SYSTEM).import_(
            tmp_path / "two", slug="back"
        )
    assert catalog.audit.list().total == events
