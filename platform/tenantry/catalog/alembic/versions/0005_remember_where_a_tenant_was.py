"""Remember where a tenant's data was before it moved, and where it is being moved to."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("tenants") as tenants:
        for name in ("former_placement", "moving_to"):
            tenants.add_column(
                sa.Column(name, sa.String(length=40), nullable=False, server_default="")
            )


def downgrade() -> None:
    with op.batch_alter_table("tenants") as tenants:
        for name in ("moving_to", "former_placement"):
            tenants.drop_column(name)
