"""The catalog's schema: prepared and brought up to date by Alembic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from tenantry.catalog.engine import WRITE, shown, unavailable
from tenantry.errors import CatalogNotReadyError

if TYPE_CHECKING:
    from sqlalchemy import Engine


def upgrade(engine: Engine) -> None:
    """Bring the catalog to this release's revision; what is there already stays."""
    config = _config()
    with engine.connect().execution_options(**WRITE) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def head() -> str:
    """Return this release's revision."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def check(engine: Engine) -> str:
    """Make sure that the catalog is at this release's revision, and return it.

    :raises CatalogNotReadyError: It is not.
    """
    wanted = head()
    try:
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    except DBAPIError as error:
        raise unavailable(error) from error
    if found != wanted:
        url = shown(engine.url.render_as_string(hide_password=False))
        raise CatalogNotReadyError(url, found, wanted)
    return wanted


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("alembic")))
    return config
