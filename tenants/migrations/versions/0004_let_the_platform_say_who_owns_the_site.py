"""Let the platform alone say who owns the site: on the site, an owner's rights were an editor's."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(sa.text("UPDATE member SET role = 'editor' WHERE role = 'owner'"))


def downgrade() -> None:
    """Leave the roles: nobody knows who was called an owner."""
