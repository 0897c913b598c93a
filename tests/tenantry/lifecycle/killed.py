"""A program that lets an operation be killed before each thing that it does to a disk or a database.

It forks for each try; the child dies by SIGKILL, and the parent looks at what is left, says the same
again, and looks once more. Its one argument is the operation; it prints how often it was killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event

from tenantry.catalog import SYSTEM, Catalog, ChangeSignal
from tenantry.catalog.engine import open_engine
from tenantry.catalog.schema import upgrade
from tenantry.errors import TenantExistsError
from tenantry.lifecycle import create_tenant, export_tenant, import_tenant
from tenantry.lifecycle.backup import backup_tenant, backups_dir
from tenantry.lifecycle.clone import clone_tenant
from tenantry.lifecycle.restore import restore_tenant
from tenantry.lifecycle.verify import verify_backup
from tenantry.settings import Settings
from tenantry.tenant import TenantState
from tests.tenantry.lifecycle import ledger

if TYPE_CHECKING:
    from collections.abc import Callable

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree", "sqlite3.connect"}


class World:
    """A platform in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(
            domain="example.test",
            base_url="http://example.test",
            data_dir=folder / "data",
            secret_keys="k" * 40,  # type: ignore[arg-type]
        )
        self.factory = ledger.make_factory(self.settings)
        self.bundle = folder / "acme.tenant"

    def open(self) -> closing[Catalog]:
        """Open the catalog."""
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        engine = open_engine(f"sqlite:///{self.folder}/data/catalog.sqlite3")
        signal_ = ChangeSignal(self.folder / "data" / "epoch")
        return closing(Catalog(engine, domain="example.test", signal=signal_))

    def content(self, slug: str) -> Any:
        """Return all rows and files of a site."""
        with self.open() as catalog:
            tenant = catalog.get_tenant(slug)
        folder = self.settings.tenant_dir(tenant.id)
        files = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and "sqlite3" not in path.name
        }
        return ledger.read(tenant, self.settings), files

    def do(self, name: str) -> None:
        """Say the command once; being told that it is done already is all right."""
        options: dict[str, Any] = {"settings": self.settings, "by": SYSTEM}
        with self.open() as catalog:
            if name == "export":
                if not (self.folder / "out").exists():
                    export_tenant(catalog, "acme", self.folder / "out", **options)
            elif name == "backup":
                backup_tenant(catalog, "acme", **options)
            elif name == "restore":
                restore_tenant(catalog, "acme", self.bundle, drain=0, **options)
            else:
                with suppress(TenantExistsError):
                    if name == "import":
                        import_tenant(catalog, self.factory, self.bundle, slug="copy", **options)
                    else:
                        clone_tenant(catalog, self.factory, "acme", "copy", **options)


def prepare(folder: Path) -> World:
    """Make a platform with a site, its neighbour, and a backup that is older than the site."""
    world = World(folder)
    with world.open() as catalog:
        upgrade(catalog.engine)
        for slug in ("acme", "globex"):
            made = create_tenant(
                catalog, world.factory, slug, name=slug, settings=world.settings, by=SYSTEM
            )
            ledger.write(made, world.settings)
        found = backup_tenant(catalog, "acme", settings=world.settings, by=SYSTEM)
        shutil.move(found.path, world.bundle)
        acme = catalog.get_tenant("acme")
    (world.settings.tenant_dir(acme.id) / "new").write_text("since then")
    return world


def watch(limit: int, folder: Path) -> None:
    """Kill this process before its change number *limit*."""
    count = 0

    def change() -> None:
        nonlocal count
        count += 1
        if count == limit:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & WRITING and str(path).startswith(str(folder)):
                change()
        elif name in CHANGES:
            change()

    sys.addaudithook(hook)
    event.listen(Engine, "commit", lambda _: change())


def look(world: World, name: str, contents: dict[str, Any], *, ended: bool) -> None:
    """Make sure that this is before or after, and after if the command has *ended*."""
    with world.open() as catalog:
        acme, copy = catalog.get_tenant("acme"), catalog.find_tenant("copy")
        known = {f"t_{row.tenant.id}" for row in catalog.list_tenants().items}
        assert catalog.check_audit() is None
    assert world.content("globex") == contents["globex"]
    if acme.state is TenantState.ACTIVE:
        possible = ["before", "backup"] if name == "restore" else ["before"]
        assert world.content("acme") in [contents[key] for key in possible]
    if copy is not None and copy.state is TenantState.ACTIVE:
        assert world.content("copy") == contents["backup" if name == "import" else "before"]
    for path in (world.folder / "out", *backups_dir(world.settings).rglob("2*.tenant")):
        if path.exists():
            verify_backup(path, settings=world.settings)
    if ended:
        assert acme.state is TenantState.ACTIVE
        check_end(world, name, contents)
        folders = {path.name for path in (world.settings.data_dir / "tenants").iterdir()}
        assert folders == known, (folders, known)
        assert not list((world.settings.data_dir / "scratch").iterdir())
        assert not list(world.folder.rglob("*.partial"))


def check_end(world: World, name: str, contents: dict[str, Any]) -> None:
    """Make sure that the command has done what it is for."""
    if name == "export":
        assert (world.folder / "out").exists()
    elif name == "backup":
        assert list(backups_dir(world.settings).rglob("2*.tenant"))
    elif name == "restore":
        assert world.content("acme") == contents["backup"]
        (home,) = (world.settings.data_dir / "restores").iterdir()
        assert {path.name for path in home.iterdir()} == {"old"}
    else:
        world.content("copy")


def walk(name: str, home: Path) -> int:
    """Kill the operation before each of its changes; return how many there were."""
    pristine = prepare(home / "pristine")
    contents = {slug: pristine.content(slug) for slug in ("acme", "globex")}
    before = contents["before"] = contents.pop("acme")
    contents["backup"] = (before[0], {k: v for k, v in before[1].items() if k != "new"})
    number = 0
    while True:
        number += 1
        folder = home / "world"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(pristine.folder, folder)
        world = World(folder)
        child = os.fork()
        if not child:
            watch(number, folder)
            world.do(name)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, f"failed without being killed, at {number}"
            look(world, name, contents, ended=True)
            return number - 1
        try:
            look(world, name, contents, ended=False)
            world.do(name)
            look(world, name, contents, ended=True)
        except BaseException:
            print(f"{name}: killed before change {number}", file=sys.stderr)  # noqa: T201
            raise


def run(operation: Callable[[str, Path], int]) -> None:
    """Run it in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as home:
        print(operation(sys.argv[1], Path(home)))  # noqa: T201


if __name__ == "__main__":
    run(walk)
