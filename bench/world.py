"""A real catalog of many tenants, and requests for some of them."""

from __future__ import annotations

import io
import random
import sys
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from tenantry import init_tenant
from tenantry.catalog import Catalog, open_catalog
from tenantry.catalog.engine import WRITE
from tenantry.catalog.models import TenantRecord, now
from tenantry.catalog.word_index import rebuild_words
from tenantry.settings import Settings, load_settings
from tenants.site import build_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask import Flask

    from tenantry.values.tenant import Tenant

DOMAIN = "localhost"
HOST = f"{DOMAIN}:8000"
BATCH = 20_000
PATHS = ("/", "/posts/measuring-twice-in-software", "/posts/", "/theme.css", "/feed.xml")


def trivial(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with three bytes: the app around which everything is measured."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]


def full_site(tenant: Tenant, settings: Settings) -> Flask:
    """Return the bundled site as a full app of the tenant's own, as a plain factory makes it."""
    app = build_site()
    init_tenant(app, tenant, settings=settings)
    return app


def settings_in(folder: Path) -> Settings:
    """Return the defaults of a deployment, with its data and its access log in *folder*.

    Pages are rendered and never from memory: what a page costs is a part of what is measured.
    """
    return load_settings(
        domain=DOMAIN,
        data_dir=folder,
        access_log=str(folder / "access.log"),
        secret_keys=("benchmark-" * 4,),
        page_cache_mb=0,
    )


def open_world(
    settings: Settings, *, tenants: int, slug: Callable[[int], str] = "site-{}".format
) -> Catalog:
    """Make a catalog with so many active tenants: ``site-0``, ``site-1`` ...

    :param slug: Names them otherwise, each by its number, which is its id too.
    """
    catalog = open_catalog(settings)
    catalog.upgrade()
    with (
        catalog.store.engine.connect().execution_options(**WRITE) as connection,
        connection.begin(),
    ):
        for first in range(0, tenants, BATCH):
            numbers = range(first, min(first + BATCH, tenants))
            rows = [_row(number, slug(number)) for number in numbers]
            connection.execute(insert(TenantRecord), rows)
        rebuild_words(connection)
    return catalog


def _row(number: int, slug: str) -> dict[str, Any]:
    return {
        "id": f"{number:032x}",
        "slug": slug,
        "name": f"Site {number}",
        "state": "active",
        "reason": "",
        "plan": "free",
        "placement": "local",
        "revision": 1,
        "settings": {"tagline": f"The site with the number {number}", "listed": False},
        "listed": False,
        "created_at": now(),
    }


def visits(*, tenants: int, visited: int, requests: int) -> list[WSGIEnvironment]:
    """Return requests for some tenants, half of them for one; the same ones at each call."""
    dice = random.Random(20261121)  # noqa: S311 - no secret
    slugs = [f"site-{number}" for number in dice.sample(range(tenants), min(visited, tenants))]
    made = {(slug, path): _environ(slug, path) for slug in slugs for path in PATHS}
    weights = [len(slugs) - 1, *[1] * (len(slugs) - 1)]
    asked = dice.choices(slugs, weights, k=requests)
    return [made[slug, dice.choice(PATHS)] for slug in asked]


def _environ(slug: str, path: str) -> WSGIEnvironment:
    """Return what uWSGI hands over for a page load of a browser."""
    return {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": path,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "bench",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "50412",
        "CONTENT_TYPE": "",
        "CONTENT_LENGTH": "",
        "HTTP_HOST": f"{slug}.{HOST}",
        "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "HTTP_ACCEPT_LANGUAGE": "en-GB,en;q=0.7,de;q=0.3",
        "HTTP_ACCEPT_ENCODING": "gzip, deflate, br, zstd",
        "HTTP_COOKIE": "session=eyJfZnJlc2giOmZhbHNlfQ.aR8wVA.pJ0bB3i2w3mYjJXJ7mZ2d1Z8c0Q",
        "HTTP_CONNECTION": "keep-alive",
        "HTTP_REFERER": f"http://{slug}.{HOST}/",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": iter,
    }
