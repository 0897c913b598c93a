"""What an app that knows of no tenants weighs for each tenant, and how long its first request takes.

The app has 40 routes, Flask-SQLAlchemy, Flask-Login and Flask-WTF. The same unchanged module is a full
instance and a flyweight. *KiB* is what the process grows by for each live tenant, database handles
aside. *First* is the build of a tenant's app with its first request, in alternating rounds.
*Pinning* is what it costs that a new Flask app is its tenant's before the factory's next line.
"""

from __future__ import annotations

import ctypes
import json
import logging
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from tenantry.databases.engines import ENGINES
from tenantry.flask.building import Build, building
from tenantry.flask.factories import load_factory
from tenantry.resources.gc_control import GcControl
from tenantry.settings import Settings
from tenantry.values.tenant import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.factory import Factory

FACTORY = "bench.adopted_shop:create_app"
FULL = int(os.environ.get("FULL", "100"))
FLYWEIGHTS = int(os.environ.get("N", "3000"))
ROUNDS = int(os.environ.get("ROUNDS", "40"))
PINS = 200
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


def main() -> int:
    """Measure; print a table and one line of JSON."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="tenantry-adopt-") as folder:
        settings = Settings(
            data_dir=Path(folder),
            secret_keys="k" * 32,  # type: ignore[arg-type]
            access_log="off",
            factory=FACTORY,
        )
        _make_databases(settings, max(FULL, FLYWEIGHTS, 2 * ROUNDS) + 1)
        # Each in a process of its own: what one kind frees, the other would use without growth.
        kib = {
            kind: _apart(partial(_weigh, settings, kind, number))
            for kind, number in (("full", FULL), ("flyweight", FLYWEIGHTS))
        }
        ms, pin_us = _apart(lambda: (_time(settings), _time_pins(settings)))
    print(f"{'':12} {'KiB each':>9} {'first ms':>9}")
    for kind in ("full", "flyweight"):
        print(f"{kind:12} {kib[kind]:9.2f} {ms[kind]:9.2f}")
    print(f"pinning: {pin_us:.0f} us for each build")
    result = {
        "full_kib": round(kib["full"], 1),
        "flyweight_kib": round(kib["flyweight"], 2),
        # A handful of flyweights may fit into what the process has freed.
        "ratio": round(kib["full"] / max(kib["flyweight"], 0.01), 1),
        "full_ms": round(ms["full"], 2),
        "flyweight_ms": round(ms["flyweight"], 2),
        "pin_us": round(pin_us),
    }
    print(json.dumps(result))
    return 0


def _make_databases(settings: Settings, number: int) -> None:
    """Provision one tenant, and give each other one its files."""
    first = _tenant(0)
    _apart(lambda: load_factory(settings).provision(first))
    folder = settings.tenant_dir(first.id)
    for index in range(1, number):
        own = settings.tenant_dir(_tenant(index).id)
        own.mkdir()
        for file in folder.glob("*.sqlite3"):
            (own / file.name).hardlink_to(file)


def _apart(task: Callable[[], Any]) -> Any:
    """Run *task* in a forked child and return what it found."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send(task()))
    child.start()
    sender.close()
    found = receiver.recv()
    child.join()
    return found


def _factory(settings: Settings, kind: str) -> Factory:
    return load_factory(settings.model_copy(update={"instances": kind}))


def _weigh(settings: Settings, kind: str, number: int) -> float:
    factory, collector = _factory(settings, kind), GcControl()
    _serve(factory.build(_tenant(0)))  # prototype, templates and statements are made once
    ENGINES.clear()
    collector.begin()  # as a worker does when it has loaded
    before = _resident_kib()
    live = []
    for index in range(1, number + 1):
        app = factory.build(_tenant(index))
        _serve(app)
        live.append(app)
        collector.note_built()
    ENGINES.clear()  # database handles are counted apart
    collector.tend()
    ctypes.CDLL(None).malloc_trim(0)
    return (_resident_kib() - before) / number


def _time(settings: Settings) -> dict[str, float]:
    factories = {kind: _factory(settings, kind) for kind in ("full", "flyweight")}
    for factory in factories.values():
        _serve(factory.build(_tenant(0)))
    seconds: dict[str, list[float]] = {kind: [] for kind in factories}
    for index in range(ROUNDS):
        for offset, (kind, factory) in enumerate(factories.items()):
            tenant = _tenant(2 * index + offset + 1)
            started = time.perf_counter()
            _serve(factory.build(tenant))
            seconds[kind].append(time.perf_counter() - started)
    return {kind: statistics.median(values) * 1000 for kind, values in seconds.items()}


def _time_pins(settings: Settings) -> float:
    """Return the microseconds by which a new Flask app takes longer for a tenant."""
    extra = []
    for index in range(PINS):
        started = time.thread_time()  # its own: other load on the machine does not count
        Flask("bare")
        between = time.thread_time()
        with building(Build(_tenant(index), settings)):
            Flask("bare")
        extra.append((time.thread_time() - between) - (between - started))
    return statistics.median(extra) * 1e6


def _tenant(index: int) -> Tenant:
    return Tenant(id=f"{index:032x}", slug=f"site{index}", name=f"Site {index}")


def _serve(app: Any) -> None:
    environ = EnvironBuilder(path="/", base_url="http://site.localhost:8000").get_environ()
    body, status, _ = run_wsgi_app(app, environ, buffered=True)
    assert status.startswith("200"), status
    list(body)


def _resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KIB


if __name__ == "__main__":
    sys.exit(main())
