"""A history as a site has after two years: the bundled site's own revisions, and more up to twenty."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tenantry.migrations import load_history
from tenants import MIGRATIONS

if TYPE_CHECKING:
    from pathlib import Path

LENGTH = 20
TABLES = ("member", "post", "comment")

ENV = '''"""What `alembic init` writes, shortened: an engine from the URL, one transaction."""
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
'''


def write_history(folder: Path, *, length: int = LENGTH) -> Path:
    """Write an Alembic folder of so many revisions.

    In turn they add a column that has a default, a table with an index, and an index; every fifth
    changes a column's type, for which SQLite has to copy the table.
    """
    versions = folder / "versions"
    versions.mkdir(parents=True)
    for own in (MIGRATIONS / "versions").glob("*.py"):
        shutil.copy(own, versions)
    after = load_history(MIGRATIONS).head
    first = max(int(own.name[:4]) for own in versions.glob("*.py")) + 1
    for number in range(first, length + 1):
        (versions / f"{number:04}_step.py").write_text(revision(number, after=after))
        after = f"{number:04}"
    (folder / "env.py").write_text(ENV)
    (folder / "script.py.mako").touch()
    return folder


def add_column(folder: Path, number: int) -> None:
    """Write one more revision, which adds a column."""
    module = _module(number, _column(number), after=f"{number - 1:04}")
    (folder / "versions" / f"{number:04}_column.py").write_text(module)


def revision(number: int, *, after: str) -> str:
    """Return the module of the revision with this number, which follows another one."""
    if number % 5 == 0:
        body = (
            "with op.batch_alter_table('post') as batch:\n"
            "        batch.alter_column('summary', existing_type=sa.String(), "
            f"existing_nullable=False, type_=sa.String({400 + number}))"
        )
    elif number % 3 == 0:
        name = f"extra_{number}"
        body = (
            f"op.create_table({name!r}, sa.Column('id', sa.Integer(), primary_key=True), "
            "sa.Column('post_id', sa.Integer(), sa.ForeignKey('post.id', ondelete='CASCADE')), "
            "sa.Column('kind', sa.String(40), nullable=False), "
            "sa.Column('made_at', sa.DateTime()))\n"
            f"    op.create_index('ix_{name}_post_id', {name!r}, ['post_id'])"
        )
    elif number % 3 == 1:
        body = f"op.create_index('ix_post_step_{number}', 'post', ['title', 'id'])"
    else:
        body = _column(number)
    return _module(number, body, after=after)


def _column(number: int) -> str:
    table = TABLES[number % len(TABLES)]
    return (
        f"op.add_column({table!r}, sa.Column('step_{number}', sa.Integer(), "
        "server_default='0', nullable=False))"
    )


def _module(number: int, body: str, *, after: str) -> str:
    return (
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision, down_revision = '{number:04}', '{after}'\n"
        f"branch_labels = depends_on = None\n\n\ndef upgrade():\n    {body}\n"
    )
