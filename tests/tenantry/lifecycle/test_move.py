"""A tenant's database goes to another placement while its site is in use."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psycopg
import pytest
from sqlalchemy import func, insert, make_url, select
from sqlalchemy.exc import DBAPIError

from tenantry.catalog import SYSTEM, Catalog
from tenantry.databases.placements import tenant_database
from tenantry.databases.servers import SERVERS
from tenantry.errors import (
    MoveError,
    NoRoomError,
    PlacementKindError,
    ProvisionError,
    SiteMovingError,
    UnknownPlacementError,
    UpgradeError,
)
from tenantry.lifecycle import Operations
from tenantry.migrations import History, upgrade
from tenantry.relocation.transfer import CAPTURES, MOST_AGAIN, DiffersError, Transfer
from tenantry.rows.tables import tables_of
from tests.conftest import eventually, names
from tests.tenantry.lifecycle import ledger
from tests.tenantry.migrations.support import write_revisions
from tests.tenantry.support import hello

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed.wsgi import WSGIApplication
    from sqlalchemy import Connection

    from tenantry.factory import Factory
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

ROOT = Path(__file__).parents[3]
FAR = 10_000_000
"""Between the numbers of two writers."""
PLACES = {"file": ("local", "disk"), "server": ("main", "other")}


def _ways() -> list[Any]:
    ways = [("file", "file"), ("file", "server"), ("server", "file"), ("server", "server")]
    return [
        pytest.param(way, id="-to-".join(way), marks=[pytest.mark.postgresql] * ("server" in way))
        for way in ways
    ]


@pytest.fixture(params=_ways())
def way(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Return kinds of placements: where a tenant comes from and where it goes."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def settings(
    way: tuple[str, str],
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Settings:
    """Return settings with two placements of each kind that is needed."""
    databases: dict[str, Any] = {"local": "sqlite", "disk": f"sqlite:///{tmp_path}/disk"}
    if "server" in way:
        databases["main"] = {"url": request.getfixturevalue("server_url"), "connections": 10}
        databases["other"] = {"url": request.getfixturevalue("second_database"), "connections": 10}
    return make_settings(databases=databases)


@pytest.fixture
def to(way: tuple[str, str]) -> str:
    """Return the name of the placement where the tenant goes."""
    return PLACES[way[1]][1]


@pytest.fixture
def acme(catalog: Catalog, settings: Settings, way: tuple[str, str]) -> Tenant:
    """Return a site with rows of every type."""
    made = ledger.operations(catalog, settings).create(
        "acme", name="Acme Ltd", placement=PLACES[way[0]][0]
    )
    ledger.write(made, settings)
    return made


def move(catalog: Catalog, settings: Settings, to: str, **options: Any) -> Any:
    """Move acme."""
    factory = options.pop("factory", None) or ledger.make_factory(settings)
    return Operations(catalog, factory, settings=settings, actor=SYSTEM).move("acme", to, **options)


@contextmanager
def connected(tenant: Tenant, settings: Settings) -> Iterator[Connection]:
    """Open a transaction in a tenant's database, and commit it."""
    engine = tenant_database(tenant, settings).open_engine()
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def leftovers(tenant: Tenant, settings: Settings) -> list[str]:
    """Return what a move has made in a database and not removed."""
    with connected(tenant, settings) as connection:
        if connection.dialect.name == "sqlite":
            query = "SELECT name FROM sqlite_master WHERE name LIKE 'tenantry%'"
        else:
            query = (
                "WITH here AS (SELECT oid, relname FROM pg_class "
                "WHERE relnamespace = to_regnamespace(current_schema())) "
                "SELECT relname FROM here WHERE starts_with(relname, 'tenantry') UNION ALL "
                "SELECT tgname FROM pg_trigger JOIN here ON here.oid = tgrelid "
                "WHERE starts_with(tgname, 'tenantry') UNION ALL "
                "SELECT proname FROM pg_proc WHERE starts_with(proname, 'tenantry') "
                "AND pronamespace = to_regnamespace(current_schema())"
            )
        return list(connection.exec_driver_sql(query).scalars())


def test_all_rows_arrive_and_the_old_copy_stays_until_it_is_dropped(
    acme: Tenant, catalog: Catalog, settings: Settings, to: str
) -> None:
    """Rows of every type, numbers that were given away, and the site's files where they were."""
    before, epoch = ledger.read(acme, settings), catalog.changes.read_epoch()
    done = move(catalog, settings, to)
    moved = catalog.tenants.get("acme")

    assert done.tenant == moved
    assert (moved.placement, done.before) == (to, acme.placement)
    assert done.rows == 4
    assert ledger.read(moved, settings) == before
    assert catalog.changes.read_epoch() == epoch + 1  # one change, and that once
    assert leftovers(moved, settings) == []
    assert (settings.tenant_dir(acme.id) / "media" / "empty").exists()
    with connected(moved, settings) as connection:
        added = connection.execute(ledger.PERSON.insert().values(name="new"))
        assert added.inserted_primary_key is not None
        assert added.inserted_primary_key[0] == 51

    assert ledger.read(acme, settings) == before
    row = catalog.tenants.get_row("acme")
    assert (row.former_placement, row.moving_to) == (acme.placement, "")
    operations = ledger.operations(catalog, settings)
    assert operations.drop_former("acme") == acme.placement
    assert not tenant_database(acme, settings).exists()
    assert catalog.tenants.get_row("acme").former_placement == ""
    assert len(ledger.read(moved, settings)["person"]) == 3
    actions = [event.action for event in catalog.audit.list(tenant_id=acme.id).items][:3]
    assert actions == ["tenant.move.drop", "tenant.move", "tenant.move.begin"]
    with pytest.raises(MoveError, match="no old copy"):
        operations.drop_former("acme")


def test_nobody_can_write_into_the_old_copy(
    acme: Tenant, catalog: Catalog, settings: Settings, to: str
) -> None:
    """Whoever still has it open is refused by the database itself, in a way that is known."""
    engine = tenant_database(acme, settings).open_engine()
    with engine.connect() as connection:
        connection.execute(select(ledger.PERSON)).all()
    move(catalog, settings, to)
    person = ledger.PERSON
    for statement in (
        insert(person).values(name="late"),
        person.update().values(name="late"),
        person.delete(),
        ledger.ENTRY.delete(),
        ledger.VERSION.update().values(version_num="9"),
    ):
        with engine.connect() as connection, pytest.raises(SiteMovingError):
            connection.execute(statement)
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection, pytest.raises(SiteMovingError):
            connection.exec_driver_sql("INSERT OR IGNORE INTO person (name) VALUES ('late')")
    else:
        with engine.connect() as connection, pytest.raises(SiteMovingError):
            connection.exec_driver_sql("TRUNCATE person CASCADE")
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(person)) == 2
    engine.dispose()


def test_words_alone_close_no_database(acme: Tenant, settings: Settings) -> None:
    """What a visitor can bring into an error's words is not taken for a site that has moved."""
    for words in (SiteMovingError.message, SiteMovingError.notice, SiteMovingError.sqlstate):
        with pytest.raises(DBAPIError), connected(acme, settings) as connection:
            connection.exec_driver_sql(f'SELECT * FROM "{words}"')  # noqa: S608


class Writers:
    """Threads that write through one engine, and remember what was acknowledged."""

    def __init__(self, tenant: Tenant, settings: Settings, number: int = 3) -> None:
        self.engine = tenant_database(tenant, settings).open_engine()
        self.acknowledged: list[int] = []
        self.renamed: dict[int, str] = {}
        self.deleted: set[int] = set()
        self.unsure: set[int] = set()
        self.refused = 0
        self.failures: list[BaseException] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(FAR * (one + 1),)) for one in range(number)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.engine.dispose()
        if self.failures:
            raise self.failures[0]

    def write_more(self, number: int) -> None:
        """Wait until so many more have been acknowledged."""
        wanted = len(self.acknowledged) + number
        eventually(lambda: len(self.acknowledged) >= wanted or self.failures, seconds=60)

    def wait(self) -> None:
        """Wait until all have been refused."""
        for thread in self._threads:
            thread.join(60)

    def _write(self, number: int) -> None:
        person = ledger.PERSON
        while not self._stop.is_set():
            number += 1
            try:
                with self.engine.begin() as connection:
                    connection.execute(insert(person).values(id=number, name="new"))
                self.acknowledged.append(number)
                with self.engine.begin() as connection:
                    change = person.update().where(person.c.id == number)
                    connection.execute(change.values(name=f"n{number}"))
                self.renamed[number] = f"n{number}"
                if number % 3 == 0:
                    with self.engine.begin() as connection:
                        connection.execute(person.delete().where(person.c.id == number))
                    self.deleted.add(number)
            except SiteMovingError:
                self.unsure.add(number)
                self.refused += 1
                return
            except Exception as error:  # noqa: BLE001 - the test raises it
                self.unsure.add(number)
                if not isinstance(error, DBAPIError) or "lock" not in str(error):
                    self.failures.append(error)
                    return  # otherwise the move has held its lock for a moment


def test_what_was_acknowledged_meanwhile_is_there(
    acme: Tenant, catalog: Catalog, settings: Settings, to: str
) -> None:
    """Writers write on until the old database refuses them; nothing of it is lost, nothing is new."""
    with Writers(acme, settings) as writers:
        writers.write_more(10)
        done = move(catalog, settings, to, step=lambda name: enough(writers, name))
        writers.wait()
    assert done.replayed > 0
    assert writers.refused == 3
    with connected(catalog.tenants.get("acme"), settings) as connection:
        rows = connection.execute(select(ledger.PERSON.c.id, ledger.PERSON.c.name)).tuples().all()
    found = {number: name for number, name in rows if number > FAR}
    expected = set(writers.acknowledged) - writers.deleted
    assert expected <= set(found) | writers.unsure
    assert set(found) <= set(writers.acknowledged)
    for number, name in found.items():
        assert name == writers.renamed.get(number, "new") or number in writers.unsure


def enough(writers: Writers, step: str) -> None:
    """Let some more be written in the middle of a move."""
    if step in {"watched", "copied", "followed"}:
        writers.write_more(5)


@pytest.mark.parametrize("way", _ways()[2:3], indirect=True)
def test_what_is_committed_late_follows(
    acme: Tenant, catalog: Catalog, settings: Settings, to: str
) -> None:
    """A server commits in another order than it writes: what was noted first may be seen last."""
    person = ledger.PERSON
    engine = tenant_database(acme, settings).open_engine()
    late = engine.connect()

    def step(name: str) -> None:
        if name == "watched":
            late.execute(insert(person).values(id=1001, name="noted first"))
        elif name == "copied":
            with engine.begin() as connection:
                connection.execute(insert(person).values(id=1002, name="seen first"))
        elif name == "followed":
            # The last step waits for it, and lets readers and writers pass meanwhile.
            threading.Timer(0.5, late.commit).start()

    move(catalog, settings, to, step=step)
    late.close()
    engine.dispose()
    found = {row["id"] for row in ledger.read(catalog.tenants.get("acme"), settings)["person"]}
    assert found == {1, 7, 1001, 1002}


def change_in_the_middle(
    acme: Tenant, settings: Settings, change: Callable[[Connection], object]
) -> Callable[[str], None]:
    """Return what changes something between the copy and the replay."""

    def step(name: str) -> None:
        if name == "copied":
            with connected(acme, settings) as connection:
                change(connection)

    return step


def _swap_names(connection: Connection) -> None:
    # Two unique values change places: row by row, none of the two fits first.
    person = ledger.PERSON
    connection.execute(person.update().where(person.c.id == 1).values(id=100, boss_id=None))
    connection.execute(ledger.ENTRY.delete().where(ledger.ENTRY.c.id == 2))
    connection.execute(person.update().where(person.c.name == "Zoë \U0001f9f2").values(name="x"))


def _delete_all(connection: Connection) -> None:
    connection.execute(ledger.ENTRY.delete())
    connection.execute(ledger.PERSON.delete().where(ledger.PERSON.c.id == 1))
    connection.execute(ledger.PERSON.delete())


def _truncate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("TRUNCATE person CASCADE")
        connection.execute(insert(ledger.PERSON).values(id=3, name="after"))
    else:
        _delete_all(connection)


def _write_all_types(connection: Connection) -> None:
    connection.execute(ledger.ENTRY.delete())
    for entry in ledger.ENTRIES:
        connection.execute(insert(ledger.ENTRY), entry | {"text": "again"})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(change, id=change.__name__.strip("_"))
        for change in (_swap_names, _delete_all, _truncate, _write_all_types)
    ],
)
def test_every_kind_of_change_follows(
    acme: Tenant,
    catalog: Catalog,
    settings: Settings,
    to: str,
    change: Callable[[Connection], object],
) -> None:
    """Keys that change, rows that go, tables that are emptied: the copy is what the original was."""
    move(catalog, settings, to, step=change_in_the_middle(acme, settings, change))
    before = ledger.read(acme, settings)
    assert ledger.read(catalog.tenants.get("acme"), settings) == before


def _odd_tables(connection: Connection) -> None:
    connection.exec_driver_sql('CREATE TABLE "no key" (a INTEGER, b VARCHAR(20))')
    connection.exec_driver_sql(
        "CREATE TABLE tag (name VARCHAR(20) PRIMARY KEY, place INTEGER UNIQUE)"
    )
    connection.exec_driver_sql("CREATE TABLE pair (a INTEGER, b INTEGER, PRIMARY KEY (a, b))")
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql('CREATE SEQUENCE "no one\'s"')
    else:
        connection.exec_driver_sql("CREATE VIRTUAL TABLE \"tag's\" USING fts5(name, content='tag')")


def odd_factory(settings: Settings) -> Any:
    """Return a factory whose sites have tables that are hard to follow as well."""
    plain = ledger.make_factory(settings)

    def provision(tenant: Tenant) -> None:
        plain.provision(tenant)
        with connected(tenant, settings) as connection:
            _odd_tables(connection)

    return replace(plain, provision=provision)


def test_tables_that_are_hard_to_follow(
    acme: Tenant, catalog: Catalog, settings: Settings, to: str, way: tuple[str, str]
) -> None:
    """Without a key, with nothing but a key, unique values that change places, silent replacement.

    And sequences that belong to no column, and SQLite's search in another table's rows.
    """

    def fill(connection: Connection) -> None:
        _odd_tables(connection)
        connection.exec_driver_sql("INSERT INTO \"no key\" VALUES (1, 'x'), (1, 'x'), (2, NULL)")
        connection.exec_driver_sql("INSERT INTO tag VALUES ('a', 1), ('b', 2), ('c', 3)")
        connection.exec_driver_sql("INSERT INTO pair VALUES (1, 1), (1, 2)")
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT setval('\"no one''s\"', 7)")

    def change(connection: Connection) -> None:
        connection.exec_driver_sql('DELETE FROM "no key" WHERE a = 2')
        connection.exec_driver_sql("INSERT INTO pair VALUES (2, 2)")
        connection.exec_driver_sql("DELETE FROM pair WHERE b = 1")
        connection.exec_driver_sql("UPDATE tag SET place = 9 WHERE name = 'a'")
        connection.exec_driver_sql("UPDATE tag SET place = 1 WHERE name = 'b'")
        connection.exec_driver_sql("UPDATE tag SET place = 2 WHERE name = 'a'")
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("INSERT OR REPLACE INTO tag VALUES ('d', 3)")
            connection.exec_driver_sql("UPDATE tag SET place = 4 WHERE name = 'd'")

    with connected(acme, settings) as connection:
        fill(connection)
    factory = odd_factory(settings)
    step = change_in_the_middle(acme, settings, change)
    move(catalog, settings, to, factory=factory, step=step)
    moved = catalog.tenants.get("acme")
    assert odd_rows(moved, settings) == odd_rows(acme, settings)
    assert ("a", 2) in odd_rows(moved, settings)["tag"]
    if way == ("server", "server"):
        with connected(moved, settings) as connection:
            given = connection.exec_driver_sql("SELECT nextval('\"no one''s\"')").scalar_one()
        assert given == 8
    with connected(moved, settings) as connection:
        if connection.dialect.name == "sqlite":
            query = 'SELECT count(*) FROM "tag\'s" WHERE "tag\'s" MATCH ?'
            for name, _ in odd_rows(moved, settings)["tag"]:
                assert connection.exec_driver_sql(query, (name,)).scalar_one() == 1


def odd_rows(tenant: Tenant, settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the odd tables."""
    with connected(tenant, settings) as connection:
        return {
            name: [
                tuple(row)
                for row in connection.exec_driver_sql(f'SELECT * FROM "{name}" ORDER BY 1, 2')  # noqa: S608
            ]
            for name in ("no key", "tag", "pair")
        }


class Restless(Transfer):
    """A transfer that finds something else whenever it looks."""

    tries = 0

    def _replay(self, _connection: Connection) -> int:
        self.tries += 1
        raise DiffersError


def test_a_site_that_never_rests_is_closed_to_be_copied(
    acme: Tenant, catalog: Catalog, settings: Settings, to: str
) -> None:
    """Where the copy cannot follow however often it is tried, the last one is made without writers."""
    moved = replace(acme, placement=to)
    ledger.make_factory(settings).provision(moved)
    source, target = tenant_database(acme, settings), tenant_database(moved, settings)
    transfer = Restless(source, target, name="acme")
    transfer.begin()
    transfer.copy()
    with connected(acme, settings) as connection:
        connection.execute(ledger.PERSON.update().where(ledger.PERSON.c.id == 1).values(name="y"))
    transfer.finish()
    transfer.dispose()
    assert transfer.tries > MOST_AGAIN
    assert ledger.read(moved, settings) == ledger.read(acme, settings)
    with pytest.raises(SiteMovingError), connected(acme, settings) as connection:
        connection.execute(ledger.PERSON.delete())


@pytest.mark.parametrize("where", ["begun", "provisioned", "copied", "closed"])
def test_a_move_that_fails_leaves_all_as_it_was(
    acme: Tenant, catalog: Catalog, settings: Settings, to: str, where: str
) -> None:
    """Also when the old database was closed already: it takes writes again."""
    before, epoch = ledger.read(acme, settings), catalog.changes.read_epoch()

    def fail(name: str) -> None:
        if name == where:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(catalog, settings, to, step=fail)
    assert catalog.tenants.get("acme") == acme
    assert catalog.changes.read_epoch() == epoch
    assert catalog.tenants.get_row("acme").moving_to == ""
    assert leftovers(acme, settings) == []
    assert not tenant_database(replace(acme, placement=to), settings).exists()
    with connected(acme, settings) as connection:
        connection.execute(ledger.PERSON.update().where(ledger.PERSON.c.id == 1).values(name="y"))
    assert ledger.read(acme, settings) != before
    assert move(catalog, settings, to).tenant.placement == to


def stubborn(settings: Settings, place: str) -> Factory:
    """Return a factory whose app does not start on one placement."""

    def build(tenant: Tenant) -> WSGIApplication:
        if tenant.placement == place:
            raise RuntimeError("no such dialect here")
        return hello("site")

    return replace(ledger.make_factory(settings), build=build)


@pytest.mark.parametrize("way", _ways()[:1], indirect=True)
def test_an_app_that_does_not_run_there_stays_where_it_is(
    acme: Tenant, catalog: Catalog, settings: Settings, to: str
) -> None:
    """It is built and asked for its front page before anything is switched."""
    with pytest.raises(MoveError, match=f"does not run on '{to}' .*no such dialect here"):
        move(catalog, settings, to, factory=stubborn(settings, to))
    assert catalog.tenants.get("acme") == acme
    assert not tenant_database(replace(acme, placement=to), settings).exists()
    assert leftovers(acme, settings) == []


@pytest.mark.parametrize("way", _ways()[:1], indirect=True)
def test_a_placement_that_is_asked_for_is_tried(
    catalog: Catalog, settings: Settings, to: str
) -> None:
    """A tenant that could not be visited there is not created."""
    factory = stubborn(settings, to)
    operations = Operations(catalog, factory, settings=settings, actor=SYSTEM)
    with pytest.raises(ProvisionError, match="no such dialect here"):
        operations.create("globex", name="Globex", placement=to)
    assert catalog.tenants.find("globex") is None
    assert operations.create("globex", name="Globex").placement == "local"


@pytest.mark.parametrize("way", _ways()[1:2], indirect=True)
def test_an_app_says_on_which_kinds_it_can_live(
    acme: Tenant, catalog: Catalog, settings: Settings, to: str
) -> None:
    """For moves and new tenants, asked for or not."""
    here = replace(ledger.make_factory(settings), placements=("sqlite",))
    with pytest.raises(PlacementKindError, match=r"cannot live on placement .*sqlite"):
        move(catalog, settings, to, factory=here)
    there = replace(here, placements=("postgresql",))
    operations = Operations(catalog, there, settings=settings, actor=SYSTEM)
    with pytest.raises(PlacementKindError):
        operations.create("globex", name="Globex", placement="local")
    assert operations.create("globex", name="Globex").placement == "main"


@pytest.mark.parametrize("way", _ways()[1:2], indirect=True)
def test_an_app_with_files_of_its_own_cannot_move_to_a_server(
    acme: Tenant, catalog: Catalog, settings: Settings, to: str
) -> None:
    """They would stay behind: the sentence names one."""
    file = settings.tenant_dir(acme.id) / "data" / "flaskr.sqlite"
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE post (id INTEGER PRIMARY KEY)")
    with pytest.raises(MoveError, match=r"keeps its data in 'data/flaskr\.sqlite'"):
        move(catalog, settings, to)
    assert catalog.tenants.get("acme") == acme


def test_ctrl_c_after_the_switch_takes_nothing_back(
    acme: Tenant, catalog: Catalog, settings: Settings, to: str
) -> None:
    """The catalog decides: what it says has happened is not undone."""

    def fail(name: str) -> None:
        if name == "placed":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(catalog, settings, to, step=fail)
    moved = catalog.tenants.get("acme")
    assert moved.placement == to
    assert ledger.read(moved, settings) == ledger.read(acme, settings)
    assert move(catalog, settings, to) is None


def test_moving_back_wants_the_old_copy_dropped_first(
    acme: Tenant, catalog: Catalog, settings: Settings, to: str
) -> None:
    """What is there is of the past; nothing is destroyed by the way."""
    move(catalog, settings, to)
    with pytest.raises(MoveError, match=r"tenant move acme --drop"):
        move(catalog, settings, acme.placement)
    ledger.operations(catalog, settings).drop_former("acme")
    back = move(catalog, settings, acme.placement).tenant
    assert back.placement == acme.placement
    assert [row["id"] for row in ledger.read(back, settings)["person"]] == [1, 7]


def test_a_purge_takes_both_copies(
    acme: Tenant, catalog: Catalog, settings: Settings, to: str
) -> None:
    """R42: and it is proved for both."""
    move(catalog, settings, to)
    moved = catalog.tenants.get("acme")
    operations = ledger.operations(catalog, settings)
    found = [one.what for one in operations.find_residual_data(moved)]
    assert f"its database on {acme.placement}" in found
    assert f"its database on {to}" in found
    operations.delete("acme")
    operations.purge("acme", early=True)
    for tenant in (acme, moved):
        assert not tenant_database(tenant, settings).exists()
    assert operations.find_residual_data(moved) == ()


@pytest.mark.parametrize("way", _ways()[1:2], indirect=True)
def test_what_would_be_rounded_is_refused(
    acme: Tenant, catalog: Catalog, settings: Settings, to: str
) -> None:
    """Each row is compared at its new place: a number with more digits than fit is another one."""
    with connected(acme, settings) as connection:
        connection.exec_driver_sql('UPDATE "Every thing" SET amount = 1.234567 WHERE id = 2')
    before = ledger.read(acme, settings)
    with pytest.raises(MoveError, match="some of the 2 rows of table 'Every thing' are others"):
        move(catalog, settings, to)
    assert ledger.read(acme, settings) == before
    assert leftovers(acme, settings) == []
    assert not tenant_database(replace(acme, placement=to), settings).exists()


@pytest.mark.parametrize("way", _ways()[1:3], indirect=True)
def test_what_a_killed_move_has_left_does_not_spread(
    acme: Tenant, catalog: Catalog, settings: Settings
) -> None:
    """Neither backups nor clones take it along, and a restore ends it."""
    before = ledger.read(acme, settings)
    interrupt(acme, settings)
    operations = ledger.operations(catalog, settings)
    made = operations.backup("acme")
    copy = operations.clone("acme", "copy")
    assert leftovers(copy, settings) == []
    operations.restore("acme", made.path, drain=0)
    for tenant in (acme, copy):
        assert ledger.read(tenant, settings) == before
        with connected(tenant, settings) as connection:
            connection.execute(insert(ledger.PERSON).values(id=77, name="again"))
    assert leftovers(acme, settings) == []


@pytest.mark.parametrize("way", _ways()[1:3], indirect=True)
def test_migrations_say_that_a_move_was_interrupted(
    acme: Tenant, settings: Settings, tmp_path: Path
) -> None:
    """A database that is closed to writers is not brought anywhere; the sentence names the remedy."""
    interrupt(acme, settings)
    history = History(write_revisions(tmp_path / "history", *["pass"] * 3))
    with connected(acme, settings) as connection, pytest.raises(SiteMovingError):
        connection.execute(ledger.VERSION.delete())
    with pytest.raises(UpgradeError, match="tenantry tenant move"):
        upgrade(tenant_database(acme, settings), history)


def interrupt(tenant: Tenant, settings: Settings) -> None:
    """Leave what a move leaves that is killed when it has closed the old database."""
    database = tenant_database(tenant, settings)
    end, engine = CAPTURES[database.kind](), database.open_engine()
    with engine.connect() as connection:
        tables = tables_of(connection, end.side)
    with end.locking(engine, tables) as connection:
        end.watch(connection, tables)
        end.refuse_writes(connection)
    engine.dispose()


@pytest.mark.postgresql
def test_a_login_of_its_own_comes_and_goes(
    catalog: Catalog, make_settings: Callable[..., Settings], server_url: str
) -> None:
    """A session of a role that was dropped is not that of the next one by its name."""
    main = {"url": server_url, "login": "own"}
    settings = make_settings(databases={"main": main, "local": "sqlite"})
    operations = ledger.operations(catalog, settings)
    acme = operations.create("acme", name="Acme", placement="main")
    ledger.write(acme, settings)
    before = ledger.read(acme, settings)
    for to in ("local", "main"):
        moved = move(catalog, settings, to).tenant
        operations.drop_former("acme")
        assert ledger.read(moved, settings) == before


def test_what_cannot_be_made_is_told(
    catalog: Catalog, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """The factory fails at the new place; the tenant is where it was."""
    settings = make_settings(databases={"local": "sqlite", "disk": f"sqlite:///{tmp_path}/disk"})
    factory = ledger.make_factory(settings)
    Operations(catalog, factory, settings=settings, actor=SYSTEM).create("acme", name="Acme")

    def provision(_: Tenant) -> None:
        raise RuntimeError("no such luck")

    with pytest.raises(MoveError, match=r"could not be created .*no such luck"):
        move(catalog, settings, "disk", factory=replace(factory, provision=provision))
    assert catalog.tenants.get_row("acme").moving_to == ""


@pytest.fixture
def second_login(server_url: str) -> Iterator[str]:
    """Return the URL of a database on the same server that another role signs in to."""
    url = make_url(server_url)
    plain = url.set(drivername="postgresql", username="postgres")
    shown = plain.render_as_string(hide_password=False)
    with psycopg.connect(shown, autocommit=True) as connection:
        connection.execute("CREATE ROLE tenantry2 LOGIN CREATEROLE NOINHERIT")
        connection.execute("ALTER ROLE tenantry2 SET search_path = ''")
        connection.execute("CREATE DATABASE second OWNER tenantry2")
        other = url.set(database="second", username="tenantry2")
        yield other.render_as_string(hide_password=False)
        SERVERS.clear()
        connection.execute("DROP DATABASE second WITH (FORCE)")
        for name in names(connection, "SELECT rolname FROM pg_roles"):
            connection.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}".encode())
        connection.execute("DROP OWNED BY tenantry2; DROP ROLE tenantry2")


@pytest.mark.postgresql
def test_two_logins_of_one_server(
    catalog: Catalog, make_settings: Callable[..., Settings], server_url: str, second_login: str
) -> None:
    """Roles are the server's: the tenant's is shared by its two copies, and goes with the last."""
    settings = make_settings(databases={"main": server_url, "second": second_login})
    operations = ledger.operations(catalog, settings)
    acme = operations.create("acme", name="Acme", placement="main")
    ledger.write(acme, settings)
    before = ledger.read(acme, settings)

    moved = move(catalog, settings, "second").tenant
    operations.drop_former("acme")
    assert ledger.read(moved, settings) == before
    assert not tenant_database(acme, settings).exists()

    back = move(catalog, settings, "main").tenant
    operations.drop_former("acme")
    assert ledger.read(back, settings) == before
    operations.delete("acme")
    operations.purge("acme", early=True)
    assert tenant_database(back, settings).remains() == ()


@pytest.mark.parametrize("way", _ways()[:1], indirect=True)
class TestRefusals:
    """What is refused before anything is made; the kinds of databases do not matter here."""

    def test_places_that_cannot_be(
        self, acme: Tenant, catalog: Catalog, settings: Settings
    ) -> None:
        """No such placement, one that is full, one that has something of it already."""
        with pytest.raises(UnknownPlacementError):
            move(catalog, settings, "nowhere")
        crowded = replace(settings.get_placement("disk"), tenants=1)
        full = settings.model_copy(update={"databases": (settings.databases[0], crowded)})
        catalog.tenants.add("globex", name="Globex", placement="disk", by=SYSTEM)
        with pytest.raises(NoRoomError):
            move(catalog, full, "disk")
        target = tenant_database(replace(acme, placement="disk"), settings)
        target.create()
        with pytest.raises(MoveError, match="exists already"):
            move(catalog, settings, "disk")
        assert target.exists()

    def test_where_it_lives_already(
        self, acme: Tenant, catalog: Catalog, settings: Settings
    ) -> None:
        """Saying it again does nothing."""
        assert move(catalog, settings, acme.placement) is None

    def test_tenants_without_data(self, catalog: Catalog, settings: Settings) -> None:
        """There is nothing to move of one that is being made."""
        catalog.tenants.add("acme", name="Acme", by=SYSTEM)
        with pytest.raises(MoveError, match="no data"):
            move(catalog, settings, "disk")

    def test_a_schema_that_is_not_the_newest(
        self, acme: Tenant, catalog: Catalog, settings: Settings
    ) -> None:
        """Rows fit into the schema that they are of."""
        factory = ledger.make_factory(settings, revision="0003")
        with pytest.raises(MoveError, match="tenantry migrate"):
            move(catalog, settings, "disk", factory=factory)
        assert leftovers(acme, settings) == []

    def test_tables_of_its_own(self, acme: Tenant, catalog: Catalog, settings: Settings) -> None:
        """A table that new sites do not have has no place to go to."""
        with connected(acme, settings) as connection:
            connection.exec_driver_sql("CREATE TABLE own (id INTEGER PRIMARY KEY)")
        with pytest.raises(MoveError, match="no such table 'own'"):
            move(catalog, settings, "disk")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", _ways()[1:3], indirect=True)
def test_killed_before_each_change(
    settings: Settings,
    way: tuple[str, str],
    to: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """It is before or after, no write is lost, and the same command finishes the work.

    Every sixth change is tried, and all of them with ``--every-step``.
    """
    told = {
        "folder": str(tmp_path / "killed"),
        "databases": {
            one.name: one.url or (f"sqlite:///{one.folder}" if one.folder else "sqlite")
            for one in settings.databases
        },
        "way": [PLACES[way[0]][0], to],
        "apart": 1 if request.config.getoption("--every-step") else 6,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.tenantry.lifecycle.killed_move", json.dumps(told)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) > 15, "the program saw too little of what was done"
