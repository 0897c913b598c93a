"""Keep what people need who sign up: addresses to confirm, second factors, invitations, held sites.

Accounts that exist were made by an operator, who vouched for their addresses: they are confirmed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TEXTS = {
    "pending_email": 254,
    "pending_confirmed": 8,
    "language": 20,
    "time_zone": 60,
    "terms_version": 40,
    "totp_secret": 200,
}
MOMENT = sa.DateTime(timezone=True)
VOUCHED = sa.text("UPDATE accounts SET confirmed_at = created_at")
PROVED = sa.text("UPDATE sessions SET proved_at = created_at")


def upgrade() -> None:
    for name, length in TEXTS.items():
        column = sa.Column(name, sa.String(length=length), nullable=False, server_default="")
        op.add_column("accounts", column)
    for name in ("confirmed_at", "terms_at"):
        op.add_column("accounts", sa.Column(name, MOMENT, nullable=True))
    flag: sa.Column[bool] = sa.Column(
        "second_factor", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("accounts", flag)
    step = sa.Column("totp_step", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("accounts", step)
    op.add_column("accounts", sa.Column("identity", sa.String(length=64), nullable=True))
    op.create_index("ix_accounts_identity", "accounts", ["identity"], unique=True)
    op.execute(VOUCHED)
    # SQLite adds no column without a constant default.
    long_ago = "1970-01-01 00:00:00"
    proved = sa.Column("proved_at", MOMENT, nullable=False, server_default=long_ago)
    op.add_column("sessions", proved)
    op.execute(PROVED)
    op.add_column("tenants", sa.Column("held_until", MOMENT, nullable=True))
    op.create_index("ix_tenants_held_until", "tenants", ["held_until"])
    op.create_table(
        "passkeys",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("public_key", sa.String(length=1000), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_passkeys_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_passkeys"),
    )
    op.create_index("ix_passkeys_account_id", "passkeys", ["account_id"])
    op.create_table(
        "recovery_codes",
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_recovery_codes_account_id"
        ),
        sa.PrimaryKeyConstraint("account_id", "hash", name="pk_recovery_codes"),
    )
    op.create_table(
        "invitations",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=32), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("invited_by", sa.String(length=254), nullable=False),
        sa.Column("invited_by_id", sa.String(length=32), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_invitations_tenant_id"),
        sa.PrimaryKeyConstraint("hash", name="pk_invitations"),
    )
    for name in ("tenant_id", "email", "expires_at"):
        op.create_index(f"ix_invitations_{name}", "invitations", [name])


def downgrade() -> None:
    for table in ("invitations", "recovery_codes", "passkeys"):
        op.drop_table(table)
    op.drop_index("ix_tenants_held_until", "tenants")
    op.drop_column("tenants", "held_until")
    op.drop_column("sessions", "proved_at")
    op.drop_index("ix_accounts_identity", "accounts")
    for name in ("identity", "totp_step", "second_factor", "confirmed_at", "terms_at", *TEXTS):
        op.drop_column("accounts", name)
