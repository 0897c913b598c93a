"""Keep the nodes of a fleet, which placements belong to which of them, and who holds its locks."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "nodes",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("release", sa.String(length=40), nullable=False),
        sa.Column("joined_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("drained", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_nodes"),
    )
    op.create_table(
        "placement_owners",
        sa.Column("name", sa.String(length=41), nullable=False),
        sa.Column("owner", sa.String(length=32), nullable=False),
        sa.Column("node_id", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_placement_owners"),
    )
    op.create_table(
        "operation_locks",
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("node", sa.String(length=255), nullable=False),
        sa.Column("doing", sa.String(length=40), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", "token", name="pk_operation_locks"),
    )
    key = sa.Column("key_check", sa.String(length=64), nullable=False, server_default="")
    op.add_column("heads", key)


def downgrade() -> None:
    op.drop_column("heads", "key_check")
    for table in ("operation_locks", "placement_owners", "nodes"):
        op.drop_table(table)
