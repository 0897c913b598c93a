"""What a tenant's app cannot set by itself: the table of pins, and the config that honours it.

An app that knows of no tenants names one database, one folder and one key for all of its visitors.
While it is built for a tenant, the settings below are the tenant's. The app's own values are kept
beside them (:attr:`PinnedConfig.own`) and logged once for each setting and process.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formataddr, parseaddr
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask
from flask.config import Config

from tenantry.files.disk import exists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

log = logging.getLogger(__name__)

KEYS = {
    "SECRET_KEY": "session",
    "WTF_CSRF_SECRET_KEY": "csrf",
    "JWT_SECRET_KEY": "jwt",
    "SECURITY_CONFIRM_SALT": "confirm-salt",
    "SECURITY_RESET_SALT": "reset-salt",
}
"""Settings that are keys, each with the purpose that the tenant's key is derived for."""

SALT = "SECURITY_PASSWORD_SALT"
"""What Flask-Security mixes into each password before it hashes it with a salt of its own. It cannot be
a key of the tenant: a clone has another tenant's passwords, and new secret keys must not make all of
them invalid. An app that sets none gets a constant."""

UNSET = ("SERVER_NAME", "SESSION_COOKIE_DOMAIN", "SESSION_COOKIE_PATH", "REMEMBER_COOKIE_DOMAIN")
"""Settings that stay ``None``: with a value, links and cookies would lead to other tenants' sites."""

ROOT = "APPLICATION_ROOT"
"""The path below which links are; it is the tenant's if only paths name tenants."""

PREFIXES = ("CACHE_KEY_PREFIX", "SESSION_KEY_PREFIX", "RATELIMIT_KEY_PREFIX")
"""Prefixes of names in a store that tenants may share: the tenant's id stands in front."""

SENDERS = ("MAIL_DEFAULT_SENDER", "SECURITY_EMAIL_SENDER")
"""Whom mail of Flask-Mail, Flask-Mailman and Flask-Security comes from: the name is the tenant's."""

SILENT = {"MAIL_SUPPRESS_SEND": True, "MAIL_BACKEND": "dummy"}
"""What keeps Flask-Mail and Flask-Mailman from sending. It is pinned for a quiet tenant: the people in
a clone's database must get nothing from it."""

FOLDERS = {
    "DATABASE": "database.sqlite",
    "UPLOAD_FOLDER": "uploads",
    "UPLOADS_DEFAULT_DEST": "uploads",
    "MEDIA_FOLDER": "media",
    "MEDIA_ROOT": "media",
    "CACHE_DIR": "cache",
    "SESSION_FILE_DIR": "sessions",
    "WHOOSH_BASE": "search",
    "WHOOSHEE_DIR": "search",
}
"""Settings that are paths. A path inside the tenant's folder stays; any other becomes one inside."""

DATABASE_URI = "SQLALCHEMY_DATABASE_URI"
BINDS = ("SQLALCHEMY_BINDS", "SQLALCHEMY_ENGINES")
"""Databases by name: each is the tenant's one database."""

RESERVED = frozenset(
    {ROOT, *KEYS, *UNSET, *PREFIXES, *BINDS, *SILENT, DATABASE_URI, "SECRET_KEY_FALLBACKS"}
)
"""What ``TENANTRY_PIN`` cannot name: another value would lead to other tenants."""

DEFAULTS = frozenset(Flask.default_config)

_told: set[str] = set()


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom a tenant's mail comes from.

    :param name: The tenant's.
    :param address: The platform's; empty if the operator has not chosen one.
    :param fallback: The address of an app that has none itself.
    """

    name: str
    address: str
    fallback: str

    def of(self, value: Any) -> Any:
        """Return the sender that *value* becomes, as text or as a pair like *value*."""
        own = ""
        if value and not self.address:
            own = value[-1] if isinstance(value, (tuple, list)) else parseaddr(str(value))[1]
        pair = (self.name, self.address or str(own) or self.fallback)
        return pair if isinstance(value, tuple) else formataddr(pair)


@dataclass(frozen=True, slots=True)
class Pins:
    """The values that one tenant's app is given.

    :param folder: The tenant's own folder.
    :param prefix: Goes in front of names in stores that tenants share.
    :param fixed: Values that no app can change.
    :param database_uri: The tenant's database as a URL of SQLAlchemy.
    :param sender: Whom the tenant's mail comes from.
    """

    folder: Path
    prefix: str
    fixed: Mapping[str, Any]
    database_uri: str
    sender: Sender

    def values(self) -> dict[str, Any]:
        """Return what stands in the config before the app has set anything."""
        given = dict(self.fixed)
        given[DATABASE_URI] = self.database_uri
        given.update(dict.fromkeys(PREFIXES, self.prefix))
        given[SALT] = "tenantry"
        given.setdefault(SENDERS[0], self.sender.of(""))
        return given

    def make_folders(self) -> None:
        """Make the folders inside the tenant's own that the operator has named."""
        root = f"{self.folder}{os.sep}"
        named = [value for value in self.fixed.values() if isinstance(value, str)]
        for value in named:
            if value.startswith(root) and Path(value).suffix == "" and self._is_inside(value):
                Path(value).mkdir(parents=True, exist_ok=True, mode=0o700)

    def of(self, key: str, value: Any) -> Any:
        """Return what the setting *key* becomes if the app sets it to *value*."""
        if key in self.fixed:
            return self.fixed[key]
        if key == DATABASE_URI:
            return self.database_uri
        if key in PREFIXES:
            text = "" if value is None else str(value)
            return text if text.startswith(self.prefix) else f"{self.prefix}{text}"
        if key in SENDERS and type(value) in (str, tuple, list):  # a proxy needs an app's context
            return self.sender.of(value)
        if key in BINDS and isinstance(value, Mapping):
            return {name: self._bound(bound) for name, bound in value.items()}
        if self._is_path(key) and isinstance(value, (str, os.PathLike)):
            value = self._inside(key, value)
        return value

    def _bound(self, bound: Any) -> Any:
        return (
            {**bound, "url": self.database_uri} if isinstance(bound, Mapping) else self.database_uri
        )

    def _is_path(self, key: str) -> bool:
        return key in FOLDERS or (key.startswith("UPLOADED_") and key.endswith("_DEST"))

    def _is_inside(self, path: str | os.PathLike[str]) -> bool:
        return Path(os.path.normpath(path)).is_relative_to(self.folder)

    def _inside(self, key: str, value: str | os.PathLike[str]) -> str | Path:
        path = Path(value)
        if self._is_inside(path):
            return path if isinstance(value, Path) else str(value)
        inside = self.folder / (FOLDERS.get(key) or path.name or key.lower())
        # The operator made the app's own; nobody makes one for each tenant.
        folder = inside.parent if key == "DATABASE" else inside
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return inside if isinstance(value, Path) else str(inside)


class PinnedMixin(Config):
    """A config whose pinned settings an app can set, without effect on what they are."""

    pins: Pins
    own: dict[str, Any]
    """What the app itself has set and does not get."""
    shared_root: str | None
    """The instance folder that the app would have without Tenantry; operators put files there."""

    def pin(self, pins: Pins, *, shared_root: str | None = None) -> None:
        """Pin the settings from now on; what is there already is treated as the app's own."""
        self.pins, self.own, self.shared_root = pins, {}, shared_root
        given = pins.values()
        # Most of a new app's settings are Flask's defaults, which no pin but those in `given` changes.
        there = {key: self[key] for key in self if key in given or key not in DEFAULTS}
        dict.update(self, given)
        for key, value in there.items():
            if value is not None or key not in given:
                self[key] = value

    def __setitem__(self, key: str, value: Any) -> None:
        """Set a setting; a pinned one keeps the tenant's value."""
        pinned = self.pins.of(key, value)
        if pinned is not value and pinned != value:
            self.own[key] = value
            _tell(key)
        super().__setitem__(key, pinned)

    def __delitem__(self, key: str) -> None:
        """Remove a setting; a pinned one stays."""
        if key not in self.pins.values():
            super().__delitem__(key)

    def update(self, *others: Any, **values: Any) -> None:
        """Set several settings, each as by itself."""
        for key, value in dict(*others, **values).items():
            self[key] = value

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        """Set several settings, each as by itself."""
        self.update(other)
        return self

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return a setting, which becomes *default* if it is not there."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str, *default: Any) -> Any:
        """Remove a setting and return it; a pinned one stays."""
        if key in self.pins.values():
            return self[key]
        return super().pop(key, *default)

    def from_pyfile(self, filename: str | os.PathLike[str], silent: bool = False) -> bool:  # noqa: FBT001, FBT002 - Flask's signature
        """Read a file of the tenant's folder or, if it has none, of the app's own instance folder."""
        if self.shared_root is not None and not exists(Path(self.root_path, filename)):
            shared = Path(self.shared_root, filename)
            if exists(shared):
                filename = shared
        return super().from_pyfile(filename, silent)

    def clear(self) -> None:
        """Remove all settings but the pinned ones."""
        kept = self.pins.values()
        super().clear()
        dict.update(self, kept)


def _tell(key: str) -> None:
    if key not in _told:
        _told.add(key)
        log.warning("%s of the app is not used: Tenantry gives each tenant its own value", key)


@lru_cache(maxsize=64)
def pinned_kind(kind: type[Config]) -> type[PinnedMixin]:
    """Return the class of configs that is *kind* with pins."""
    if issubclass(kind, PinnedMixin):
        return kind
    return type(f"Pinned{kind.__name__}", (PinnedMixin, kind), {"__module__": kind.__module__})


def fixed_values(
    derive: Callable[[str], Iterable[str]], chosen: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the values that no app can change.

    :param derive: Returns the tenant's keys for a purpose as text, newest first.
    :param chosen: What the operator pins besides.
    """
    fixed: dict[str, Any] = {**chosen, **dict.fromkeys(UNSET)}
    for setting, purpose in KEYS.items():
        newest, *older = derive(purpose)
        fixed[setting] = newest
        if setting == "SECRET_KEY":
            fixed["SECRET_KEY_FALLBACKS"] = older
    return fixed
