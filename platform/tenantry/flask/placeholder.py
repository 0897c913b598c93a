"""The tenant for whom a prototype is built: it stands where each tenant will stand.

Its id, name, keys, folder and database address hold digits that occur nowhere else. So the values of a
config that are made of them can be made anew for each tenant, and any other place that keeps one of
them is found. What cannot be found so is noted while it is read: settings that differ between tenants,
and keys.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import SecretStr
from sqlalchemy import event

from tenantry.flask.pins import KEYS, PinnedMixin
from tenantry.values.placement import LOCAL
from tenantry.values.tenant import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask.config import Config
    from sqlalchemy import Dialect

    from tenantry.settings import Settings

SHARED_FIELDS = frozenset({"id", "slug", "name", "location", "key"})
"""Fields of a tenant that a factory may read: what is made of them is found by its digits."""

MARK_DIGITS = 14

KEY_SETTINGS = frozenset({*KEYS, "SECRET_KEY_FALLBACKS"})

ADAPTED = frozenset({"flask_security", "flask_debugtoolbar"})
"""Extensions that read a key while the app is built, and keep none: see :mod:`.extensions`, or they
only check that there is one."""


@dataclass(slots=True)
class Watch:
    """What a factory did while it built a prototype, as far as it concerns tenants.

    :param mark: The digits that no other text has.
    """

    mark: str
    reads: dict[str, str] = field(default_factory=dict)
    """What was read that differs between tenants, with the place in the code."""

    files: list[str] = field(default_factory=list)
    """Configuration files of the tenant's folder that were looked for."""

    tables: list[Callable[[], None]] = field(default_factory=list)
    """Calls of ``create_all()``, to be repeated for each tenant."""

    def derive(self, purpose: str) -> list[str]:
        """Return keys that nobody can use."""
        return [f"{purpose}-{self.mark}-key-of-a-prototype"]

    def note(self, what: str, *, through: frozenset[str] = frozenset()) -> None:
        """Note a read, if it is the application's own code that reads.

        :param through: Packages whose code only passes the read on.
        """
        place = _reader(through)
        if place is not None:
            self.reads.setdefault(what, place)

    def listen(self, dialect: Dialect) -> None:
        """Note what is read from the prototype's database: it is empty, and a tenant's is not.

        :param dialect: Of an engine for it, the platform's or one that the app makes.
        """
        if not event.contains(dialect, EXECUTE, self._note_statement):
            event.listen(dialect, EXECUTE, self._note_statement)

    def _note_statement(self, _cursor: Any, statement: str, *_: Any) -> None:
        if _READS.match(statement) and "sqlite_master" not in statement:
            self.note("rows of the database", through=_DATABASE_LIBRARIES)


EXECUTE = "do_execute"
_READS = re.compile(r"(?>\s|/\*.*?\*/|--[^\n]*\n)*+(?:SELECT|WITH)\b", re.IGNORECASE | re.DOTALL)
_DATABASE_LIBRARIES = frozenset({"sqlalchemy", "flask_sqlalchemy", "flask_sqlalchemy_lite"})


def _reader(through: frozenset[str]) -> str | None:
    """Return the place in the code that reads, unless it is Tenantry, Flask or an adapted extension."""
    frame = sys._getframe(2)  # noqa: SLF001 - the only way to see a caller
    while frame.f_back is not None:
        module = frame.f_globals.get("__name__", "")
        package = module.partition(".")[0]
        if module not in _PASSING and package not in through:
            if package in {"tenantry", "flask"} | ADAPTED:
                return None
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return None


_PASSING = frozenset({"flask.config", "werkzeug.local", "dataclasses", __name__})


@dataclass(frozen=True, slots=True, eq=False)
class Placeholder(Tenant):
    """A tenant that is none."""

    watch: Watch = field(default_factory=lambda: Watch(""))

    @classmethod
    def make(cls) -> Self:
        """Return a placeholder with digits of its own."""
        digits = f"{secrets.randbelow(10**32):032d}"
        mark = digits[:MARK_DIGITS]
        return cls(digits, f"prototype-{mark}", f"Prototype {mark}", watch=Watch(mark))

    def __getattribute__(self, name: str) -> Any:
        """Note what a factory reads that is each tenant's own."""
        value = object.__getattribute__(self, name)
        if name in _FIELDS:
            object.__getattribute__(self, "watch").note(f"tenant.{name}")
        return value


_FIELDS = frozenset(Tenant.__dataclass_fields__) - SHARED_FIELDS


def scratch_settings(settings: Settings, folder: Path) -> Settings:
    """Return settings with which a prototype is built: data and keys are thrown away after it."""
    return settings.model_copy(
        update={
            "data_dir": folder,
            "files_dir": "",
            "databases": (LOCAL,),
            "secret_keys": (SecretStr(secrets.token_hex(32)),),
        }
    )


class WatchedMixin(PinnedMixin):
    """The config of a prototype, which tells what is read of it."""

    watch: Watch

    def __getitem__(self, key: str) -> Any:
        """Return a setting."""
        if key in KEY_SETTINGS:
            self.watch.note(f'config["{key}"]')
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a setting, or *default*."""
        return self[key] if key in self else default  # noqa: SIM401 - this is how it is told

    def from_pyfile(self, filename: str | os.PathLike[str], silent: bool = False) -> bool:  # noqa: FBT001, FBT002 - Flask's signature
        """Read a file; note it, since each tenant's folder may have one of its own."""
        self._note_file(filename)
        return super().from_pyfile(filename, silent)

    def from_file(self, filename: str | os.PathLike[str], *arguments: Any, **options: Any) -> bool:
        """Read a file; note it, since each tenant's folder may have one of its own."""
        self._note_file(filename)
        return super().from_file(filename, *arguments, **options)

    def _note_file(self, filename: str | os.PathLike[str]) -> None:
        path = Path(self.root_path, filename)
        if path.is_relative_to(self.pins.folder):
            self.watch.files.append(str(path.relative_to(self.pins.folder)))


@lru_cache(maxsize=64)
def watched_kind(kind: type[Config]) -> type[WatchedMixin]:
    """Return the class of configs that is *kind*, a pinned one, and is watched."""
    return type(f"Watched{kind.__name__}", (WatchedMixin, kind), {"__module__": kind.__module__})


def has_mark(value: Any, mark: str) -> bool:
    """Say whether *mark* stands in a text, a path, or anything inside a container."""
    if isinstance(value, str):
        return mark in value
    if isinstance(value, bytes):
        return mark.encode() in value
    if isinstance(value, os.PathLike):
        return mark in str(value)
    if isinstance(value, Mapping):
        return any(has_mark(part, mark) for pair in value.items() for part in pair)
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return any(has_mark(part, mark) for part in value)
    return False


def put_in(value: Any, pairs: Iterable[tuple[str, str]]) -> Any:
    """Return *value* with one text in the place of another, for each of *pairs*, also inside."""
    pairs = tuple(pairs)
    if isinstance(value, str):
        for old, new in pairs:
            value = value.replace(old, new)
        return value
    if isinstance(value, bytes):
        for old, new in pairs:
            value = value.replace(old.encode(), new.encode())
        return value
    if isinstance(value, Path):
        return type(value)(put_in(str(value), pairs))
    if isinstance(value, dict):
        return type(value)((put_in(key, pairs), put_in(item, pairs)) for key, item in value.items())
    if type(value) in (list, tuple, set, frozenset, deque):
        return type(value)(put_in(item, pairs) for item in value)
    return value
