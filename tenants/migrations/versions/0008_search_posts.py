"""Index the words of posts, so that visitors can search them.

The index is derived from the table ``post`` and never copied. PostgreSQL keeps it as a generated
column. On SQLite :mod:`tenants.search_index` keeps it, and whatever copies rows makes it again.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SQLITE = (
    "CREATE VIRTUAL TABLE post_search USING fts5("
    "title, body, content='post', content_rowid='id', tokenize='unicode61 remove_diacritics 2')"
)


def _terms(column: str) -> str:
    """Return a column's words without accents; PostgreSQL would take "a.b" or "a-b" for one."""
    plain = rf"regexp_replace(normalize({column}, NFD), '[\u0300-\u036f]+', '', 'g')"
    return f"to_tsvector('simple', translate({plain}, '-_./:@', '      '))"


POSTGRESQL = (
    (
        "ALTER TABLE post ADD COLUMN search tsvector GENERATED ALWAYS AS "
        f"(setweight({_terms('title')}, 'A') || setweight({_terms('body')}, 'D')) STORED"
    ),
    "CREATE INDEX ix_post_search ON post USING gin (search)",
)


def upgrade() -> None:
    if _is_sqlite():
        op.execute(SQLITE)
        op.execute("INSERT INTO post_search (post_search) VALUES ('rebuild')")
        return
    for statement in POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE post_search" if _is_sqlite() else "ALTER TABLE post DROP COLUMN search")


def _is_sqlite() -> bool:
    return op.get_context().dialect.name == "sqlite"
