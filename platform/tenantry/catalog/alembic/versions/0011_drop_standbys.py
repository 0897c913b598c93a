"""Keep no databases ready for new tenants; those that are left are deleted tenants, to be purged.

Nobody has used their data. As deleted tenants they are listed, and a purge destroys them and proves it.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0007"
branch_labels = None
depends_on = None

KEPT = timedelta(days=30)
"""As other deleted tenants are: a catalog from a backup may name what has become a site since."""


def upgrade() -> None:
    op.get_bind().execute(
        sa.text(
            "INSERT INTO tenants (id, slug, name, state, reason, plan, placement, revision, "
            "settings, listed, created_at, quiet, schema_revision, purge_at, former_placement, "
            "moving_to, notice, owners) SELECT id, 'standby-' || id, 'standby-' || id, 'deleted', "
            "'a database that stood by for a new tenant', 'free', placement, 1, '{}', "
            ":no, created_at, :no, '', :purge_at, '', '', '', '[]' FROM standbys"
        ).bindparams(
            sa.bindparam("no", False, sa.Boolean()),
            sa.bindparam("purge_at", datetime.now(UTC) + KEPT, sa.DateTime(timezone=True)),
        )
    )
    op.drop_table("standbys")


def downgrade() -> None:
    op.create_table(
        "standbys",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("placement", sa.String(length=40), nullable=False),
        sa.Column("template", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("node", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_standbys"),
    )
