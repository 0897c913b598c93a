"""Keeps an app that migrates its own database from doing so for each tenant that is built.

Alembic has one context for a process, so several builds at once would run in each other's. While a
factory runs for a tenant, ``upgrade`` and ``stamp`` of Alembic and of Flask-Migrate do nothing: a new
tenant's database is at the newest revision before, and ``tenantry migrate`` upgrades the others.
"""

from __future__ import annotations

import logging
import logging.config
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import command
from flask import Flask, current_app

from tenantry.files.disk import is_dir
from tenantry.flask.binding import EXTENSION
from tenantry.flask.building import current_build

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

_told: set[str] = set()


def _outside_builds(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(work)
    def run(config: Any, *arguments: Any, **options: Any) -> Any:
        build = current_build()
        if build is None:
            return work(config, *arguments, **options)
        folder = config.get_main_option("script_location")
        if folder:
            build.migrations.append(Path(folder).absolute())
        if name not in _told:
            _told.add(name)
            log.warning(
                "%s() in the factory does nothing: new tenants get the newest revision, and "
                "`tenantry migrate` upgrades the others",
                name,
            )
        return None

    return run


command.upgrade = _outside_builds("upgrade", command.upgrade)
command.stamp = _outside_builds("stamp", command.stamp)


_file_config = logging.config.fileConfig


@wraps(_file_config)
def _configure(*arguments: Any, **options: Any) -> None:
    """Read a file of loggers; in a tenant's app, the platform's own loggers stay as they are.

    Flask-Migrate's ``env.py`` reads one for each command, which would switch them off.
    """
    if current_app and EXTENSION in current_app.extensions:
        root = logging.getLogger()
        level, handlers = root.level, root.handlers[:]
        options["disable_existing_loggers"] = False
        try:
            _file_config(*arguments, **options)
        finally:
            if handlers:
                root.handlers[:] = handlers
                root.setLevel(level)
        return
    _file_config(*arguments, **options)


logging.config.fileConfig = _configure


def find_folder(app: object, noted: list[Path]) -> Path | None:
    """Return the folder of revisions that an app uses through Flask-Migrate, if it does.

    :param noted: The folders that its factory wanted to upgrade from.
    """
    places = list(noted)
    if isinstance(app, Flask) and (extension := app.extensions.get("migrate")) is not None:
        named = Path(getattr(extension, "directory", "migrations"))
        places += [named.absolute(), Path(app.root_path, named), Path(app.root_path).parent / named]
    return next((place for place in places if is_dir(place / "versions")), None)
