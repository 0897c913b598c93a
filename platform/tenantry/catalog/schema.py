"""The catalog's schema: Alembic creates and upgrades it."""

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
    from sqlalchemy import Engine

# Alembic takes longer to import than most commands take, and only an upgrade needs it.
_SCRIPTS = Path(__file__).with_name("alembic")
_NAME = re.compile(r'^revision = "(\w+)"', re.MULTILINE)
_FOLLOWS = re.compile(r'^down_revision = "(\w+)"', re.MULTILINE)


def upgrade(engine: Engine) -> None:
    """Bring the catalog to this release's revision; what is there already stays."""
    from alembic import command  # noqa: PLC0415

    config = _config()
    with engine.connect().execution_options(**WRITE) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def head() -> str:
    """Return this release's revision: the one that no other follows."""
    texts = [file.read_text() for file in (_SCRIPTS / "versions").glob("*.py")]
    follow = {name for text in texts for name in _FOLLOWS.findall(text)}
    (newest,) = (name for text in texts for name in _NAME.findall(text) if name not in follow)
    return str(newest)


def check(engine: Engine) -> str:
    """Make sure that the catalog is at this release's revision, and return it.

    :raises CatalogNotReadyError: It is not.
    """
    wanted = head()
    try:
        with engine.connect() as connection:
            found = None
            if inspect(connection).has_table("alembic_version"):
                found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    except DBAPIError as error:
        raise unavailable(error) from error
    if found != wanted:
        url = shown(engine.url.render_as_string(hide_password=False))
        raise CatalogNotReadyError(url, found, wanted)
    return wanted


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    return config
