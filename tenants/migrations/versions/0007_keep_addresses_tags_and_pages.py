"""Keep former addresses and tags of posts, and let a post be a page of the menu."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("post", sa.Column("is_page", sa.Boolean(), server_default="0", nullable=False))
    op.add_column(
        "unsaved_text", sa.Column("tags", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    op.create_table(
        "former_slug",
        sa.Column("slug", sa.String(length=120), nullable=False),
        sa.Column("post_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["post.id"], name="fk_former_slug_post_id_post", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("slug", name="pk_former_slug"),
    )
    op.create_index("ix_former_slug_post_id", "former_slug", ["post_id"])
    op.create_table(
        "tag",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tag"),
        sa.UniqueConstraint("slug", name="uq_tag_slug"),
    )
    op.create_table(
        "post_tag",
        sa.Column("post_id", sa.Integer(), nullable=False),
        sa.Column("tag_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["post.id"], name="fk_post_tag_post_id_post", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tag.id"], name="fk_post_tag_tag_id_tag", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("post_id", "tag_id", name="pk_post_tag"),
    )
    op.create_index("ix_post_tag_tag_id", "post_tag", ["tag_id"])


def downgrade() -> None:
    for table in ("post_tag", "tag", "former_slug"):
        op.drop_table(table)
    with op.batch_alter_table("unsaved_text") as unsaved:
        unsaved.drop_column("tags")
    with op.batch_alter_table("post") as post:
        post.drop_column("is_page")
