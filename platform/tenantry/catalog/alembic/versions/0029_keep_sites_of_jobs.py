"""Keep which sites a job goes through, and what became of each."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

# The release before this revision can use the catalog after it, and write to it.
expands = True


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "job_sites",
        sa.Column("job_id", big, nullable=False),
        sa.Column("tenant_id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("text", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_job_sites_job_id_jobs", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_job_sites_tenant_id_tenants", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "tenant_id", name="pk_job_sites"),
    )
    op.create_index("ix_job_sites_tenant_id", "job_sites", ["tenant_id"])
    op.create_index(
        "ix_job_sites_job_id_state_tenant_id", "job_sites", ["job_id", "state", "tenant_id"]
    )


def downgrade() -> None:
    op.drop_table("job_sites")
