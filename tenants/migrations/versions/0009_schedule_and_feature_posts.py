"""Let posts have an excerpt of their author's, and stand above the others."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

EMPTY = sa.text("''")


def upgrade() -> None:
    op.add_column(
        "post", sa.Column("excerpt", sa.String(length=300), server_default=EMPTY, nullable=False)
    )
    op.add_column(
        "post", sa.Column("is_featured", sa.Boolean(), server_default="0", nullable=False)
    )
    op.create_index(
        "ix_post_is_featured_published_at_id", "post", ["is_featured", "published_at", "id"]
    )
    op.add_column(
        "unsaved_text", sa.Column("excerpt", sa.Text(), server_default=EMPTY, nullable=False)
    )


def downgrade() -> None:
    with op.batch_alter_table("unsaved_text") as unsaved:
        unsaved.drop_column("excerpt")
    op.drop_index("ix_post_is_featured_published_at_id", "post")
    with op.batch_alter_table("post") as post:
        post.drop_column("is_featured")
        post.drop_column("excerpt")
