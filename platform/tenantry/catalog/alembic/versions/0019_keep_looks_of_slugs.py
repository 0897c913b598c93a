"""Keep what slugs look like, to find those that are taken for each other."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# The release before this revision can use the catalog after it, and write to it. A slug that it gives
# meanwhile has no look: nobody is refused for it.
expands = True

LOOKS = "replace(replace(replace(replace(slug, '0', 'o'), '1', 'l'), 'rn', 'm'), 'vv', 'w')"


def upgrade() -> None:
    looks = sa.Column("looks", sa.String(length=63), nullable=False, server_default="")
    op.add_column("tenants", looks)
    op.execute(f"UPDATE tenants SET looks = {LOOKS}")  # noqa: S608 - a constant
    op.create_index("ix_tenants_looks", "tenants", ["looks"])


def downgrade() -> None:
    op.drop_index("ix_tenants_looks", "tenants")
    op.drop_column("tenants", "looks")
