"""PostgreSQL servers that are too old to keep tenants apart."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tenantry.databases.servers import probe
from tenantry.errors import UnsafePlacementError
from tenantry.values.placement import read_placements
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.postgresql

PROGRAMS = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture
def older_url() -> Iterator[str]:
    """Start PostgreSQL 15, if the machine has it; return the URL of a superuser."""
    if not (PROGRAMS / "initdb").exists():
        pytest.skip("this machine has no PostgreSQL 15")
    owner = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None  # it refuses to be root
    with tempfile.TemporaryDirectory(prefix="tenantry-pg15-") as folder:
        os.chown(folder, os.geteuid() if owner is None else owner, -1)
        data = Path(folder, "data")
        initdb: list[Any] = [PROGRAMS / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N"]
        subprocess.run(initdb, user=owner, check=True, capture_output=True, cwd="/")
        options = ("-c", "listen_addresses=", "-k", folder)
        server = subprocess.Popen(
            [PROGRAMS / "postgres", "-D", data, *options],
            user=owner,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        try:
            eventually(lambda: _answers(folder))
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            server.terminate()
            server.wait(30)


def _answers(folder: str) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(f"postgresql://postgres@/postgres?host={folder}").close()
        return True
    return False


def test_a_server_before_16_is_refused(older_url: str) -> None:
    """Who may make roles may join any of them there, also those that run programs on the server."""
    [placement] = read_placements({"eu": older_url})
    with pytest.raises(UnsafePlacementError, match=r"PostgreSQL 15\. Use PostgreSQL 16 or newer"):
        probe(placement)
