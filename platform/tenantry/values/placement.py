"""A placement: a named server or folder, and how the setting writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

Kind = Literal["sqlite", "postgresql"]
Login = Literal["shared", "own"]

POSTGRESQL = "postgresql+psycopg://"
NOWHERE = "tenantry.invalid"
"""The host of a URL that leads nowhere; no such host can exist (RFC 6761)."""
SQLITE = "sqlite"
RULE = (
    'must be JSON with a URL for each name, as `{"local": "sqlite", "main": '
    '"postgresql+psycopg://user:password@host/name"}`'
)
OPTIONS = ("url", "tenants", "connections", "login")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}\Z")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where tenants' data can be."""

    name: str
    kind: Kind = "sqlite"

    url: str = field(default="", repr=False)
    """Of a PostgreSQL server, with its password."""

    folder: Path | None = None
    """Of SQLite files; ``None`` is the data folder."""

    tenants: int = 0
    """How many tenants fit; 0 sets no limit."""

    connections: int = 0
    """To the server, for each process; 0 means the threads of a worker and two."""

    login: Login = "own"
    """Whose role a connection to the server signs in with: each tenant's own, or the platform's."""

    @property
    def shown(self) -> str:
        """Where it is, without a password."""
        if self.kind == "postgresql":
            return make_url(self.url).render_as_string(hide_password=True)
        return str(self.folder or "the data folder")


LOCAL = Placement("local")
"""What there is when nobody names a placement: SQLite files in the data folder."""


def read_placements(value: Any) -> tuple[Placement, ...]:
    """Return the placements that the text, or the mapping, *value* describes.

    :raises ValueError: With a sentence that repeats no URL: it may hold a password.
    """
    if isinstance(value, tuple) and all(isinstance(item, Placement) for item in value):
        return value or (LOCAL,)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"{RULE}; the error is: {error}") from None
    if not isinstance(value, Mapping) or not value:
        raise ValueError(RULE)
    return tuple(_read(name, entry) for name, entry in value.items())


def _read(name: Any, entry: Any) -> Placement:
    if not isinstance(name, str) or not _NAME.match(name):
        shown = "A URL" if ":" in str(name) else repr(str(name)[:60])
        raise ValueError(
            f"{shown} cannot name a placement: give up to 40 small letters, digits, "
            "- and _, a letter first"
        )
    options = entry if isinstance(entry, Mapping) else {"url": entry}
    for option in options:
        if option not in OPTIONS:
            known = ", ".join(f"`{known}`" for known in OPTIONS)
            raise ValueError(f"placement {name!r} has an option {option!r}; there are {known}")
    tenants = _number(name, "tenants", options.get("tenants", 0))
    connections = _number(name, "connections", options.get("connections", 0))
    login = _login(name, options.get("login", "own"))
    url = options.get("url")
    if isinstance(url, str) and url.startswith(POSTGRESQL):
        _check_server(name, url)
        return Placement(
            name, "postgresql", url=url, tenants=tenants, connections=connections, login=login
        )
    if "login" in options:
        raise ValueError(f"placement {name!r} has no server to sign in to: remove its `login`")
    if isinstance(url, str) and (url == SQLITE or url.startswith(f"{SQLITE}:///")):
        return Placement(name, folder=_folder(name, url), tenants=tenants)
    raise ValueError(
        f"placement {name!r} needs a URL: `sqlite` for the data folder, `sqlite:////srv/sites` for "
        f"another one, or `{POSTGRESQL}user:password@host:5432/name`"
    )


def _number(name: str, option: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(
            f"placement {name!r} has {option}={str(value)[:40]}; give a whole number, or 0 for the "
            "default"
        )
    return value


def _login(name: str, value: Any) -> Login:
    if value == "shared" or value == "own":  # noqa: PLR1714 - the type checker reads it
        return value  # type: ignore[no-any-return]
    raise ValueError(
        f"placement {name!r} has login={str(value)[:40]}; give `own`, the default, for a "
        "separate login of each tenant, or `shared` for the login of the URL"
    )


def _check_server(name: str, url: str) -> None:
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):  # its sentence may show the password
        found = None
    if found is None or not found.database or not found.username:
        raise ValueError(
            f"the URL of placement {name!r} must name a user and a database, as "
            f"{POSTGRESQL}user:password@host:5432/name; write @, : and / in a password as %40, "
            "%3A and %2F"
        )


def _folder(name: str, url: str) -> Path | None:
    if url == SQLITE:
        return None
    folder = Path(url.removeprefix(f"{SQLITE}:///"))
    if not folder.is_absolute():
        raise ValueError(
            f"the folder of placement {name!r} must be absolute: write `sqlite:////srv/sites`, with "
            "four slashes"
        )
    return folder
