"""How long a sign-up takes: from the form that is sent to the first byte of the new site's page.

A visitor asks for the form, waits as people do, and sends it. The platform makes the site and its
owner, and answers with the address at which the owner is signed in at the site; the visitor goes there
and on to the site's page. That is measured through real uWSGI, with the tenants on SQLite and on
PostgreSQL; beside it a page of a site that is in memory, asked in turn.

Then N sign-ups come, four at a time, while a visitor asks another site for its page: its 99th
percentile is compared with that of rounds in between, without sign-ups. Each sign-up comes from a
network of its own, as far as the platform can tell: it stands behind one trusted proxy.
"""

from __future__ import annotations

import http.client
import http.cookies
import itertools
import json
import logging
import os
import re
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bench.postgres import server
from bench.servers import LOOPBACK, configure, environment_of, serving
from bench.world import open_world
from tenantry.databases.engines import ENGINES
from tenantry.settings import load_settings

ROUNDS = int(os.environ.get("ROUNDS", "30"))
N = int(os.environ.get("N", "200"))
AT_ONCE = 4
PARTS = 4
DOMAIN = "localhost"
PASSWORD = "a purple lantern over the harbour"  # noqa: S105
AS_PEOPLE_TYPE = 1.6
SEQUENCE = itertools.count(1)


class Visitor:
    """A browser of its own, on a network of its own: keeps cookies by host."""

    def __init__(self, port: int) -> None:
        number = next(SEQUENCE)
        self._port = port
        self._address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        self._cookies: dict[str, http.cookies.SimpleCookie] = {}
        self.name = f"new-{number}"

    def ask(self, host: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
        """Return status, where the answer leads, and its text; the text's first byte is waited for."""
        cookies = self._cookies.setdefault(host, http.cookies.SimpleCookie())
        form_type = {"Content-Type": "application/x-www-form-urlencoded"}
        headers = self._headers(host) | ({} if form is None else form_type)
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=60)
        method, body = ("GET", None) if form is None else ("POST", urlencode(form))
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        for line in answer.headers.get_all("Set-Cookie", ()):
            cookies.load(line)
        text = answer.read().decode()
        connection.close()
        refresh = answer.headers.get("Refresh", "").partition("url=")[2]
        return answer.status, answer.headers.get("Location", "") or refresh, text

    def head(self, host: str, path: str) -> bytes:
        """Return a request of this browser, to be sent as often as one likes."""
        lines = [f"{name}: {value}" for name, value in self._headers(host).items()]
        return "\r\n".join((f"GET {path} HTTP/1.1", *lines, "", "")).encode()

    def _headers(self, host: str) -> dict[str, str]:
        cookies = self._cookies.get(host, http.cookies.SimpleCookie())
        return {
            "Host": f"{host}:{self._port}",
            "Cookie": "; ".join(f"{name}={it.value}" for name, it in cookies.items()),
            "X-Forwarded-For": self._address,
            "X-Forwarded-Proto": "http",
        }

    def fill_in(self) -> dict[str, str]:
        """Return the form, ready to be sent."""
        _, _, page = self.ask(DOMAIN, "/signup")
        fields = dict(re.findall(r'name="(csrf_token|stamp)"[^>]* value="([^"]+)"', page))
        typed = {"slug": self.name, "title": "A new site", "password": PASSWORD}
        return {**fields, **typed, "email": f"{self.name}@example.com"}

    def sign_up(self, form: dict[str, str]) -> float:
        """Send the form and go on to the site's page; return the seconds."""
        started = time.perf_counter()
        status, url, text = self.ask(DOMAIN, "/signup", form)
        if status != 200 or not url:
            raise SystemExit(f"The sign-up was answered with {status}:\n{text[-2000:]}")
        host, path = urlsplit(url).hostname or "", urlsplit(url).path
        _, onward, _ = self.ask(host, path)
        status, _, text = self.ask(host, onward)
        seconds = time.perf_counter() - started
        if status != 200 or "Write the first post" not in text:
            raise SystemExit(f"The new site's page came with {status}")
        return seconds


def look(port: int, host: str) -> float:
    """Ask for a page of a site that is in memory; return the seconds."""
    started = time.perf_counter()
    status, _, _ = Visitor(port).ask(host, "/")
    if status != 200:
        raise SystemExit(f"The hot page came with {status}")
    return time.perf_counter() - started


def main() -> int:
    """Measure each kind of placement; print a table and one line of JSON."""
    logging.disable(logging.WARNING)
    result: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="tenantry-signup-") as name, server() as url:
        kinds = {"sqlite": "sqlite"} | ({"postgresql": url} if url else {})
        for kind, address in kinds.items():
            result |= _measure(Path(name), kind, address)
    for kind in kinds:
        ratio = result[f"{kind}_ms"] / result[f"{kind}_hot_page_ms"]
        result[f"{kind}_ratio"] = round(ratio, 1)
    result["hot_page_ms"] = result["sqlite_hot_page_ms"]
    print(json.dumps(result))
    return 0


def _measure(folder: Path, kind: str, address: str) -> dict[str, float]:
    settings = load_settings(
        domain=DOMAIN,
        data_dir=folder / kind,
        access_log="off",
        secret_keys=("benchmark-" * 4,),
        databases={"local": address},
        trusted_proxies=1,
    )
    catalog = open_world(settings, tenants=0)
    catalog.close()
    ENGINES.clear()
    environment = environment_of(
        settings,
        TENANTRY_TRUSTED_PROXIES="1",
        TENANTRY_SIGNUP="open",
        TENANTRY_DATABASES=json.dumps({"local": address}),
    )
    ini = configure(folder / f"{kind}.ini", module="tenantry.wsgi:application")
    with serving(ini, folder=folder, host=DOMAIN, environment=environment) as running:
        hot_site = Visitor(running.port)
        form = hot_site.fill_in()
        time.sleep(AS_PEOPLE_TYPE)
        hot_site.sign_up(form)
        host = f"{hot_site.name}.{DOMAIN}"
        new, hot = _in_turn(running.port, host)
        print(f"{kind:12} sign-up p50 {new:7.1f} ms   hot page p50 {hot:6.2f} ms")
        found = {f"{kind}_ms": round(new, 1), f"{kind}_hot_page_ms": round(hot, 2)}
        if kind == "sqlite":
            ratio = _beside(running.port, host)
            print(f"{kind:12} another site's p99 beside {N} sign-ups: {ratio:.2f} times")
            found["hot_p99_ratio"] = round(ratio, 2)
    return found


def _in_turn(port: int, host: str) -> tuple[float, float]:
    """Return the medians of sign-ups and of hot pages, in milliseconds."""
    visitors = [Visitor(port) for _ in range(ROUNDS + 2)]
    forms = [visitor.fill_in() for visitor in visitors]
    time.sleep(AS_PEOPLE_TYPE)
    new, hot = [], []
    for number, (visitor, form) in enumerate(zip(visitors, forms, strict=True)):
        seconds, pages = visitor.sign_up(form), [look(port, host) for _ in range(5)]
        if number >= 2:  # templates and statements are made once
            new.append(seconds)
            hot += pages
    return statistics.median(new) * 1000, statistics.median(hot) * 1000


def _beside(port: int, host: str) -> float:
    """Return the hot page's 99th percentile beside sign-ups, against rounds without any."""
    quiet: list[float] = []
    busy: list[float] = []
    for _ in range(PARTS):
        visitors = [Visitor(port) for _ in range(max(1, N // PARTS))]
        forms = [visitor.fill_in() for visitor in visitors]
        time.sleep(AS_PEOPLE_TYPE)
        begun = len(busy)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            pairs = zip(visitors, forms, strict=True)
            jobs = [pool.submit(visitor.sign_up, form) for visitor, form in pairs]
            while not all(job.done() for job in jobs):
                busy.append(look(port, host))
        for job in jobs:
            job.result()
        quiet += [look(port, host) for _ in range(len(busy) - begun)]
    return _p99(busy) / _p99(quiet)


def _p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


if __name__ == "__main__":
    sys.exit(main())
