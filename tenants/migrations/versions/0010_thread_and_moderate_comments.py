"""Let comments answer comments and wait for a moderator, by rules of the site."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("comment") as comment:
        comment.add_column(sa.Column("parent_id", sa.Integer(), nullable=True))
        comment.add_column(sa.Column("waits", sa.Boolean(), server_default="0", nullable=False))
        comment.create_foreign_key(
            "fk_comment_parent_id_comment", "comment", ["parent_id"], ["id"], ondelete="CASCADE"
        )
        comment.create_index("ix_comment_parent_id", ["parent_id"])
        comment.create_index("ix_comment_waits_id", ["waits", "id"])
    op.create_table(
        "comment_rules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hold_first", sa.Boolean(), nullable=False),
        sa.Column("max_links", sa.Integer(), nullable=True),
        sa.Column("held_words", sa.Text(), nullable=False),
        sa.Column("close_days", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_comment_rules"),
    )


def downgrade() -> None:
    op.drop_table("comment_rules")
    with op.batch_alter_table("comment") as comment:
        comment.drop_index("ix_comment_waits_id")
        comment.drop_index("ix_comment_parent_id")
        comment.drop_constraint("fk_comment_parent_id_comment", type_="foreignkey")
        comment.drop_column("waits")
        comment.drop_column("parent_id")
