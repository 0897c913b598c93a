"""Let authors say something of themselves, and members follow them."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "profile",
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("about", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.id"], name="fk_profile_member_id_member", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("member_id", name="pk_profile"),
    )
    op.create_table(
        "follow",
        sa.Column("follower_id", sa.Integer(), nullable=False),
        sa.Column("author_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["follower_id"], ["member.id"], name="fk_follow_follower_id_member", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["author_id"], ["member.id"], name="fk_follow_author_id_member", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("follower_id", "author_id", name="pk_follow"),
    )
    op.create_index("ix_follow_author_id", "follow", ["author_id"])


def downgrade() -> None:
    op.drop_table("follow")
    op.drop_table("profile")
