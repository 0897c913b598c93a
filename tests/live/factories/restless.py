"""The bundled site from a factory with moods, for a long and rough run.

A slug's first word says what its tenant is like: ``full`` is a whole Flask app, ``sulky`` cannot be
built at every third revision, ``late`` takes longer than a visitor is patient, ``drip`` sends slowly.
All others get the flyweight. What is built and disposed of is noted in the folder ``RESTLESS_DIR``.
"""

from __future__ import annotations

import gc
import json
import os
import threading
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from flask import Flask

import tenants
from tenants.site import build_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry import Tenant

HERE = Path(os.environ["RESTLESS_DIR"])
LATE_SECONDS = 0.7
DRIPS = 6
DRIP_SECONDS = 0.02
_numbers = count(1)
_names: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


class Drip:
    """A plain WSGI app that takes its time, and tells what is alive in its process."""

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        start("200 OK", [("Content-Type", "text/plain")])
        if environ["PATH_INFO"] == "/alive":
            gc.collect()
            return [json.dumps(self._alive()).encode()]
        return self._drip()

    def _drip(self) -> Iterator[bytes]:
        for _ in range(DRIPS):
            yield b"drip\n"
            time.sleep(DRIP_SECONDS)

    def _alive(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "instances": sorted(name for app, name in list(_names.items()) if app is not self),
            "threads": [thread.name for thread in threading.enumerate()],
        }


def create_app(tenant: Tenant) -> WSGIApplication:
    """Build the app, or be in no mood to."""
    kind = tenant.slug.partition("-")[0]
    if kind == "sulky" and tenant.revision % 3 == 0:
        raise RuntimeError("not today")
    if kind == "late":
        time.sleep(LATE_SECONDS)
    makers: dict[str, Callable[[], WSGIApplication]] = {"drip": Drip, "full": build_site}
    app = makers[kind]() if kind in makers else tenants.create_app(tenant)
    _names[app] = f"{tenant.slug} {tenant.revision} {os.getpid()} {next(_numbers)}"
    _note("built", _names[app])
    return app


prepare = tenants.prepare


def dispose(app: WSGIApplication) -> None:
    """Close what the app has open, and note that it is gone."""
    if isinstance(app, Flask):
        tenants.dispose(app)
    _note("disposed", _names[app])


def _note(book: str, line: str) -> None:
    with (HERE / book).open("ab", buffering=0) as file:
        file.write(f"{line}\n".encode())
