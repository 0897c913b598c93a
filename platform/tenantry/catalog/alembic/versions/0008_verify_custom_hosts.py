"""Serve custom hosts only when they are verified, let them rest when given up, and count plans.

Hosts that are served already go on: an operator has added each of them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0005"
branch_labels = None
depends_on = None

OF_THE_OPERATOR = sa.text(
    "UPDATE hosts SET state = 'verified', proof = 'operator', verified_at = created_at"
)


def upgrade() -> None:
    op.add_column(
        "hosts",
        sa.Column("state", sa.String(length=16), nullable=False, server_default="pending"),
    )
    op.add_column(
        "hosts", sa.Column("proof", sa.String(length=16), nullable=False, server_default="")
    )
    op.add_column("hosts", sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(OF_THE_OPERATOR)
    op.create_table(
        "former_hosts",
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("tenant_id", sa.String(length=32), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_former_hosts_tenant_id"),
        sa.PrimaryKeyConstraint("name", name="pk_former_hosts"),
    )
    op.create_index("ix_former_hosts_tenant_id", "former_hosts", ["tenant_id"])
    op.create_index("ix_former_hosts_released_at", "former_hosts", ["released_at"])
    op.create_index("ix_tenants_plan", "tenants", ["plan"])


def downgrade() -> None:
    op.drop_index("ix_tenants_plan", "tenants")
    op.drop_table("former_hosts")
    # What nobody has verified was never served, and would be.
    op.execute(sa.text("DELETE FROM hosts WHERE verified_at IS NULL"))
    for name in ("verified_at", "proof", "state"):
        op.drop_column("hosts", name)
