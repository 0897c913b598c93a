"""Let several tenants want a host and one have it, and keep what checks of its DNS have found."""

import secrets
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None

ADDED = (
    "is_primary",
    "token",
    "waiting_since",
    "checked_at",
    "check_at",
    "failures",
    "failing_since",
    "warned_at",
    "problem",
)
SERVED = sa.text("verified_at IS NOT NULL")


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    for column in (
        sa.Column("is_primary", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("token", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("waiting_since", moment, nullable=True),
        sa.Column("checked_at", moment, nullable=True),
        sa.Column("check_at", moment, nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("failing_since", moment, nullable=True),
        sa.Column("warned_at", moment, nullable=True),
        sa.Column("problem", sa.String(length=500), nullable=False, server_default=""),
    ):
        op.add_column("hosts", column)
    connection = op.get_bind()
    # What waits already was not told of any record: its time begins now.
    at = sa.bindparam("at", datetime.now(UTC), sa.DateTime(timezone=True))
    connection.execute(sa.text("UPDATE hosts SET waiting_since = created_at"))
    connection.execute(
        sa.text(
            "UPDATE hosts SET waiting_since = :at, check_at = :at WHERE state = 'pending'"
        ).bindparams(at)
    )
    names = connection.scalars(sa.text("SELECT name FROM hosts")).all()
    tokens = [{"name": name, "token": f"tenantry-{secrets.token_hex(16)}"} for name in names]
    if tokens:
        connection.execute(sa.text("UPDATE hosts SET token = :token WHERE name = :name"), tokens)
    with op.batch_alter_table("hosts") as hosts:
        hosts.alter_column("waiting_since", nullable=False)
        hosts.drop_constraint("pk_hosts", type_="primary")
        hosts.create_primary_key("pk_hosts", ["name", "tenant_id"])
    op.create_index(
        "uq_hosts_served", "hosts", ["name"], unique=True,
        sqlite_where=SERVED, postgresql_where=SERVED,
    )  # fmt: skip
    op.create_index("ix_hosts_check_at", "hosts", ["check_at"])


def downgrade() -> None:
    op.drop_index("ix_hosts_check_at", "hosts")
    op.drop_index("uq_hosts_served", "hosts")
    # What several tenants wait for belongs to none of them.
    op.execute(sa.text("UPDATE hosts SET state = 'pending' WHERE verified_at IS NULL"))
    op.execute(
        sa.text(
            "DELETE FROM hosts WHERE verified_at IS NULL AND name IN "
            "(SELECT name FROM hosts GROUP BY name HAVING count(*) > 1)"
        )
    )
    with op.batch_alter_table("hosts") as hosts:
        hosts.drop_constraint("pk_hosts", type_="primary")
        hosts.create_primary_key("pk_hosts", ["name"])
        for name in ADDED:
            hosts.drop_column(name)
