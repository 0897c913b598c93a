"""``tenantry migrations``: writes a schema revision from what the app's models say."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import click
from flask import Flask

from tenantry.databases.placements import tenant_database
from tenantry.flask.factories import load_factory
from tenantry.migrations import load_history, upgrade
from tenantry.settings import get_settings
from tenantry.values.placement import Placement
from tenantry.values.tenant import Tenant

if TYPE_CHECKING:
    from sqlalchemy import MetaData

    from tenantry.factory import Factory
    from tenantry.settings import Settings


@click.group()
def migrations() -> None:
    """Write schema revisions from the models."""


@migrations.command()
@click.option("-m", "--message", required=True, help="What it is for; part of the file's name.")
def revision(*, message: str) -> None:
    """Compare the app's models with the newest revision, and write the revision between them.

    In a folder without revisions, it writes the first one.

    A temporary tenant on SQLite is migrated to the newest revision, and its app is built. Read the
    new file before you run `tenantry migrate`: a renamed column looks like a removed and a new one.
    """
    settings = get_settings()
    folder = load_factory(settings).migrations
    if folder is None:
        raise click.ClickException(
            "The factory has no MIGRATIONS. Name the folder of the revisions beside it, or set "
            "TENANTRY_MIGRATIONS."
        )
    history = load_history(folder, may_be_empty=True)
    with tempfile.TemporaryDirectory(prefix="tenantry-revision-") as scratch:
        written = _compare(_settings_in(Path(scratch), settings), folder, message)
    if written is None:
        same = f"The models say what revision {history.head} says" if history.head else "No tables"
        click.echo(f"{same}. Nothing was written.")
    else:
        click.echo(f"Wrote {written}. Read it before you run `tenantry migrate`.")


def _settings_in(scratch: Path, settings: Settings) -> Settings:
    """Return settings under which nothing is written outside of *scratch*."""
    changed = {"data_dir": scratch, "files_dir": "", "databases": (Placement("local"),)}
    return settings.model_copy(update=changed)


def _compare(settings: Settings, folder: Path, message: str) -> Path | None:
    factory, history = load_factory(settings), load_history(folder, may_be_empty=True)
    tenant = Tenant(uuid.uuid4().hex, "revision", "Revision", placement="local")
    database = tenant_database(tenant, settings)
    database.create()
    try:
        if history.head:
            upgrade(database, history)
        metadata = _find_metadata(factory, tenant)
        engine = database.open_engine()
        try:
            with engine.connect() as connection:
                return history.write(connection, metadata, message=message)
        finally:
            engine.dispose()
    finally:
        database.close()


def _find_metadata(factory: Factory, tenant: Tenant) -> MetaData:
    """Build the tenant's app, and return what its models say."""
    app = factory.build(tenant)
    try:
        extension = app.extensions.get("sqlalchemy") if isinstance(app, Flask) else None
        metadata: MetaData | None = getattr(extension, "metadata", None)
        if metadata is None:
            raise click.ClickException(
                "The app has no Flask-SQLAlchemy, so its models cannot be found. Write the revision "
                "by hand."
            )
        return metadata
    finally:
        factory.dispose(app)
