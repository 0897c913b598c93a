"""Index what the console's tables filter and sort by, so that each page is a range of an index."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# The release before this revision can use the catalog after it, and write to it.
expands = True

REPLACED = {
    "state": ("state", "slug"),
    "plan": ("plan", "slug"),
    "placement": ("placement", "slug"),
    "schema_revision": ("schema_revision", "slug"),
    "created_at": ("created_at", "id"),
}
"""The index that stood for a column alone, and the columns of the one that also has the order."""


def upgrade() -> None:
    for column, columns in REPLACED.items():
        op.drop_index(f"ix_tenants_{column}", "tenants")
        op.create_index(f"ix_tenants_{'_'.join(columns)}", "tenants", columns)
    op.create_index("ix_tenants_name_id", "tenants", ["name", "id"])
    op.create_index("ix_hosts_state_name", "hosts", ["state", "name"])
    op.create_index("ix_accounts_created_at_id", "accounts", ["created_at", "id"])


def downgrade() -> None:
    op.drop_index("ix_accounts_created_at_id", "accounts")
    op.drop_index("ix_hosts_state_name", "hosts")
    op.drop_index("ix_tenants_name_id", "tenants")
    for column, columns in REPLACED.items():
        op.drop_index(f"ix_tenants_{'_'.join(columns)}", "tenants")
        op.create_index(f"ix_tenants_{column}", "tenants", [column])
