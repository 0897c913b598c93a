"""Keep the words of names, so that a search is a range of an index."""

import sqlalchemy as sa
from alembic import op

from tenantry.catalog.word_index import rebuild_words

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# The release before writes no words. The heads keep up to which change those of tenants are right; the
# daily job "platform.clean" adds those of accounts.
expands = True

WORD = sa.String(length=40).with_variant(sa.String(length=40, collation="C"), "postgresql")


def upgrade() -> None:
    epoch = sa.Column("words_epoch", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("heads", epoch)
    op.execute("UPDATE heads SET words_epoch = epoch")
    op.create_table(
        "tenant_words",
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("word", WORD, nullable=False),
        sa.Column(
            "tenant_id",
            sa.String(length=32),
            sa.ForeignKey("tenants.id", name="fk_tenant_words_tenant_id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("is_public", "word", "tenant_id", name="pk_tenant_words"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tenant_words_tenant_id_word", "tenant_words", ["tenant_id", "word"])
    op.create_table(
        "account_words",
        sa.Column("word", WORD, nullable=False),
        sa.Column(
            "account_id",
            sa.String(length=32),
            sa.ForeignKey("accounts.id", name="fk_account_words_account_id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("word", "account_id", name="pk_account_words"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_account_words_account_id_word", "account_words", ["account_id", "word"])
    rebuild_words(op.get_bind())


def downgrade() -> None:
    op.drop_table("account_words")
    op.drop_table("tenant_words")
    op.drop_column("heads", "words_epoch")
