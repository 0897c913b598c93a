"""The database of a site: one file per tenant, one set of models for all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import DateTime, MetaData, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, registry

from tenantry import TenantSQLAlchemy, provision_database

if TYPE_CHECKING:
    from sqlalchemy import Dialect

    from tenantry import Settings, Tenant

MIGRATIONS = Path(__file__).with_name("migrations")
"""The revisions whose newest is the schema that the models describe."""


TRANSIENT_TABLES = ("member_session", "entry_link")
"""What is open on this site and must not be open on a copy of it, or after a restore."""


class Moment(TypeDecorator[datetime]):
    """A moment in UTC. SQLite keeps no time zones, so that it is put on again when read."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Store UTC without its name."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, _dialect: Dialect) -> datetime | None:
        """Say again that it is UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Base of the models; constraints get names, because migrations need them."""

    registry = registry(
        metadata=MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
        type_annotation_map={datetime: Moment()},
    )


# Shared by all sites: models and session factory here; the engine is the current tenant's. Values stay
# usable after a commit, which spares a query for each of them.
db = TenantSQLAlchemy(
    model_class=Base, session_options={"expire_on_commit": False}, add_models_to_shell=False
)


def now() -> datetime:
    """Return this moment, as the database keeps it."""
    return datetime.now(UTC)


def provision(tenant: Tenant, settings: Settings | None = None) -> None:
    """Make the tenant's database, if it is not there. An existing one is left as it is."""
    provision_database(tenant, MIGRATIONS, settings=settings)
