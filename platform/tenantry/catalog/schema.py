"""The catalog's schema: Alembic creates and upgrades it.

A revision with ``expands = True`` only adds what the release before it can do without. The catalog
keeps from which revision on releases can use it: nodes of an older one go on until it is their turn.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from tenantry.catalog.engine import WRITE, shown, unavailable
from tenantry.errors import CatalogNotReadyError

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Engine

# Alembic takes longer to import than most commands take, and only an upgrade needs it.
_SCRIPTS = Path(__file__).with_name("alembic")
_NAME = re.compile(r'^revision = "(\w+)"', re.MULTILINE)
_FOLLOWS = re.compile(r'^down_revision = "(\w+)"', re.MULTILINE)
_EXPANDS = re.compile(r"^expands = True$", re.MULTILINE)
_SAY_USABLE = text("UPDATE heads SET usable_from = :usable WHERE usable_from <> :usable")


def upgrade(engine: Engine) -> None:
    """Bring the catalog to this release's revision; what is there already stays."""
    from alembic import command  # noqa: PLC0415

    config = _config()
    with engine.connect().execution_options(**WRITE) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.execute(_SAY_USABLE, {"usable": f"{oldest_user()} {head()}"})
        connection.commit()


def oldest_user(since: str = "") -> str:
    """Return the oldest revision whose release can use the catalog at this release's revision.

    :param since: Look no further back than to this revision.
    """
    before = {}
    for script in _read_scripts():
        if _EXPANDS.search(script):
            before[_NAME.findall(script)[0]] = _FOLLOWS.findall(script)[0]
    oldest = head()
    while oldest in before and oldest != since:
        oldest = before[oldest]
    return oldest


def _read_scripts() -> list[str]:
    return [file.read_text() for file in (_SCRIPTS / "versions").glob("*.py")]


def head() -> str:
    """Return this release's revision: the one that no other follows."""
    texts = _read_scripts()
    follow = {name for text in texts for name in _FOLLOWS.findall(text)}
    (newest,) = (name for text in texts for name in _NAME.findall(text) if name not in follow)
    return str(newest)


def check(engine: Engine) -> str:
    """Make sure that this release can use the catalog, and return the revision that it is at.

    :raises CatalogNotReadyError: It is older, or a newer one that this release cannot use.
    """
    wanted = head()
    try:
        with engine.connect() as connection:
            found = _found(connection)
            if found is not None and found != wanted and _is_usable(connection, found, wanted):
                return str(found)
    except DBAPIError as error:
        raise unavailable(error) from error
    if found != wanted:
        url = shown(engine.url.render_as_string(hide_password=False))
        raise CatalogNotReadyError(url, found, wanted)
    return wanted


def read_revision(engine: Engine) -> str | None:
    """Return the revision that the catalog is at; ``None`` if it has none yet.

    :raises CatalogUnavailableError: It does not answer.
    """
    try:
        with engine.connect() as connection:
            return _found(connection)
    except DBAPIError as error:
        raise unavailable(error) from error


def _found(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _is_usable(connection: Connection, found: str, wanted: str) -> bool:
    """Say whether a newer release has left the catalog so that this one can use it."""
    columns = {column["name"] for column in inspect(connection).get_columns("heads")}
    if "usable_from" not in columns:
        return False
    oldest, _, revision = (
        connection.scalar(text("SELECT usable_from FROM heads")) or ""
    ).partition(" ")
    # Revisions are numbers of four digits; an older one is never found at a newer catalog's.
    return bool(oldest) and revision == found and oldest <= wanted < found


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    return config
