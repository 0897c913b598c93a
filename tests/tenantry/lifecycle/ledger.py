"""A factory whose sites keep books: tables of every type that refer to each other."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Time,
    Uuid,
    func,
    insert,
    select,
)

from tenantry.catalog import SYSTEM
from tenantry.databases.placements import tenant_database
from tenantry.factory import Factory
from tenantry.lifecycle import Operations
from tests.tenantry.support import hello

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from tenantry.catalog import Catalog
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

METADATA = MetaData()
VERSION = Table("alembic_version", METADATA, Column("version_num", String(32), primary_key=True))
PERSON = Table(
    "person",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(80), nullable=False),
    Column("boss_id", ForeignKey("person.id")),
    sqlite_autoincrement=True,
)
ENTRY = Table(
    "Every thing",  # a name that must be quoted
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("person id", ForeignKey("person.id")),
    Column("amount", Numeric(20, 4)),
    Column("weight", Float(53)),
    Column("count", BigInteger),
    Column("flag", Boolean),
    Column("at", DateTime),
    Column("zoned", DateTime(timezone=True)),
    Column("day", Date),
    Column("hour", Time),
    Column("blob", LargeBinary),
    Column("text", Text),
    Column("json", JSON(none_as_null=True)),
    Column("uid", Uuid),
)

PEOPLE: list[dict[str, Any]] = [
    {"id": 1, "name": "Zoë \U0001f9f2", "boss_id": 7},  # refers to a row that comes later
    {"id": 7, "name": "Ada %s ? :x", "boss_id": None},
]
ENTRIES: list[dict[str, Any]] = [
    {
        "id": 2**62,
        "person id": 7,
        "amount": Decimal("1234.5"),
        "weight": 0.1 + 0.2,
        "count": -(2**63),
        "flag": True,
        "at": datetime(2026, 2, 28, 23, 59, 59, 999999),  # noqa: DTZ001 - a column without zone
        "day": date(2024, 2, 29),
        "hour": time(0, 0, 0, 1),
        "blob": bytes(range(256)),
        "text": "line\nbreak \"quoted\" '' \\ \u2028",
        "json": {"a": [1, None, "é"]},
        "uid": UUID("12345678-1234-5678-1234-567812345678"),
    },
    {"id": 2, "weight": -0.0, "flag": False, "blob": b"", "text": "", "json": []},
]


def make_factory(settings: Settings, *, revision: str = "0002") -> Factory:
    """Return the factory; its sites come with a person that nobody asked for."""

    def provision(tenant: Tenant) -> None:
        database = tenant_database(tenant, settings)
        database.create()
        engine = database.open_engine()
        with engine.begin() as connection:
            METADATA.create_all(connection)
            if connection.scalar(select(VERSION.c.version_num)) is None:
                connection.execute(insert(VERSION).values(version_num=revision))
                connection.execute(insert(PERSON).values(id=1, name="default"))
        engine.dispose()

    return Factory(build=lambda _: hello("site"), provision=provision)


def operations(catalog: Catalog, settings: Settings, *, revision: str = "0002") -> Operations:
    """Return the operations on such sites."""
    factory = make_factory(settings, revision=revision)
    return Operations(catalog, factory, settings=settings, actor=SYSTEM)


def write(tenant: Tenant, settings: Settings) -> Path:
    """Fill a site with rows and files; return its folder."""
    engine = tenant_database(tenant, settings).open_engine()
    with engine.begin() as connection:
        connection.execute(PERSON.delete())
        for person in reversed(PEOPLE):
            connection.execute(insert(PERSON), person)
        # Somebody who had a number that must not be given away again.
        connection.execute(insert(PERSON).values(id=50, name="gone"))
        connection.execute(PERSON.delete().where(PERSON.c.id == 50))
        if engine.dialect.name == "postgresql":
            connection.execute(select(func.setval("person_id_seq", 50)))
        for entry in ENTRIES:
            connection.execute(insert(ENTRY), entry)
    engine.dispose()
    folder = settings.tenant_dir(tenant.id)
    (folder / "media" / "deep").mkdir(parents=True)
    (folder / "media" / "deep" / "grüße.bin").write_bytes(b"\0\xff" * 70_000)
    (folder / "media" / "empty").touch()
    (folder / "uploads").mkdir()
    return folder


def read(tenant: Tenant, settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of a site as the app sees them."""
    engine = tenant_database(tenant, settings).open_engine()
    with engine.connect() as connection:
        found = {
            table.name: [
                dict(row) for row in connection.execute(select(table).order_by("id")).mappings()
            ]
            for table in (PERSON, ENTRY)
        }
    engine.dispose()
    return found


@contextmanager
def writing(
    tenant: Tenant, settings: Settings, step: Callable[[Connection, int], None]
) -> Iterator[Callable[[], None]]:
    """Run a numbered step in one transaction after the other, in a thread, until the block ends.

    :returns: Waits until one more of them has been committed.
    """
    engine = tenant_database(tenant, settings).open_engine()
    stop, written = threading.Event(), threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with engine.begin() as connection:
                step(connection, number)
            written.set()

    def wait_for_one_more() -> None:
        written.clear()
        assert written.wait(10)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield wait_for_one_more
    finally:
        stop.set()
        writer.join()
        engine.dispose()


def rename_two(connection: Connection, number: int) -> None:
    """Change two rows together, so that one of them alone is half a transaction."""
    for key in (1, 7):
        change = PERSON.update().where(PERSON.c.id == key)
        connection.execute(change.values(name=str(number)))
