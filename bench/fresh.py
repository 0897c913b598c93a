"""Whether a page from memory is ever older than a write that was acknowledged before it was asked for.

    make bench-fresh     # 4 writers, 16 readers, 30 s

The shipped uwsgi.ini runs with two workers. Writers wait a moment after each write, as people do. A
page is stale if it lacks a write that was answered, to any writer, before its reader asked. The last
line is JSON.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import socket
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from bench.counting_site import RENDERING
from bench.servers import LOOPBACK, configure, environment_of, serving
from bench.world import DOMAIN, open_world, settings_in
from tenantry.databases.placements import tenant_database

if TYPE_CHECKING:
    from tenantry.settings import Settings

SECONDS = float(os.environ.get("SECONDS", "30"))
WRITERS, READERS = 4, 16
PROCESSES = 2
"""Of readers; the writers have one."""
PAUSE = 0.5
"""Seconds between two writes of one writer, on average."""
HOST = f"site-0.{DOMAIN}"
_HEADER = f"{RENDERING}: ".lower().encode()


@dataclass(slots=True)
class Seen:
    """What some clients saw."""

    stale: list[str] = field(default_factory=list)
    read: int = 0
    written: int = 0
    failed: int = 0
    renderings: set[bytes] = field(default_factory=set)

    def add(self, other: Seen) -> None:
        """Count the others' too."""
        self.stale += other.stale
        self.read += other.read
        self.written += other.written
        self.failed += other.failed
        self.renderings |= other.renderings


def prepare(settings: Settings) -> None:
    """Make the tenant and its counter."""
    catalog = open_world(settings, tenants=1)
    database = tenant_database(catalog.tenants.get("site-0"), settings)
    database.create()
    with database.serving_engine().begin() as connection:
        connection.execute(text("CREATE TABLE counter (number INTEGER)"))
        connection.execute(text("INSERT INTO counter VALUES (0)"))
    database.close()
    catalog.close()
    (settings.run_dir / "reload").touch()


def ask(port: int, method: str) -> tuple[bytes, bytes]:
    """Return the head and the body of an answer."""
    request = f"{method} / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n".encode()
    with socket.create_connection((LOOPBACK, port), timeout=30) as peer:
        peer.sendall(request)
        received = b"".join(iter(lambda: peer.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body


def write(port: int, acknowledged: Any, until: float, seen: Seen) -> None:
    """Write, and tell everybody as soon as the answer is there."""
    while time.monotonic() < until:
        head, body = ask(port, "POST")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            seen.failed += 1
            continue
        with acknowledged.get_lock():
            acknowledged.value = max(acknowledged.value, int(body))
        seen.written += 1
        time.sleep(random.uniform(0.5, 1.5) * PAUSE)  # noqa: S311 - no secret


def read(port: int, acknowledged: Any, until: float, seen: Seen) -> None:
    """Read, and compare with what was acknowledged before."""
    while time.monotonic() < until:
        least = acknowledged.value
        head, body = ask(port, "GET")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            seen.failed += 1
            continue
        shown = int(body.partition(b"\n")[0])
        seen.read += 1
        if shown < least:
            seen.stale.append(f"{shown} after {least}")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(_HEADER):
                seen.renderings.add(line)


def run(task: Any, count: int, arguments: tuple[Any, ...], sender: Any) -> None:
    """Run so many clients in threads and report what they saw."""
    parts = [Seen() for _ in range(count)]
    threads = [threading.Thread(target=task, args=(*arguments, part)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Seen()
    for part in parts:
        whole.add(part)
    sender.send(whole)


def measure(port: int) -> Seen:
    """Let all write and read; return what they saw."""
    context = multiprocessing.get_context("fork")
    acknowledged = context.Value("q", 0)
    until = time.monotonic() + SECONDS
    tasks: list[tuple[Any, int]] = [(write, WRITERS)]
    tasks += [(read, READERS // PROCESSES)] * PROCESSES
    receivers = []
    for task, count in tasks:
        receiver, sender = context.Pipe(duplex=False)
        arguments = (task, count, (port, acknowledged, until), sender)
        context.Process(target=run, args=arguments, daemon=True).start()
        sender.close()
        receivers.append(receiver)
    whole = Seen()
    for receiver in receivers:
        whole.add(receiver.recv())
    return whole


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tenantry-fresh-") as name:
        folder = Path(name)
        settings = settings_in(folder / "var")
        prepare(settings)
        environment = environment_of(
            settings,
            TENANTRY_FACTORY="bench.counting_site:create_app",
            TENANTRY_PAGE_CACHE_MB="32",
            TENANTRY_PROCESSES="2",
        )
        ini = configure(folder / "fresh.ini", module="tenantry.wsgi:application")
        with serving(ini, folder=folder, host=HOST, environment=environment) as server:
            seen = measure(server.port)
    for line in seen.stale[:10]:
        print("stale:", line)
    rendered = len(seen.renderings)
    print(f"{WRITERS} writers, {READERS} readers, 2 workers, {SECONDS:g} s on SQLite")
    print(f"{seen.written:,} writes, {seen.read:,} pages of {rendered:,} renderings")
    figures = {
        "stale": len(seen.stale),
        "hit": round(1 - rendered / seen.read, 4) if seen.read else 0.0,
        "reads": seen.read,
        "writes": seen.written,
        "failed": seen.failed,
    }
    print(json.dumps(figures))
    if seen.stale or not seen.read or not seen.written:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
