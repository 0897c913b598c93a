"""The schema revisions and the models say the same."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from shop.models import Base

from tenantry import tenant_database


def test_the_newest_revision_is_the_models_schema(tenant):
    """A changed model needs a revision: tenants that exist would lack what new code expects."""
    engine = tenant_database(tenant).open_engine()
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()
