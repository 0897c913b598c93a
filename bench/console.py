"""What the console's pages cost with very many sites, beside the same pages with a hundred.

    make bench-console              # 100,000 sites, on SQLite and on PostgreSQL
    N=2000 make bench-console       # so many

The shipped uwsgi.ini runs twice for each database, with few and with N sites in its catalog. An
operator signs in to both and opens each page in turn: the list of sites, the list of suspended ones,
three searches, a site, and the overview. A tenth of the sites is suspended. The last line is JSON:
`list_ratio` and the others are the time of a page with N sites in times of the same page with few, of
the database where that is higher. `bytes_year` is what the figures of a tenant take that has requests
in each minute.
"""

from __future__ import annotations

import http.client
import http.cookies
import json
import logging
import os
import re
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import psycopg
from sqlalchemy import make_url, text

from bench.postgres import catalog_server
from bench.servers import LOOPBACK, configure, environment_of, serving
from bench.world import DOMAIN, open_world
from tenantry.catalog import SYSTEM
from tenantry.catalog.engine import WRITE
from tenantry.databases.engines import ENGINES
from tenantry.resources.traffic import SPANS, TrafficFile
from tenantry.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

N = int(os.environ.get("N", "100000"))
ROUNDS = int(os.environ.get("ROUNDS", "30"))
FEW = 100
SUSPENDED = "UPDATE tenants SET state = 'suspended' WHERE slug LIKE '%7'"
EMAIL = "operator@example.com"
PASSWORD = "a purple lantern over the harbour"  # noqa: S105
TENANTS = 10
"""Tenants whose figures are written."""

PAGES = {
    "list": ("/tenants",),
    "filtered": ("/tenants?state=suspended",),
    # One site, every tenth, and all of them.
    "search": ("/tenants?search=site+{last}", "/tenants?search=site+1", "/tenants?search=site"),
    "site": ("/tenants/site-{last}",),
    "overview": ("/",),
}


class Operator:
    """A browser that has signed in to the console of a server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cookies = http.cookies.SimpleCookie()
        _, page = self.ask("/signin")
        found = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page)
        form = {"email": EMAIL, "password": PASSWORD, "csrf_token": found[1] if found else ""}
        status, page = self.ask("/signin", form)
        if status not in {302, 303}:
            raise SystemExit(f"The operator's sign-in was answered with {status}:\n{page[-2000:]}")

    def ask(self, path: str, form: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Return status and text of a page."""
        peer = http.client.HTTPConnection(LOOPBACK, self._port, timeout=120)
        headers = {
            "Host": f"{DOMAIN}:{self._port}",
            "Cookie": "; ".join(f"{name}={it.value}" for name, it in self._cookies.items()),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        peer.request("POST" if form else "GET", path, urlencode(form or {}), headers)
        answer = peer.getresponse()
        for line in answer.headers.get_all("Set-Cookie", ()):
            self._cookies.load(line)
        page = answer.read().decode()
        peer.close()
        return answer.status, page

    def look(self, path: str) -> float:
        """Open a page of the console; return the seconds."""
        began = time.perf_counter()
        status, page = self.ask(f"/backend{path}")
        seconds = time.perf_counter() - began
        if status != 200:
            raise SystemExit(f"{path} was answered with {status}:\n{page[-2000:]}")
        return seconds


def measure(folder: Path, server: str) -> dict[str, float]:
    """Open all pages with few and with many sites in turn; return the ratios of the medians."""
    kind = "postgresql" if server else "sqlite"
    with ExitStack() as stack:
        operators = {}
        for tenants in (FEW, N):
            environment = fill(folder, tenants, server)
            ini = configure(folder / f"{kind}-{tenants}.ini", module="tenantry.wsgi:application")
            running = stack.enter_context(
                serving(ini, folder=folder, host=DOMAIN, environment=environment)
            )
            operators[tenants] = Operator(running.port)
        ratios = {}
        for name, paths in PAGES.items():
            worst = 0.0
            for path in paths:
                took: dict[int, list[float]] = {FEW: [], N: []}
                for number in range(ROUNDS + 2):
                    for tenants, operator in operators.items():
                        seconds = operator.look(path.format(last=tenants - 3))
                        if number >= 2:  # statements are planned and templates compiled once
                            took[tenants].append(seconds)
                few, many = (median(took[tenants]) * 1000 for tenants in (FEW, N))
                print(f"{kind:11} {path:28} {few:8.1f} ms {many:8.1f} ms {many / few:6.2f}")
                worst = max(worst, many / few)
            ratios[name] = worst
    return ratios


def fill(folder: Path, tenants: int, server: str) -> dict[str, str]:
    """Make a catalog with so many sites and an operator; return the environment of their server.

    :param server: The URL of a PostgreSQL server; empty for a file.
    """
    name = f"sites_{tenants}"
    address = _create_database(server, name) if server else ""
    settings = load_settings(
        domain=DOMAIN,
        data_dir=folder / f"{name}{'_on_a_server' if server else ''}",
        access_log="off",
        secret_keys=("benchmark-" * 4,),
        catalog_url=address,
    )
    catalog = open_world(settings, tenants=tenants)
    operator = catalog.accounts.add(EMAIL, operator=True, by=SYSTEM)
    catalog.accounts.set_password(operator.id, PASSWORD, by=SYSTEM)
    with catalog.store.engine.connect().execution_options(**WRITE) as connection:
        connection.execute(text(SUSPENDED))
        connection.execute(text("ANALYZE"))
        connection.commit()
    catalog.close()
    ENGINES.clear()
    return environment_of(settings, TENANTRY_CATALOG_URL=settings.catalog_url)


def _create_database(server: str, name: str) -> str:
    """Make an empty database on a server, and return its URL."""
    plain = make_url(server).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def count_bytes(folder: Path) -> int:
    """Return what the figures of a tenant take that had requests whenever any are kept."""
    path = folder / "figures.sqlite3"
    file, end = TrafficFile(path), 1_800_000_000
    counts = {f"{number:032x}": [100.0] * 11 for number in range(TENANTS)}
    moments = {end - span.seconds * number for span in SPANS for number in range(span.kept)}
    for moment in sorted(moments):
        file.add(counts, at=moment)
    size = sum(part.stat().st_size for part in folder.glob(f"{path.name}*"))
    return size // (TENANTS + 1)  # all together have as many rows as each


def main() -> int:
    """Measure both databases; print a table and one line of JSON."""
    logging.disable(logging.WARNING)
    with (
        tempfile.TemporaryDirectory(prefix="tenantry-bench-", ignore_cleanup_errors=True) as name,
        catalog_server() as (url, _),
    ):
        folder = Path(name)
        found = [measure(folder, ""), measure(folder, url)]
        ratios = {f"{page}_ratio": round(max(ratio[page] for ratio in found), 2) for page in PAGES}
        print(json.dumps({**ratios, "bytes_year": count_bytes(folder)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
