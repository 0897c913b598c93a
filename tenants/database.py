"""The database of a site: one file per tenant, one set of models for all."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, DateTime, MetaData, String, Table, TypeDecorator, insert, select
from sqlalchemy.orm import DeclarativeBase, registry

from tenantry.flask import TenantSQLAlchemy, tenant_database
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from sqlalchemy import Dialect, Engine

    from tenantry.settings import Settings
    from tenantry.tenant import Tenant

REVISION = "0001"
"""The schema that the models describe, by the name that its migration will have."""

_alembic_version = Table(
    "alembic_version", MetaData(), Column("version_num", String(32), primary_key=True)
)


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
    database = tenant_database(tenant, settings or get_settings())
    database.create()
    engine = database.open_engine()
    try:
        _create_schema(engine)
    finally:
        engine.dispose()


def _create_schema(engine: Engine) -> None:
    from tenants import models  # noqa: F401, PLC0415 - they must be known to the metadata

    with closing(engine.connect()) as connection:
        # All or nothing, one process at a time: SQLite's driver itself would commit each table.
        one_at_a_time = {
            "sqlite": "BEGIN IMMEDIATE",
            "postgresql": "SELECT pg_advisory_xact_lock(hashtext(current_schema()))",
        }
        connection.exec_driver_sql(one_at_a_time[engine.dialect.name])
        _alembic_version.create(connection, checkfirst=True)
        if connection.scalar(select(_alembic_version.c.version_num)) is None:
            Base.metadata.create_all(connection)
            connection.execute(insert(_alembic_version).values(version_num=REVISION))
        connection.commit()
