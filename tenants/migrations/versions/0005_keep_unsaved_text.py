"""Keep unsaved text, number the versions of a post, and let a deleted post be restored."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("post", sa.Column("deleted_at", sa.DateTime(), nullable=True))
    op.add_column("post", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.create_table(
        "unsaved_text",
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("post_id", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["member.id"],
            name="fk_unsaved_text_member_id_member",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["post_id"], ["post.id"], name="fk_unsaved_text_post_id_post", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("member_id", "key", name="pk_unsaved_text"),
    )
    op.create_index("ix_unsaved_text_post_id", "unsaved_text", ["post_id"])


def downgrade() -> None:
    op.drop_table("unsaved_text")
    with op.batch_alter_table("post") as post:
        post.drop_column("version")
        post.drop_column("deleted_at")
