"""Runs the catalog's migrations on the connection of :mod:`tenantry.catalog.schema`."""

from alembic import context

from tenantry.catalog.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite alters most things by copying the table.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
