"""Keep the sessions of members, each of which can end by itself.

They take the place of a number in the member: it could end all sessions, and only all.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "member_session",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("device", sa.String(length=80), nullable=False),
        sa.Column("network", sa.String(length=50), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["member.id"],
            name="fk_member_session_member_id_member",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_member_session"),
    )
    op.create_index("ix_member_session_member_id", "member_session", ["member_id"])
    op.create_index("ix_member_session_expires_at", "member_session", ["expires_at"])
    op.drop_column("member", "session_version")


def downgrade() -> None:
    op.add_column(
        "member", sa.Column("session_version", sa.Integer(), nullable=False, server_default="1")
    )
    op.drop_table("member_session")
