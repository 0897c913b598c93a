"""Keep the revisions of the front page and of the legal pages."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# The release before this revision can use the catalog after it, and write to it.
expands = True


def upgrade() -> None:
    op.create_table(
        "front_pages",
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("changed", sa.JSON(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("logo", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_front_pages"),
    )


def downgrade() -> None:
    op.drop_table("front_pages")
