"""A factory for the live tests: each tenant misbehaves as its slug says.

``raises`` cannot be built, ``hangs`` is not built until the file ``let-go`` appears, ``slow`` takes
five seconds. All others get an app whose paths do what their name says; see :data:`VIEWS`.
What happens is noted in the folder ``ODD_DIR``, which also holds the gates that requests wait at.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
import time
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from tenantry import Tenant

HERE = Path(os.environ["ODD_DIR"])
PATIENCE = 60.0
SLOW_SECONDS = 5.0
_numbers = count(1)


def note(book: str, line: str) -> None:
    """Append a line to a file of ``ODD_DIR``; short lines of two processes do not mix."""
    with (HERE / book).open("ab", buffering=0) as file:
        file.write(f"{line}\n".encode())


def wait_for(gate: str) -> None:
    """Wait until the test opens the gate."""
    deadline = time.monotonic() + PATIENCE
    while not (HERE / gate).exists() and time.monotonic() < deadline:
        time.sleep(0.01)


class OddApp:
    """A plain WSGI app, which says in each response whose it is."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.name = f"{tenant.slug}-{tenant.revision}-{os.getpid()}-{next(_numbers)}"
        self.kept: WSGIEnvironment = {}
        note("built", self.name)

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"].strip("/") or "site"
        note("handled", f"{self.tenant.slug} {path}")
        view = VIEWS.get(path)
        headers = [("Content-Type", "text/plain"), ("X-Site", self.tenant.slug)]
        headers.append(("X-Instance", self.name))
        if view is None:
            start("404 Not Found", headers)
            return [b"no such view\n"]
        if path == "twice":
            headers += [("Set-Cookie", "one=1"), ("Set-Cookie", "two=2")]
        query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
        if path == "lazy":
            return self.lazy(start, headers)
        if path == "fail" and "late" in query:
            start("200 OK", headers)
        body = view(self, environ, query)
        start("200 OK", headers)
        return body

    def lazy(self, start: StartResponse, headers: list[tuple[str, str]]) -> Iterator[bytes]:
        """Answer as a generator does: it says its status when its first part is asked for."""
        start("418 I'm a teapot", headers)
        yield b"short and stout"

    def site(self, _environ: WSGIEnvironment, _query: dict[str, str]) -> Iterable[bytes]:
        """Say whose site it is."""
        return [self.tenant.slug.encode()]

    def facts(self, environ: WSGIEnvironment, _query: dict[str, str]) -> Iterable[bytes]:
        """Tell what the app sees of its request and its process."""
        wanted = ("HTTP_HOST", "REMOTE_ADDR", "wsgi.url_scheme", "SCRIPT_NAME", "PATH_INFO")
        facts: dict[str, Any] = {name: environ.get(name) for name in wanted}
        facts["forwarded"] = sorted(
            name for name in environ if "FORWARD" in name and not name.startswith("werkzeug")
        )
        facts["pid"] = os.getpid()
        facts["threads"] = [thread.name for thread in threading.enumerate()]
        return [json.dumps(facts).encode()]

    def upload(self, environ: WSGIEnvironment, _query: dict[str, str]) -> Iterable[bytes]:
        """Tell length and digest of the body, read as an app reads it: so many bytes."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if sent := environ.get("tenantry.body"):
            sent.allow()
        body = environ["wsgi.input"].read(length)
        return [f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode()]

    def wait(self, _environ: WSGIEnvironment, query: dict[str, str]) -> Iterable[bytes]:
        """Answer when the test opens the gate."""
        note("waiting", query["gate"])
        wait_for(query["gate"])
        return [b"waited"]

    def drip(self, _environ: WSGIEnvironment, query: dict[str, str]) -> Iterable[bytes]:
        """Send a little, wait at the gate, send the rest."""

        def body() -> Iterator[bytes]:
            yield b"first,"
            wait_for(query["gate"])
            yield b"second,"
            yield b"last"

        return body()

    def flood(self, _environ: WSGIEnvironment, _query: dict[str, str]) -> Iterable[bytes]:
        """Send without end."""

        def body() -> Iterator[bytes]:
            try:
                while True:
                    yield b"x" * 65536
            finally:
                note("flood-ended", self.name)

        return body()

    def keep(self, environ: WSGIEnvironment, _query: dict[str, str]) -> Iterable[bytes]:
        """Keep the request, as a thread of the app does that outlives it; tell of the one before."""
        kept, self.kept = self.kept, environ
        told = {name: kept.get(name) for name in ("HTTP_HOST", "QUERY_STRING")}
        return [json.dumps(told).encode()]

    def fail(self, _environ: WSGIEnvironment, _query: dict[str, str]) -> Iterable[bytes]:
        """Raise; with ``?late=1`` after the response has begun."""
        raise ValueError("this view always raises")

    def twice(self, _environ: WSGIEnvironment, _query: dict[str, str]) -> Iterable[bytes]:
        """Send two cookies: see ``__call__``."""
        return [b"two"]

    def large(self, _environ: WSGIEnvironment, _query: dict[str, str]) -> Iterable[bytes]:
        """Send eight million bytes in pieces of different lengths."""
        return (bytes([n % 256]) * (n * 20) for n in range(900))

    def write(self, _environ: WSGIEnvironment, query: dict[str, str]) -> Iterable[bytes]:
        """Keep a line in a SQLite file; an answer means that it is kept."""
        with closing(sqlite3.connect(HERE / "kept.sqlite3", timeout=20)) as database:
            database.execute("PRAGMA synchronous = FULL")
            database.execute("INSERT INTO line VALUES (?)", (query["line"],))
            database.commit()
        return [b"kept"]


VIEWS: dict[str, Callable[[OddApp, WSGIEnvironment, dict[str, str]], Iterable[bytes]]] = {
    "site": OddApp.site,
    "facts": OddApp.facts,
    "upload": OddApp.upload,
    "wait": OddApp.wait,
    "drip": OddApp.drip,
    "flood": OddApp.flood,
    "keep": OddApp.keep,
    "fail": OddApp.fail,
    "write": OddApp.write,
    "twice": OddApp.twice,
    "large": OddApp.large,
    "lazy": OddApp.site,
}


def create_app(tenant: Tenant) -> OddApp:
    """Build the app, or misbehave."""
    if tenant.slug == "raises":
        raise ValueError("the factory of this tenant always raises")
    if tenant.slug == "hangs":
        note("hanging", str(os.getpid()))
        wait_for("let-go")
    if tenant.slug == "slow":
        note("slow-started", str(os.getpid()))
        time.sleep(SLOW_SECONDS)
    return OddApp(tenant)


def dispose(app: OddApp) -> None:
    """Note that the instance is gone."""
    note("disposed", app.name)
