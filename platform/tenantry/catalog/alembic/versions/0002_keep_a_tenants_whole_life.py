"""Keep a tenant's whole life: former names, schema revisions, migration runs, deletion."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    with op.batch_alter_table("tenants") as tenants:
        tenants.add_column(sa.Column("quiet", sa.Boolean(), nullable=False, server_default="0"))
        tenants.add_column(
            sa.Column("schema_revision", sa.String(length=40), nullable=False, server_default="")
        )
        tenants.add_column(sa.Column("purge_at", moment, nullable=True))
        tenants.add_column(sa.Column("purged_at", moment, nullable=True))
        tenants.create_index("ix_tenants_schema_revision", ["schema_revision"])
        tenants.create_index("ix_tenants_purge_at", ["purge_at"])
        tenants.create_index("ix_tenants_placement", ["placement"])
    op.create_table(
        "former_slugs",
        sa.Column("slug", sa.String(length=63), nullable=False),
        sa.Column("tenant_id", sa.String(length=32), nullable=False),
        sa.Column("redirects_until", moment, nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_former_slugs_tenant_id"),
        sa.PrimaryKeyConstraint("slug", name="pk_former_slugs"),
    )
    op.create_index("ix_former_slugs_tenant_id", "former_slugs", ["tenant_id"])
    op.create_table(
        "migration_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("target", sa.String(length=40), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("actor", sa.String(length=254), nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.Column("finished_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_migration_runs"),
    )
    op.create_table(
        "migration_steps",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("before", sa.String(length=40), nullable=False),
        sa.Column("after", sa.String(length=40), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["migration_runs.id"], name="fk_migration_steps_run_id"
        ),
        sa.PrimaryKeyConstraint("run_id", "tenant_id", name="pk_migration_steps"),
    )
    op.create_index(
        "ix_migration_steps_run_id_state_position",
        "migration_steps",
        ["run_id", "state", "position"],
    )


def downgrade() -> None:
    op.drop_table("migration_steps")
    op.drop_table("migration_runs")
    op.drop_table("former_slugs")
    with op.batch_alter_table("tenants") as tenants:
        tenants.drop_index("ix_tenants_placement")
        tenants.drop_index("ix_tenants_purge_at")
        tenants.drop_index("ix_tenants_schema_revision")
        for column in ("purged_at", "purge_at", "schema_revision", "quiet"):
            tenants.drop_column(column)
