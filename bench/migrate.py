"""A run of migrations over a thousand tenants on each kind of placement, beside a plain loop.

- Nothing to do: the whole command, `tenantry migrate`, from start to end, over 1,000 tenants of a kind.
- One added column: the whole command again, with its record, audit and change feed, over all tenants of
  a kind, with as many jobs as there are processors.
- The peer: `alembic upgrade head` for one tenant after the other, as a script calls it in one process
  (`alembic.command.upgrade` with the `env.py` that `alembic init` writes), on a sample of other tenants
  with the same databases. A shell's loop, which starts `alembic` for each, is measured on a few.

`sqlite_ratio` and `postgresql_ratio` are those to the loop in one process, the harder one; the goal is
2 on SQLite and 3 on PostgreSQL, with two processors. The start of Python and its libraries counts for
the command and not for the loop. The history has 20 revisions and the one that is added
(bench/history.py), and no tenant has any rows.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.config import Config
from sqlalchemy import make_url, update

from bench.history import LENGTH, add_column, write_history
from bench.postgres import server
from bench.world import DOMAIN, open_world
from tenantry.catalog.engine import WRITE
from tenantry.catalog.models import TenantRecord
from tenantry.databases.placements import tenant_database
from tenantry.migrations import provision_database
from tenantry.settings import Settings, load_settings
from tenantry.values.tenant import Tenant

if TYPE_CHECKING:
    from tenantry.catalog import Catalog

TENANTS = int(os.environ.get("N", "1000"))
SAMPLE = int(os.environ.get("SAMPLE", "60"))
SHELL = int(os.environ.get("SHELL_SAMPLE", "5"))
BIN = Path(sys.executable).parent
FACTORY = """
MIGRATIONS = {history!r}
def create_app(tenant): raise NotImplementedError
"""


@dataclass
class World:
    """Tenants of one kind, at the newest schema revision."""

    kind: str
    settings: Settings
    catalog: Catalog
    history: Path
    environment: dict[str, str]

    def url_of(self, tenant: Tenant) -> str:
        """Return the URL that a script would give Alembic."""
        database = tenant_database(tenant, self.settings)
        if database.file is not None:
            return f"sqlite:///{database.file}"
        url = make_url(self.settings.get_placement("local").url)
        name = f"t_{tenant.id}"
        options = {"options": f"-csearch_path={name} -crole={name}"}
        return url.update_query_dict(options).render_as_string(hide_password=False)

    def command(self, *arguments: str) -> float:
        """Run the program and return the seconds that it took."""
        started = time.perf_counter()
        subprocess.run(
            [BIN / "tenantry", "migrate", *arguments],
            env=self.environment,
            cwd=self.history.parent,
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - started


def main() -> int:
    """Measure each kind; print a table and one line of JSON."""
    logging.disable(logging.WARNING)
    result: dict[str, Any] = {"tenants": TENANTS, "jobs": _jobs()}
    noop = []
    with tempfile.TemporaryDirectory(prefix="tenantry-migrate-") as name, server() as url:
        for kind, address in {"sqlite": "sqlite", "postgresql": url}.items():
            if address is None:
                print("No PostgreSQL server could be started: it is left out.")
                continue
            world = _make(Path(name) / kind, kind, address)
            noop.append(min(world.command() for _ in range(3)))
            add_column(world.history, LENGTH + 1)
            seconds = world.command("--jobs", str(_jobs()))
            rate = TENANTS / seconds
            loop, shell = _loop(world), _shell(world)
            result[f"{kind}_ratio"] = round(rate / loop, 1)
            result[f"{kind}_shell_ratio"] = round(rate / shell)
            result[f"{kind}_rate"] = round(rate)
            print(f"{kind}: nothing to do {noop[-1]:.2f} s")
            print(f"{kind}: one column, {TENANTS} tenants {seconds:.2f} s, {rate:.0f} a second")
            print(f"{kind}: a loop in one process {loop:.1f} a second, a shell's {shell:.2f}")
            world.catalog.close()
    print(json.dumps(result | {"noop_s": round(max(noop), 3)}))
    return 0


def _make(folder: Path, kind: str, address: str) -> World:
    history = write_history(folder / "history")
    (folder / "bench_factory.py").write_text(FACTORY.format(history=str(history)))
    settings = load_settings(
        domain=DOMAIN,
        data_dir=folder / "data",
        access_log="off",
        secret_keys=("benchmark-" * 4,),
        databases={"local": address},
    )
    catalog = open_world(settings, tenants=TENANTS)
    for tenant in [*_tenants(TENANTS), *_tenants(SAMPLE + SHELL, first=TENANTS)]:
        provision_database(tenant, settings, history)
    with (
        catalog.store.engine.connect().execution_options(**WRITE) as connection,
        connection.begin(),
    ):
        connection.execute(update(TenantRecord).values(schema_revision=f"{LENGTH:04}"))
    databases = address if address == "sqlite" else json.dumps({"local": address})
    environment = os.environ | {
        "TENANTRY_DOMAIN": DOMAIN,
        "TENANTRY_DATA_DIR": str(settings.data_dir),
        "TENANTRY_FACTORY": "bench_factory:create_app",
        "TENANTRY_SECRET_KEYS": "benchmark-" * 4,
        "TENANTRY_DATABASES": "" if address == "sqlite" else databases,
    }
    return World(kind, settings, catalog, history, environment)


def _tenants(count: int, *, first: int = 0) -> list[Tenant]:
    numbers = range(first, first + count)
    return [Tenant(f"{number:032x}", f"site-{number}", f"Site {number}") for number in numbers]


def _loop(world: World) -> float:
    """Return the tenants a second of a loop in one process."""
    sample = _tenants(SAMPLE, first=TENANTS)
    started = time.perf_counter()
    for tenant in sample:
        config = Config()
        config.set_main_option("script_location", str(world.history))
        config.set_main_option("sqlalchemy.url", world.url_of(tenant).replace("%", "%%"))
        command.upgrade(config, "head")
    return SAMPLE / (time.perf_counter() - started)


def _shell(world: World) -> float:
    """Return the tenants a second of a loop that starts a program for each."""
    taken = 0.0
    for tenant in _tenants(SHELL, first=TENANTS + SAMPLE):
        file = world.history / "alembic.ini"
        url = world.url_of(tenant).replace("%", "%%")
        file.write_text(f"[alembic]\nscript_location = {world.history}\nsqlalchemy.url = {url}\n")
        started = time.perf_counter()
        subprocess.run(
            [BIN / "alembic", "-c", file, "upgrade", "head"], check=True, capture_output=True
        )
        taken += time.perf_counter() - started
    return SHELL / taken


def _jobs() -> int:
    with suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if __name__ == "__main__":
    sys.exit(main())
