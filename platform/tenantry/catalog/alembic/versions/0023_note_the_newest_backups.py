"""Note each tenant's newest backup: how old it is, and whether it was verified."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# The release before this revision can use the catalog after it, and write to it.
expands = True


def upgrade() -> None:
    op.create_table(
        "backups",
        sa.Column("tenant_id", sa.String(length=32), nullable=False),
        sa.Column("file", sa.String(length=80), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("current_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.String(length=500), nullable=False),
        sa.Column("restored_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_backups_tenant_id"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_backups"),
    )
    op.create_index("ix_backups_current_at", "backups", ["current_at"])


def downgrade() -> None:
    op.drop_table("backups")
