"""The site's schema revisions say the same as its models."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text

from tenantry.migrations import load_history
from tenantry.migrations.sqlite_template import sqlite_template
from tenants import models
from tenants.database import MIGRATIONS, Base

ROOT = Path(__file__).parents[2]


def _is_of_the_models(name: str | None, kind: str, _parents: object) -> bool:
    """Say whether a name is no part of the search index, which only queries know."""
    return not (kind == "table" and str(name).startswith("post_search"))


def test_the_newest_revision_is_the_models_schema(tmp_path: Path) -> None:
    """Whoever changes a model writes a revision: otherwise old sites would lack what new code wants."""
    assert models.Post.metadata is Base.metadata
    engine = create_engine(f"sqlite:///{sqlite_template(load_history(MIGRATIONS), tmp_path)}")
    with engine.connect() as connection:
        options = {"compare_server_default": True, "include_name": _is_of_the_models}
        context = MigrationContext.configure(connection, opts=options)
        found = compare_metadata(context, Base.metadata)
    engine.dispose()
    assert found == []


def test_sites_made_before_there_were_revisions_need_none(tmp_path: Path) -> None:
    """The first revision makes, to the letter, what was made from the models until then."""
    engine = create_engine(f"sqlite:///{tmp_path}/old")
    Base.metadata.create_all(engine)
    engine.dispose()
    query = (
        "SELECT name, sql FROM sqlite_master WHERE name <> 'alembic_version' AND sql <> '' "
        "AND name NOT LIKE 'post_search%'"  # which the models do not know
    )
    schemas = []
    for path in (tmp_path / "old", sqlite_template(load_history(MIGRATIONS), tmp_path)):
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute(query).fetchall()
        schemas.append({name: sorted(re.sub('[,"]', "", sql).split()) for name, sql in rows})
    schemas[1].pop("sqlite_autoindex_alembic_version_1", None)
    assert schemas[0] == schemas[1]


@pytest.mark.timeout(120)
def test_the_wheel_has_the_revisions(tmp_path: Path) -> None:
    """An installed platform has no checkout to take them from."""
    code = (
        "from hatchling.builders.wheel import WheelBuilder\n"
        f"next(WheelBuilder({str(ROOT)!r}).build(directory={str(tmp_path)!r}, versions=['standard']))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for path in (MIGRATIONS / "versions").glob("*.py"):
        assert f"tenantry/_bundled/tenants/migrations/versions/{path.name}" in names


def test_owners_of_older_sites_become_editors(tmp_path: Path) -> None:
    """They may write what they could; the platform alone says who owns a site."""
    history = load_history(MIGRATIONS)
    engine = create_engine(f"sqlite:///{sqlite_template(history, tmp_path)}")
    with engine.begin() as connection:
        for number, role in enumerate(("owner", "editor", "member")):
            connection.execute(
                text(
                    "INSERT INTO member (email, name, role, blocked, "
                    "is_platform_owner, failures, next_try_at, joined_at) VALUES "
                    "(:email, 'x', :role, 0, 0, 0, 0, '2026-01-01 00:00:00')"
                ),
                {"email": f"{number}@x.test", "role": role},
            )
        script = next(it for it in history.path_from("0001") if it.revision == "0004")
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            script.module.upgrade()
        roles = connection.scalars(text("SELECT role FROM member ORDER BY email")).all()
    engine.dispose()
    assert roles == ["editor", "editor", "member"]
