"""Count mails: by tenant, and by address, of which only a keyed hash is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mails",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=32), nullable=True),
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        sa.Column("template", sa.String(length=80), nullable=False),
        sa.Column("by_visitor", sa.Boolean(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_mails_tenant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_mails"),
    )
    op.create_index("ix_mails_tenant_id_due_at", "mails", ["tenant_id", "due_at"])
    op.create_index("ix_mails_address_hash_due_at", "mails", ["address_hash", "due_at"])
    op.create_index("ix_mails_due_at", "mails", ["due_at"])


def downgrade() -> None:
    op.drop_table("mails")
