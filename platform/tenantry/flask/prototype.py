"""Building a prototype, and checking that tenants can share it.

The prototype is built as a tenant's app is, for a tenant that does not exist
(:mod:`~tenantry.flask.placeholder`), in a folder that is thrown away. Then everything that holds the
prototype, or what is the placeholder's, is found in the whole process. What can lead to the app at work
instead is changed to do so; the rest is refused.
"""

from __future__ import annotations

import gc
import logging
import sqlite3
import tempfile
import types
import weakref
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blinker import Signal
from flask import Flask, ctx, current_app
from sqlalchemy import Dialect, event
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from werkzeug.local import LocalProxy

from tenantry.databases.placements import tenant_database
from tenantry.errors import UnfitError
from tenantry.files.disk import exists, is_dir
from tenantry.flask import app_proxies, extensions
from tenantry.flask.binding import EXTENSION, TenantBinding, current_tenant
from tenantry.flask.building import Build, building, current_watch
from tenantry.flask.freezing import OWN, freeze, frozen_kind, is_shared
from tenantry.flask.heap_search import PASSING, holders_of_text, instances_of
from tenantry.flask.pins import FOLDERS, SALT
from tenantry.flask.placeholder import (
    Placeholder,
    has_mark,
    put_in,
    scratch_settings,
)
from tenantry.flask.rebinding import describe, rebind
from tenantry.flask.sessions import ScopedSessionInterface
from tenantry.flask.shared_state import find_state
from tenantry.flask.unavailable import answer_unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Response
    from flask.sessions import SessionInterface

    from tenantry.flask.pins import PinnedMixin, Pins
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

CONTEXTS = (ctx.AppContext, getattr(ctx, "RequestContext", ctx.AppContext))

CONTAINERS = (dict, list, set, deque)

FLASKS = frozenset(vars(Flask("tenantry", static_folder=None)))
"""Attributes that every Flask app has."""

CACHES = {FOLDERS["CACHE_DIR"], FOLDERS["SESSION_FILE_DIR"]}
"""Folders whose files are made again when they are missing."""

CALLED_AT_BUILD = "Do it where a request is handled, with current_app and current_tenant"


@event.listens_for(SQLiteDialect_pysqlite, "do_connect")
def _listen(dialect: Dialect, *_: Any) -> None:
    """Listen to an engine that the app makes by itself."""
    if (watch := current_watch()) is not None:
        watch.listen(dialect)


class AlreadySharedError(Exception):
    """The factory makes flyweights by itself."""


@dataclass(eq=False)
class Prototype:
    """An app that tenants share, and what differs between them.

    :param app: Nobody may change it.
    """

    app: Any
    kind: type[Flask]
    """The class of the tenants' apps."""

    placeholder: Placeholder
    pins: Pins
    """The placeholder's."""

    shared: Mapping[str, Any] = field(default_factory=dict)
    """The attributes that all tenants' apps have."""

    session_interface: SessionInterface | None = None
    """The app's own, if it has chosen one."""

    settings: dict[str, Any] = field(default_factory=dict)
    """The app's own config, as it was set."""

    varying: tuple[str, ...] = ()
    """Names of settings that are another value for each tenant."""

    attributes: dict[str, Any] = field(default_factory=dict)
    """Attributes of the app that are another value for each tenant."""

    containers: dict[str, Any] = field(default_factory=dict)
    """Attributes of the app that its code may fill: each tenant's app gets a copy."""

    folders: tuple[Path, ...] = ()
    """Folders that the factory made in the tenant's folder."""

    files: tuple[str, ...] = ()
    """Configuration files of the tenant's folder that the factory looked for."""

    tables: tuple[Callable[[], None], ...] = ()
    """What makes tables, to be called in an app's context."""

    migrations: tuple[Path, ...] = ()
    """The Alembic folders that the factory wanted to upgrade from."""

    @property
    def mark(self) -> str:
        """The digits by which what is the placeholder's is known."""
        return self.placeholder.watch.mark

    @property
    def config_kind(self) -> type[PinnedMixin]:
        """The class of the tenants' configs: the prototype's is watched in addition."""
        return type(self.app.config).__mro__[2]

    def check_own_files(self, folder: Path) -> None:
        """Refuse a tenant whose folder has a configuration file of its own.

        :raises UnfitError: The factory would read it, and a flyweight's has run already.
        """
        for name in self.files:
            if exists(folder / name):
                raise UnfitError(
                    f"the tenant has a configuration file of its own, {name}",
                    "Remove the file",
                )

    def pairs(self, tenant: Tenant, pins: Pins) -> list[tuple[str, str]]:
        """Return which texts of the placeholder become which of the tenant's."""
        own = self.pins
        return [
            (own.database_uri, pins.database_uri),
            (str(own.folder), str(pins.folder)),
            *(
                (own.fixed[key], pins.fixed[key])
                for key in own.fixed
                if self._differs(own.fixed[key])
            ),
            (self.placeholder.id, tenant.id),
            (self.placeholder.slug, tenant.slug),
            (self.placeholder.name, tenant.name),
        ]

    def _differs(self, value: Any) -> bool:
        return isinstance(value, str) and self.mark in value


def make_prototype(build: Callable[[Tenant], Any], settings: Settings) -> Prototype:
    """Build what tenants share.

    :param build: Makes an app for the tenant that it is given.
    :raises UnfitError: It cannot be shared; the sentence says what holds it, where, and what to do.
    """
    with tempfile.TemporaryDirectory(prefix="tenantry-prototype-") as folder:
        placeholder = Placeholder.make()
        made = Build(placeholder, scratch_settings(settings, Path(folder)), creates_database=True)
        extensions.install()
        try:
            with building(made):
                app = _build_app(build, made)
        except Exception:
            _check_reads(placeholder)  # as of a table that only tenants' databases have
            raise
        finally:
            tenant_database(placeholder, made.settings).close()
        prototype = Prototype(app, frozen_kind(app), placeholder, app.config.pins)
        prototype.migrations = tuple(made.migrations)
        _check_reads(placeholder)
        _split_config(prototype)
        _survey(prototype)
    extensions.share(app)
    if not isinstance(app.session_interface, ScopedSessionInterface):
        prototype.session_interface = app.session_interface
    del app.session_interface
    check_fit(prototype, made)
    prototype.shared = freeze(app)
    return prototype


def _build_app(build: Callable[[Tenant], Any], made: Build) -> Any:
    app = build(made.tenant)
    if is_shared(app):
        raise AlreadySharedError
    if not isinstance(app, Flask):
        raise UnfitError(f"it is {type(app).__qualname__}, and no Flask app", "Return one")
    if app.extensions.get(EXTENSION) is None:
        made.bind(app)  # it was made somewhere else, and is this tenant's from now on
    extensions.adapt(app)
    answer_unavailable(app)
    return app


def _check_reads(placeholder: Placeholder) -> None:
    for what, place in placeholder.watch.reads.items():
        raise UnfitError(f"{place} reads {what} while the app is built", CALLED_AT_BUILD)


def _survey(prototype: Prototype) -> None:
    """Find out what the factory has made in its tenant's folder."""
    folder, watch = prototype.pins.folder, prototype.placeholder.watch
    database = Path(prototype.pins.database_uri.removeprefix("sqlite:///"))
    for path in sorted(folder.rglob("*")):
        if is_dir(path):
            prototype.folders += (path.relative_to(folder),)
        elif not path.name.startswith(database.name) and path.parent.name not in CACHES:
            raise UnfitError(
                f"its factory writes {path.relative_to(folder)} into the tenant's folder",
                "Name a command that does so in TENANTRY_PROVISION",
            )
    if exists(database):
        _check_rows(database, makes_tables=bool(watch.tables))
    prototype.files, prototype.tables = tuple(watch.files), tuple(watch.tables)


def _check_rows(database: Path, *, makes_tables: bool) -> None:
    remedy = "Name a command that does so in TENANTRY_PROVISION"
    with closing(sqlite3.connect(database)) as connection:
        tables = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if name != "alembic_version" and not name.startswith("sqlite_")
        ]
        if tables and not makes_tables:
            raise UnfitError(
                f"its factory makes the table {tables[0]} by other means than db.create_all()",
                remedy,
            )
        for table in tables:
            quoted = table.replace('"', '""')
            if connection.execute(f'SELECT 1 FROM "{quoted}" LIMIT 1').fetchone():  # noqa: S608 - a name of its own
                raise UnfitError(f"its factory writes rows into the table {table}", remedy)


def _split_config(prototype: Prototype) -> None:
    """Tell the settings that all tenants share from those that each has in its own way."""
    config = prototype.app.config
    mark, pins = prototype.mark, prototype.pins
    texts = [(old, "") for old, _ in prototype.pairs(prototype.placeholder, pins)]
    given = pins.values()
    varying = []
    for key, value in {**config, **config.own}.items():
        if key in pins.fixed or value is given.get(key, given):
            continue  # each tenant's pins have it
        prototype.settings[key] = value
        if has_mark(value, mark):
            if has_mark(put_in(value, texts), mark):
                what = f"the setting {key} is made of a part of the tenant's id, name or key"
                raise UnfitError(what, CALLED_AT_BUILD)
            varying.append(key)
        elif key == SALT or type(value) in CONTAINERS or pins.of(key, value) is not value:
            varying.append(key)  # a default, what a container is filled with, or made of the value
    prototype.varying = tuple(varying)


def check_fit(prototype: Prototype, made: Build) -> None:
    """Make a prototype fit to be shared, and refuse it if that is not possible.

    :raises UnfitError: It names what holds the prototype, or a part of it that differs by tenant.
    """
    _share(prototype, made)
    _check_traces(prototype)


def _share(prototype: Prototype, made: Build) -> None:
    """Lead all that holds the prototype to the app at work; refuse it if something cannot be led.

    No function here or above may close over the app: its variable would be led there as well.
    """
    app: Any = prototype.app
    app.extensions[EXTENSION] = TenantBinding(made.settings, None)
    if "static" in app.view_functions:
        app.view_functions["static"] = send_static_file
    environment = app.jinja_env
    environment.policies["json.dumps_function"] = dumps
    # Which templates there are is the same for all tenants, so the loader may ask the prototype.
    spared = {id(vars(app)), id(app), id(prototype), id(vars(prototype)), id(made)}
    for part in (environment, environment.loader, app.json):
        spared |= {id(part), id(getattr(part, "__dict__", part))}
    gc.collect()
    gc.unfreeze()  # what is frozen cannot be asked what it holds; the worker freezes again
    _check_contexts(app)
    signal_tables = _lead_signals(app, prototype.kind)
    left = rebind(app, app_proxies.THE_APP, spared=spared)
    left += rebind(app.config, app_proxies.THE_CONFIG, spared=spared)
    left += rebind(app.extensions, app_proxies.THE_EXTENSIONS, spared=spared)
    left += rebind(app.json, app_proxies.THE_JSON, spared=spared)
    left += rebind(prototype.placeholder, current_tenant, spared=spared)
    if "logger" in vars(app):
        left += rebind(app.logger, _logger_of(app.name), spared=spared)
    left += _weak_holders(app, spared | signal_tables)
    _refuse(left, "keeps hold of it", spared)


def _check_contexts(app: Flask) -> None:
    """Refuse an app with a context that is still there: the next tenant's code would run in it."""
    contexts = [found for kind in CONTEXTS for found in instances_of(kind)]
    if any(context.app is app for context in contexts):
        raise UnfitError(
            "its factory leaves an app context open", "Write `with app.app_context():`"
        )


def _weak_holders(app: Flask, spared: set[int]) -> list[Any]:
    """Return what holds a weak reference to the app, as a dictionary of weak keys does."""
    references = weakref.getweakrefs(app)
    spared = {*spared, id(references)}
    return [
        holder
        for reference in references
        if type(reference) is not weakref.ProxyType
        for holder in gc.get_referrers(reference)
        if not issubclass(type(holder), PASSING) and id(holder) not in spared
    ]


def _refuse(left: list[Any], what: str, spared: set[int]) -> None:
    for holder in left:
        described = describe(holder, spared=spared | {id(left)})
        raise UnfitError(f"{described} {what}", "Use current_app in its place")


def _check_traces(prototype: Prototype) -> None:
    """Refuse an app that keeps something of the placeholder's where no tenant's would come to stand."""
    app = prototype.app
    for name, value in vars(app).items():
        if name in OWN:
            continue
        if has_mark(value, prototype.mark):
            prototype.attributes[name] = value
        elif name not in FLASKS and type(value) in CONTAINERS:
            prototype.containers[name] = value
    known: list[Any] = [app.config, vars(app.config), prototype.settings, prototype.attributes]
    known += [prototype.pins, prototype.placeholder, prototype.placeholder.watch]
    spared = {id(vars(app)), id(vars(prototype)), *_ids_within(known)}
    for holder in holders_of_text(prototype.mark, [prototype], spared=spared):
        described = describe(holder, spared=spared)
        what = f"{described} keeps a path, key or name that differs between tenants"
        raise UnfitError(what, CALLED_AT_BUILD)
    for what in find_state(app):
        raise UnfitError(what, "Keep it in app.extensions, in g or in the database")


def _ids_within(roots: list[Any]) -> set[int]:
    """Return the ids of *roots* and of the values inside them."""
    found: set[int] = {id(roots)}
    waiting = list(roots)
    while waiting:
        value = waiting.pop()
        if id(value) in found or isinstance(value, (type, types.FunctionType)):
            continue
        found.add(id(value))
        waiting += gc.get_referents(value)
    return found


def _lead_signals(app: Flask, kind: type[Flask]) -> set[int]:
    """Let receivers that wait for the prototype's signals hear those of the tenants' apps.

    :return: The ids of the signals' own tables, in which the prototype may still be named.
    """
    tables = set()
    for signal in instances_of(Signal):
        tables |= {id(table) for table in vars(signal).values()}
        for_all = list(signal.receivers_for(kind))
        for receiver in [one for one in signal.receivers_for(app) if one not in for_all]:
            signal.disconnect(receiver, app)
            signal.connect(_for_kind(receiver, kind), weak=False)
    return tables


def _for_kind(receiver: Callable[..., Any], kind: type[Flask]) -> Callable[..., Any]:
    def receive(sender: Any, *arguments: Any, **values: Any) -> Any:
        return receiver(sender, *arguments, **values) if type(sender) is kind else None

    return receive


def _logger_of(name: str) -> Any:
    def find() -> logging.Logger:
        try:
            return app_proxies.find_app().logger
        except RuntimeError:
            return logging.getLogger(name)  # a line without a tenant is better than none

    return LocalProxy(find)


def send_static_file(filename: str) -> Response:
    """Serve a static file of the current app."""
    return current_app.send_static_file(filename)


def dumps(value: Any, **options: Any) -> str:
    """Write JSON as the current app does."""
    return current_app.json.dumps(value, **options)
