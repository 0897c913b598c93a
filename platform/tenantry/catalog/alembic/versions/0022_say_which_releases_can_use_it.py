"""Keep which releases can use the catalog: nodes are upgraded one after the other."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# The release before this revision can use the catalog after it, and write to it.
expands = True


def upgrade() -> None:
    column = sa.Column("usable_from", sa.String(length=80), nullable=False, server_default="")
    op.add_column("heads", column)


def downgrade() -> None:
    op.drop_column("heads", "usable_from")
