"""Looking at tenants' data behind the platform's back: files, schemas, bundles."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.live.history.postgres import OwnPostgres

TABLES = ("entry", "echo")
QUERIES = {
    **{table: f"SELECT value FROM {{}}{table}" for table in TABLES},  # noqa: S608
    "applied": "SELECT revision FROM {}applied ORDER BY id",
    "alembic_version": "SELECT version_num FROM {}alembic_version",
}


@dataclass
class Raw:
    """What is in one tenant's database."""

    rows: Mapping[str, tuple[int, int]]
    applied: list[str] = field(default_factory=list)
    """The revisions that say so themselves."""
    revision: str = ""

    @property
    def values(self) -> frozenset[str]:
        """The values in either table."""
        return frozenset(self.rows)

    def misapplied(self) -> str:
        """Return what is wrong with the revisions: each has to be applied once, in their order."""
        wanted = [f"{number:04}" for number in range(2, int(self.revision or 0) + 1)]
        return "" if self.applied == wanted else f"at {self.revision}, applied {self.applied}"


def _raw(tables: Mapping[str, Iterable[Any]]) -> Raw:
    entries, echoes = (Counter(tables[name]) for name in TABLES)
    rows = {value: (entries[value], echoes[value]) for value in entries | echoes}
    return Raw(rows, list(tables["applied"]), "".join(tables["alembic_version"]))


def read_file(path: Path) -> Raw:
    """Read a SQLite file, in one transaction."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
        database.execute("BEGIN")
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return _raw(
            {
                name: [row[0] for row in database.execute(query.format(""))]
                for name, query in QUERIES.items()
            }
        )


def read_schema(server: OwnPostgres, tenant_id: str) -> Raw:
    """Read a schema, when nobody writes to it."""
    return _raw(
        {
            name: [row[0] for row in server.execute(query.format(f"t_{tenant_id}."))]
            for name, query in QUERIES.items()
        }
    )


def find_files(data: Path) -> dict[str, Path]:
    """Return the databases that are files, by the id of their tenant."""
    paths = (data / "tenants").glob("t_*/site.sqlite3")
    return {path.parent.name.removeprefix("t_"): path for path in paths}


def find_schemas(server: OwnPostgres) -> set[str]:
    """Return the ids of the tenants that have a schema."""
    found = server.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '^t_[0-9a-f]{32}$'")
    return {name.removeprefix("t_") for (name,) in found}


def read_bundle(path: Path) -> Raw:
    """Read a bundle, as docs/data.md describes it."""
    members = dict(_members(path))
    if "database/site.sqlite3" in members:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "site.sqlite3"
            file.write_bytes(members["database/site.sqlite3"])
            return read_file(file)
    manifest = json.loads(members["manifest.json"])
    tables: dict[str, list[Any]] = {name: [] for name in QUERIES}
    for table in manifest["tables"]:
        column = QUERIES[table["table"]].split()[1]
        position = table["columns"].index(column)
        for line in members[table["name"]].splitlines():
            tables[table["table"]].append(json.loads(line)[position])
    tables["alembic_version"] = [manifest["database"]["revision"]]
    return _raw(tables)


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    with path.open("rb") as file:
        packed = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file)
        with tarfile.open(fileobj=io.BytesIO(packed.read())) as archive:
            for member in archive:
                content = archive.extractfile(member)
                assert content is not None
                yield member.name, content.read()
