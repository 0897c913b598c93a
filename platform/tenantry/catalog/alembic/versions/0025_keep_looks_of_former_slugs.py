"""Keep what former slugs look like, too: they lead to a site, or stay reserved."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# The release before this revision can use the catalog after it, and write to it. A name that it gives
# up meanwhile has no look: nobody is refused for it.
expands = True

LOOKS = "replace(replace(replace(replace(slug, '0', 'o'), '1', 'l'), 'rn', 'm'), 'vv', 'w')"


def upgrade() -> None:
    looks = sa.Column("looks", sa.String(length=63), nullable=False, server_default="")
    op.add_column("former_slugs", looks)
    op.execute(f"UPDATE former_slugs SET looks = {LOOKS}")  # noqa: S608 - a constant
    op.create_index("ix_former_slugs_looks", "former_slugs", ["looks"])


def downgrade() -> None:
    op.drop_index("ix_former_slugs_looks", "former_slugs")
    op.drop_column("former_slugs", "looks")
