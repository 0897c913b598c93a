"""A program that lets a move be killed before each thing that it does to a disk or a database.

It forks for each try; the child dies by SIGKILL, and the parent looks at what is left, says the same
again, and looks once more. Its argument is JSON: the data folder, the placements, the way, and how far
apart the changes are that are tried. It prints the number of the last one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event, insert
from sqlalchemy.exc import ProgrammingError

from tenantry.catalog import SYSTEM, Catalog, ChangeSignal, Store
from tenantry.databases.placements import tenant_database
from tenantry.databases.platform_classes import PlatformEngine
from tenantry.databases.servers import SERVERS
from tenantry.errors import SiteMovingError
from tenantry.lifecycle import Operations
from tenantry.settings import Settings
from tests.tenantry.lifecycle import ledger

if TYPE_CHECKING:
    from tenantry.values.tenant import Tenant

# Before there is such an engine: here they are to tell of their commits, too.
PlatformEngine._sa_propagate_class_events = True

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.link", "os.mkdir"}


class World:
    """A platform with a new tenant for each try."""

    def __init__(self, folder: Path, databases: Any, before: str, after: str) -> None:
        self.settings = Settings(
            domain="example.test",
            base_url="http://example.test",
            data_dir=folder,
            secret_keys="k" * 40,  # type: ignore[arg-type]
            databases=databases,
        )
        self.factory = ledger.make_factory(self.settings)
        self.before, self.after = before, after
        with self.open() as catalog:
            catalog.upgrade()

    def open(self) -> closing[Catalog]:
        """Open the catalog."""
        folder = self.settings.data_dir
        url = f"sqlite:///{folder}/catalog.sqlite3"
        store = Store(url, signal=ChangeSignal(folder / "epoch"))
        return closing(Catalog(store, domain="example.test"))

    def create(self, slug: str) -> Tenant:
        """Make a site with rows on the first placement."""
        with self.open() as catalog:
            made = Operations(catalog, self.factory, settings=self.settings, actor=SYSTEM).create(
                slug, name=slug, placement=self.before
            )
        ledger.write(made, self.settings)
        return made

    def move(self, slug: str) -> None:
        """Move the site, and drop its old copy."""
        with self.open() as catalog:
            operations = Operations(catalog, self.factory, settings=self.settings, actor=SYSTEM)
            operations.move(slug, self.after)
            if catalog.tenants.get_row(slug).former_placement:
                operations.drop_former(slug)

    def write(self, tenant: Tenant, number: int = 77) -> bool:
        """Write a row; say whether that was let in."""
        engine = tenant_database(tenant, self.settings).open_engine()
        try:
            with engine.begin() as connection:
                connection.execute(insert(ledger.PERSON).values(id=number, name="in between"))
        except (SiteMovingError, ProgrammingError):  # closed to writers, or half dropped
            return False
        finally:
            engine.dispose()
        return True


def watch(limit: int) -> None:
    """Kill this process before its change number *limit*."""
    count = 0

    def change() -> None:
        nonlocal count
        count += 1
        if count == limit:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(lambda name, _: change() if name in CHANGES else None)
    event.listen(Engine, "commit", lambda _: change())


def look(world: World, tenant: Tenant, rows: Any) -> bool:
    """Make sure that it is before or after, and write a row; say whether that was let in."""
    with world.open() as catalog:
        row = catalog.tenants.get_row(tenant.slug)
        assert catalog.audit.verify().first_bad is None
    assert ledger.read(row.tenant, world.settings) == rows
    written = world.write(row.tenant)
    old = replace(tenant, placement=world.before)
    if row.tenant.placement == world.after:
        assert written, "the new database takes writes"
        if row.former_placement and tenant_database(old, world.settings).exists():
            assert not world.write(old), "the old one does not"
    return written


def check_end(world: World, tenant: Tenant, rows: Any, *, written: bool) -> None:
    """Make sure that the move has been made and nothing of it is left."""
    with world.open() as catalog:
        row = catalog.tenants.get_row(tenant.slug)
    assert (row.tenant.placement, row.former_placement) == (world.after, "")
    assert row.moving_to == ""
    assert not tenant_database(tenant, world.settings).exists()
    found = ledger.read(row.tenant, world.settings)
    assert [person for person in found["person"] if person["id"] != 77] == rows["person"]
    assert any(person["id"] == 77 for person in found["person"]) == written
    assert world.write(row.tenant, 78)


def walk(world: World, apart: int) -> int:
    """Kill the move before each change, or each so many; return the number of the last one tried."""
    number = 1 - apart
    while True:
        number += apart
        tenant = world.create(f"site-{number}")
        rows = ledger.read(tenant, world.settings)
        SERVERS.clear()
        child = os.fork()
        if not child:
            watch(number)
            world.move(tenant.slug)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        try:
            if os.WIFEXITED(status):
                assert os.WEXITSTATUS(status) == 0, "failed without being killed"
                check_end(world, tenant, rows, written=False)
                return number - apart
            written = look(world, tenant, rows)
            world.move(tenant.slug)
            check_end(world, tenant, rows, written=written)
        except BaseException:
            print(f"killed before change {number}", file=sys.stderr)  # noqa: T201
            raise


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    folder = Path(told["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    print(walk(World(folder, told["databases"], *told["way"]), told["apart"]))  # noqa: T201
