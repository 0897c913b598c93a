"""Migrates one tenant's database to the newest schema revision in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from tenantry.databases.revisions import LOCK_SECONDS, find_revision
from tenantry.errors import SiteMovingError, UpgradeError

if TYPE_CHECKING:
    from tenantry.databases.placements import TenantDatabase
    from tenantry.migrations.history import History


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What became of a database."""

    before: str
    after: str


def upgrade(
    database: TenantDatabase,
    history: History,
    *,
    to: str | None = None,
    lock_timeout: float = LOCK_SECONDS,
) -> Upgrade:
    """Run the revisions that the database lacks, all in one transaction.

    :param to: End at an earlier revision than the newest.
    :param lock_timeout: Seconds to wait for others who use the database.
    :raises UnknownSchemaError: The database is at a revision of another release.
    :raises UpgradeError: A revision failed, or the database did; it is as it was.
    """
    engine = database.open_engine()
    try:
        with engine.connect() as connection, database.migrating(connection, lock_timeout):
            before = find_revision(connection)
            if history.path_from(before):
                history.run(connection, to=to)
            return Upgrade(before, to or history.head)
    except DBAPIError as error:
        problem = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        raise UpgradeError(problem[0]) from error
    except SiteMovingError as error:
        raise UpgradeError(
            "an interrupted move has closed it to writers; run `tenantry tenant move` again"
        ) from error
    finally:
        engine.dispose()
