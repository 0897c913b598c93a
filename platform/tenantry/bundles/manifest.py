"""The manifest, the first member of a bundle: its format version, tenant, members and checksums."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tenantry.bundles.file_names import check_file_names

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "tenantry bundle"
VERSION = 1
MAX_BYTES = 64 * 1024 * 1024
"""No manifest is longer: it names a quarter of a million files."""
_ID = re.compile(r"[0-9a-f]{32}")
_SUM = re.compile(r"[0-9a-f]{64}")
FILES = "files/"
PAGES = "database/site.sqlite3"


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside the bundle."""

    name: str
    size: int
    sha256: str

    @property
    def path(self) -> str | None:
        """Where it belongs in the tenant's folder, if it does."""
        return self.name.removeprefix(FILES) if self.name.startswith(FILES) else None


@dataclass(frozen=True, slots=True)
class TableMember(Member):
    """The rows of one table."""

    table: str
    columns: tuple[str, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class Database:
    """Where the rows come from."""

    kind: str
    """``sqlite`` or ``postgresql``."""
    revision: str
    """Of its schema; nothing if it has none."""
    counters: Mapping[str, int] = field(default_factory=dict)
    """The last number that a table gave away by itself."""
    left_out: tuple[str, ...] = ()
    """Tables that can be made again of the others."""


@dataclass(frozen=True, slots=True)
class Source:
    """The tenant, as it was."""

    id: str
    slug: str
    name: str
    plan: str
    settings: Mapping[str, Any]
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that a bundle says of itself."""

    tenant: Source
    database: Database | None = None
    tables: tuple[TableMember, ...] = ()
    pages: Member | None = None
    """The database as SQLite's own file, instead of tables."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """The rows of each table in that file."""
    files: tuple[Member, ...] = ()
    created: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    folders: tuple[str, ...] = ()
    """Those that are empty."""
    left_out: tuple[str, ...] = ()
    """What is in the folder and neither file nor folder, as links are."""
    fingerprint: str = ""
    """Changes whenever the site may have changed; nothing if that could not be told."""

    @property
    def members(self) -> tuple[Member, ...]:
        """All that follow the manifest, in order."""
        return (*((self.pages,) if self.pages else ()), *self.tables, *self.files)

    @property
    def size(self) -> int:
        """Bytes of all members."""
        return sum(member.size for member in self.members)

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables) + sum(self.counts.values())

    def to_json(self) -> bytes:
        """Return it as it stands in the bundle."""
        content = {"format": FORMAT, "version": VERSION, **asdict(self)}
        content["created"] = self.created.isoformat()
        content["tenant"]["settings"] = dict(self.tenant.settings)
        return json.dumps(content, indent=1).encode()


def read_manifest(text: bytes) -> Manifest:
    """Return what the manifest says.

    :raises ValueError: It does not say what it must.
    """
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    content = _mapping(content)
    if content.get("format") != FORMAT:
        raise ValueError("it is not a bundle of a tenant")
    if content.get("version") != VERSION:
        raise ValueError(
            f"it has format version {content.get('version')!r} and this release reads {VERSION}"
        )
    try:
        manifest = _manifest(content)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its manifest is not complete ({error})") from error
    _check(manifest)
    return manifest


def _manifest(content: Mapping[str, Any]) -> Manifest:
    tenant, database = _mapping(content["tenant"]), content["database"]
    return Manifest(
        tenant=Source(
            id=_text(tenant["id"]),
            slug=_text(tenant["slug"]),
            name=_text(tenant["name"]),
            plan=_text(tenant["plan"]),
            settings=_mapping(tenant["settings"]),
            hosts=_texts(tenant["hosts"]),
        ),
        database=None if database is None else _database(_mapping(database)),
        tables=tuple(
            TableMember(
                **_member(_mapping(table)),
                table=_text(table["table"]),
                columns=_texts(table["columns"]),
                rows=_number(table["rows"]),
            )
            for table in content["tables"]
        ),
        pages=None if content["pages"] is None else Member(**_member(_mapping(content["pages"]))),
        counts=_counts(content["counts"]),
        files=tuple(Member(**_member(_mapping(file))) for file in content["files"]),
        created=datetime.fromisoformat(_text(content["created"])),
        folders=_texts(content["folders"]),
        left_out=_texts(content["left_out"]),
        fingerprint=_text(content["fingerprint"]),
    )


def _database(content: Mapping[str, Any]) -> Database:
    return Database(
        kind=_text(content["kind"]),
        revision=_text(content["revision"]),
        counters=_counts(content["counters"]),
        left_out=_texts(content["left_out"]),
    )


def _check(manifest: Manifest) -> None:
    if not _ID.fullmatch(manifest.tenant.id):
        raise ValueError("the tenant's id is invalid")
    if (manifest.tables or manifest.pages) and manifest.database is None:
        raise ValueError("it has tables but no database")
    if manifest.pages and (manifest.tables or manifest.pages.name != PAGES):
        raise ValueError("it has a database twice, or under an unknown name")
    for number, table in enumerate(manifest.tables, 1):
        if table.name != table_member(number):
            raise ValueError(f"{table.name!r} is not the name of a table's member")
    if len({table.table for table in manifest.tables}) < len(manifest.tables):
        raise ValueError("a table is there twice")
    for file in manifest.files:
        if file.path is None:
            raise ValueError(f"{file.name!r} does not belong to a bundle")
    check_file_names([str(file.path) for file in manifest.files], manifest.folders)


def table_member(number: int) -> str:
    """Return the name of the member with the rows of the table with this number."""
    return f"database/{number:04}.jsonl"


def _member(content: Mapping[str, Any]) -> dict[str, Any]:
    sha256 = _text(content["sha256"])
    if not _SUM.fullmatch(sha256):
        raise ValueError("a checksum is invalid")
    return {
        "name": _text(content["name"]),
        "size": _number(content["size"]),
        "sha256": sha256,
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{str(value)[:40]!r} is not an object")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is not a text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{str(value)[:40]!r} is not a list")
    return tuple(_text(item) for item in value)


def _counts(value: Any) -> dict[str, int]:
    return {_text(name): _number(number) for name, number in _mapping(value).items()}


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{str(value)[:40]!r} is not a count")
    return value
