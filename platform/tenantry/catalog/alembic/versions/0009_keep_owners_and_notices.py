"""Keep with a tenant who owns it, and what visitors read while it is in maintenance."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0010"
branch_labels = None
depends_on = None

OWNERS = sa.text(
    "SELECT m.tenant_id, a.email FROM memberships m JOIN accounts a ON a.id = m.account_id "
    "WHERE m.role = 'owner' ORDER BY m.tenant_id, a.email"
)
SET_OWNERS = sa.text("UPDATE tenants SET owners = :owners WHERE id = :id")


def upgrade() -> None:
    # Not in batches: those would make the table anew, which others refer to.
    op.add_column(
        "tenants", sa.Column("notice", sa.String(length=300), nullable=False, server_default="")
    )
    op.add_column("tenants", sa.Column("reopens_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "tenants", sa.Column("owners", sa.JSON(), nullable=False, server_default=sa.text("'[]'"))
    )
    owners: dict[str, list[str]] = {}
    connection = op.get_bind()
    for tenant_id, email in connection.execute(OWNERS):
        owners.setdefault(tenant_id, []).append(email)
    rows = [{"id": key, "owners": json.dumps(emails)} for key, emails in owners.items()]
    if rows:
        connection.execute(SET_OWNERS, rows)


def downgrade() -> None:
    for name in ("owners", "reopens_at", "notice"):
        op.drop_column("tenants", name)
