"""Keep the earlier texts of a post."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "post_revision",
        sa.Column("post_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=160), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=False),
        sa.Column("saved_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["post.id"], name="fk_post_revision_post_id_post", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["author_id"], ["member.id"], name="fk_post_revision_author_id_member"
        ),
        sa.PrimaryKeyConstraint("post_id", "version", name="pk_post_revision"),
    )
    op.create_index("ix_post_revision_author_id", "post_revision", ["author_id"])


def downgrade() -> None:
    op.drop_table("post_revision")
