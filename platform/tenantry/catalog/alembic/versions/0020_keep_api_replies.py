"""Keep the API's answers for a day, so that a repeated call is not made twice."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# The release before this revision can use the catalog after it, and write to it.
expands = True


def upgrade() -> None:
    op.create_table(
        "api_replies",
        sa.Column("token_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", "key", name="pk_api_replies"),
    )
    op.create_index("ix_api_replies_created_at", "api_replies", ["created_at"])


def downgrade() -> None:
    op.drop_table("api_replies")
