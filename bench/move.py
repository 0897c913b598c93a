"""How long nobody can write to a site while it goes to another placement.

    make bench-move             # a tenant of 100,000 rows
    N=20000 make bench-move     # of so many

The shipped uwsgi.ini runs with the whole platform. Members write comments on a site of its own, one
after the other, and others read, while `tenantry tenant move` brings it from SQLite to PostgreSQL, and
then on to SQLite elsewhere. The peer is the plain way, on a second site with the same rows and under
the same load: close the site, write its rows out, read them into the new database, open it.

What counts is the longest time from one acknowledged write of any member to the next one: whether
writes were refused meanwhile, or waited. Afterwards every comment that was acknowledged is looked for.
The last line is JSON.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sqlalchemy import insert, select

import tenants
from bench.postgres import server as postgresql
from bench.servers import BIN, LOOPBACK, configure, environment_of, serving
from bench.world import DOMAIN
from tenantry.bundles.row_members import dump_database, fill_database, stored_tables
from tenantry.catalog import SYSTEM, open_catalog
from tenantry.databases.placements import tenant_database
from tenantry.factory import Factory
from tenantry.files.scratch import scratch_folder
from tenantry.lifecycle import Operations
from tenantry.lifecycle.export import describe
from tenantry.lifecycle.restore import DRAIN_SECONDS
from tenantry.settings import load_settings
from tenantry.values.tenant import TenantState
from tenants.models import Comment, Member, Post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.catalog import Catalog
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

ROWS = int(os.environ.get("N", "100000"))
WRITERS = 4
READERS = 2
POST = "/posts/welcome"
PASSWORD = "a purple lantern over the harbour"  # noqa: S105 - of a throw-away site
SOME = 20
"""Acknowledged writes before and after each move."""
PATIENCE = 60
BATCH = 5000


@dataclass
class Load:
    """Members who write, others who read, and what became of it."""

    port: int
    host: str
    acknowledged: list[tuple[float, str]] = field(default_factory=list)
    refused: int = 0
    unread: int = 0
    odd: list[int] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def write(self, name: str) -> None:
        """Be a member who writes one comment after the other."""
        member = Browser(self.port, self.host)
        form = {"name": name, "email": f"{name}@example.org", "password": PASSWORD}
        member.fill("/members/sign-up", form)
        member.fill("/members/sign-in", form)
        token = member.token(POST)
        for number in itertools.count():
            if self.stopping.is_set():
                return
            text = f"{name} writes number {number}"
            status = member.send(f"{POST}/comments", {"text": text, "csrf_token": token})
            if status == http.HTTPStatus.SEE_OTHER:
                self.acknowledged.append((time.monotonic(), text))
            elif status == http.HTTPStatus.SERVICE_UNAVAILABLE:
                self.refused += 1
                time.sleep(0.02)
            else:
                self.odd.append(status)

    def read(self) -> None:
        """Be a visitor who reads one page again and again."""
        visitor = Browser(self.port, self.host)
        while not self.stopping.is_set():
            self.unread += visitor.ask("GET", POST)[0] != http.HTTPStatus.OK

    def wait(self) -> None:
        """Wait until some more writes have been acknowledged."""
        wanted, deadline = len(self.acknowledged) + SOME, time.monotonic() + PATIENCE
        while len(self.acknowledged) < wanted:
            if time.monotonic() > deadline:
                raise SystemExit(f"Nobody can write to {self.host}: {self.odd[-3:]}")
            time.sleep(0.01)

    def pause(self, since: float) -> float:
        """Return the longest time between two acknowledged writes after *since*."""
        moments = [moment for moment, _ in sorted(self.acknowledged) if moment >= since]
        return max(later - sooner for sooner, later in itertools.pairwise(moments))


class Browser:
    """Keeps cookies and fills in forms."""

    def __init__(self, port: int, host: str) -> None:
        self._port = port
        self._host = host
        self._cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        """Send a request; return the status and the page."""
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=PATIENCE)
        headers = {
            "Host": self._host,
            "Origin": f"http://{self._host}",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
        }
        body = None
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            page = answer.read().decode()
            for line in answer.headers.get_all("Set-Cookie", []):
                name, _, value = line.partition(";")[0].partition("=")
                self._cookies[name] = value
            return answer.status, page
        finally:
            connection.close()

    def token(self, path: str) -> str:
        """Return the token of a page's form."""
        page = self.ask("GET", path)[1]
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        if found is None:
            raise SystemExit(f"{self._host}{path} has no form:\n{page[:400]}")
        return found[1]

    def send(self, path: str, form: dict[str, str]) -> int:
        """Send a form; return the status."""
        return self.ask("POST", path, form)[0]

    def fill(self, path: str, form: dict[str, str]) -> None:
        """Open the page of a form and send it."""
        status = self.send(path, {**form, "csrf_token": self.token(path)})
        if status != http.HTTPStatus.SEE_OTHER:
            raise SystemExit(f"{self._host}{path} answered {status}")


def main() -> int:
    """Move both sites there and on; print a table and one line of JSON."""
    result: dict[str, Any] = {"rows": ROWS}
    with tempfile.TemporaryDirectory(prefix="tenantry-move-") as name, postgresql() as url:
        if url is None:
            raise SystemExit("There is no PostgreSQL to be had: `make setup` brings one.")
        folder = Path(name)
        places: dict[str, Any] = {"local": "sqlite", "main": url, "disk": f"sqlite:///{name}/disk"}
        settings = load_settings(
            domain=DOMAIN,
            data_dir=folder,
            access_log=str(folder / "access.log"),
            secret_keys=("benchmark-" * 4,),
            databases=places,
        )
        catalog = open_catalog(settings)
        catalog.upgrade()
        for slug in ("moved", "plain"):
            _fill(_create(catalog, slug, settings), settings)
        environment = {
            **environment_of(settings),
            "TENANTRY_DATABASES": json.dumps(places),
            "TENANTRY_SECRET_KEYS": "benchmark-" * 4,
            "TENANTRY_THREADS": "8",
        }
        ini = configure(folder / "move.ini", module="tenantry.wsgi:application")
        host = f"moved.{DOMAIN}"
        with serving(ini, folder=folder, host=host, environment=environment) as running:
            print(f"{'':32} {'took s':>8} {'no write for s':>15} {'refused':>8} {'lost':>6}")
            measure = partial(_measure, catalog, settings, port=running.port, result=result)
            measure("moved", "move", go=partial(_move, environment))
            measure("plain", "peer", go=partial(_move_plainly, catalog, settings))
        catalog.close()
    result["refused_s"] = max(result["move_to_main_s"], result["move_to_disk_s"])
    result["peer_refused_s"] = min(result["peer_to_main_s"], result["peer_to_disk_s"])
    result["ratio"] = round(result["peer_refused_s"] / result["refused_s"], 1)
    print(json.dumps(result))
    return 0


def _create(catalog: Catalog, slug: str, settings: Settings) -> Tenant:
    factory = Factory(
        build=tenants.create_app,
        provision=partial(tenants.provision, settings=settings),
        find_migrations=lambda: tenants.MIGRATIONS,
    )
    made = Operations(catalog, factory, settings=settings, actor=SYSTEM).create(slug, name=slug)
    tenants.demonstrate(made, settings)
    return made


def _fill(tenant: Tenant, settings: Settings) -> None:
    """Write so many comments below a post that nobody looks at."""
    engine = tenant_database(tenant, settings).open_engine()
    with engine.begin() as connection:
        author = connection.scalar(select(Member.id).limit(1))
        shown = {"body": "A post.", "body_html": "<p>A post.</p>", "renderer": 1}
        post = insert(Post).values(slug="full", title="Full", author_id=author, **shown)
        post_id = connection.scalar(post.returning(Post.id))
        for first in range(0, ROWS, BATCH):
            rows = [
                {
                    "post_id": post_id,
                    "author_id": author,
                    "body": f"Comment number {number}, which says what comments say.",
                    "body_html": f"<p>Comment number {number}, which says what comments say.</p>",
                    "renderer": 1,
                }
                for number in range(first, min(first + BATCH, ROWS))
            ]
            connection.execute(insert(Comment), rows)
    engine.dispose()


def _measure(
    catalog: Catalog,
    settings: Settings,
    slug: str,
    way: str,
    *,
    go: Callable[[str, str], None],
    port: int,
    result: dict[str, Any],
) -> None:
    with _loaded(port, f"{slug}.{DOMAIN}") as load:
        for to in ("main", "disk"):
            refused = load.refused
            load.wait()
            started = time.monotonic()
            go(slug, to)
            took = time.monotonic() - started
            load.wait()
            pause = load.pause(started)
            lost = _count_lost(catalog.tenants.get(slug), settings, load)
            kind = settings.get_placement(to).kind
            label = f"{way} to {kind}"
            refused = load.refused - refused
            print(f"{label:32} {took:8.2f} {pause:15.3f} {refused:8} {lost:6}", flush=True)
            result[f"{way}_to_{to}_s"] = round(pause, 3)
            result[f"{way}_to_{to}_took_s"] = round(took, 2)
            name = "lost" if way == "move" else "peer_lost"
            result[name] = result.get(name, 0) + lost
    if way == "move":
        result["unread"] = load.unread
    if load.odd:
        raise SystemExit(f"The site answered {sorted(set(load.odd))}")


@contextmanager
def _loaded(port: int, host: str) -> Iterator[Load]:
    load = Load(port, host)
    threads = [threading.Thread(target=load.write, args=(f"member-{n}",)) for n in range(WRITERS)]
    threads += [threading.Thread(target=load.read) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stopping.set()
        for thread in threads:
            thread.join()


def _count_lost(tenant: Tenant, settings: Settings, load: Load) -> int:
    """Return how many acknowledged comments are not where the tenant lives."""
    told = {text for _, text in load.acknowledged}
    engine = tenant_database(tenant, settings).open_engine()
    with engine.connect() as connection:
        found = set(connection.scalars(select(Comment.body)))
    engine.dispose()
    return len(told - found)


def _move(environment: dict[str, str], slug: str, to: str) -> None:
    """Say the command, and let the old copy go."""
    for words in (["--to", to], ["--drop"]):
        done = subprocess.run(
            [BIN / "tenantry", "tenant", "move", slug, *words],
            cwd=Path(__file__).parents[1],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr)


def _move_plainly(catalog: Catalog, settings: Settings, slug: str, to: str) -> None:
    """Close the site, write its rows out, read them into the new database, open it."""
    tenant = catalog.tenants.get(slug)
    moved = replace(tenant, placement=to)
    catalog.tenants.transition(tenant.id, TenantState.MAINTENANCE, by=SYSTEM)
    time.sleep(DRAIN_SECONDS)  # for requests under way: what they write would be lost
    with scratch_folder(settings.data_dir) as parts:
        database, tables = dump_database(tenant_database(tenant, settings), parts, name=slug)
        manifest = describe(tenant, database=database, tables=tables)
        tenants.provision(moved, settings)
        rows = stored_tables(manifest, parts)
        fill_database(tenant_database(moved, settings), manifest, rows, name=slug)
    catalog.relocations.begin(tenant.id, to, by=SYSTEM)
    catalog.relocations.finish(tenant.id, to, detail={}, by=SYSTEM)
    catalog.tenants.transition(tenant.id, TenantState.ACTIVE, by=SYSTEM)
    catalog.relocations.forget_former(tenant.id, by=SYSTEM)


if __name__ == "__main__":
    sys.exit(main())
