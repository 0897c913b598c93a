"""Keep what is known of uploaded files, and which picture is a post's cover."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "media",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("file_name", sa.String(length=120), nullable=False),
        sa.Column("is_picture", sa.Boolean(), nullable=False),
        sa.Column("alt", sa.String(length=400), nullable=False),
        sa.Column("uploader_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["uploader_id"], ["member.id"], name="fk_media_uploader_id_member"),
        sa.PrimaryKeyConstraint("id", name="pk_media"),
        sa.UniqueConstraint("key", name="uq_media_key"),
        sa.UniqueConstraint("digest", name="uq_media_digest"),
    )
    op.create_index("ix_media_uploader_id", "media", ["uploader_id"])
    op.create_index("ix_media_created_at", "media", ["created_at"])
    op.create_table(
        "media_file",
        sa.Column("media_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["media_id"], ["media.id"], name="fk_media_file_media_id_media", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("media_id", "name", name="pk_media_file"),
    )
    op.create_table(
        "post_cover",
        sa.Column("post_id", sa.Integer(), nullable=False),
        sa.Column("media_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["post.id"], name="fk_post_cover_post_id_post", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["media_id"], ["media.id"], name="fk_post_cover_media_id_media", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("post_id", name="pk_post_cover"),
    )
    op.create_index("ix_post_cover_media_id", "post_cover", ["media_id"])


def downgrade() -> None:
    for table in ("post_cover", "media_file", "media"):
        op.drop_table(table)
