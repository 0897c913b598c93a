"""Operators make a new site of a file: a bundle that an export has written, or a backup."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, url_for
from flask_wtf.file import FileField, FileRequired
from wtforms import EmailField, SelectField, StringField, SubmitField
from wtforms.validators import Length, Optional

from backend_app.access import OPERATORS, open_to
from backend_app.context import backend, operations
from backend_app.forms import stripped
from tenantry import accept_body
from tenantry.bundles.archive import needs_passphrase
from tenantry.errors import BundleError, CatalogUnavailableError, TenantryError
from tenantry.flask.forms import Form
from tenantry.lifecycle.jobs import imports_dir
from tenantry.values.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask.typing import ResponseReturnValue
    from werkzeug.datastructures import FileStorage

    from tenantry.lifecycle.import_ import ImportPreview

bp = Blueprint("imports", __name__)

PLAIN_TEXT = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}


class ImportForm(Form):
    """A file, and what the site is to be here."""

    file = FileField("File", validators=[FileRequired("Choose a file.")])
    slug = StringField(
        "Address",
        validators=[Optional(), Length(max=40)],
        filters=[stripped],
        description="By default its address in the file.",
        render_kw=PLAIN_TEXT,
    )
    owner_email = EmailField(
        "Owner's e-mail",
        validators=[Optional(), Length(max=254)],
        filters=[stripped],
        description="An account is created if there is none. By default nobody owns it.",
    )
    plan = SelectField("Plan", validators=[Optional()])
    placement = SelectField(
        "Placement", validators=[Optional()], description="By default the first one with room."
    )
    dry_run = SubmitField("Show what it would do")
    submit = SubmitField("Import")


@bp.route("/import", methods=["GET", "POST"])
@open_to(OPERATORS)
@accept_body()
def index() -> ResponseReturnValue:
    """Check a file, and have a job make a site of it."""
    settings, form = backend().settings, ImportForm()
    form.plan.choices = ["", *settings.plans]
    form.placement.choices = ["", *(placement.name for placement in settings.databases)]
    preview: ImportPreview | None = None
    problem, status = "", 200
    if form.validate_on_submit():
        names = ("slug", "owner_email", "plan", "placement")
        chosen = {name: form[name].data or None for name in names}
        try:
            with keeping(form.file.data) as (path, keep):
                preview = _check(path, chosen)
                if not form.dry_run.data:
                    job = operations().start("import", path=str(path), **chosen)
                    keep()
                    return redirect(url_for("jobs.show", job_id=job.id), 303)
        except CatalogUnavailableError:
            raise
        except TenantryError as error:
            problem, status = str(error), error.status
    page = render_template(
        "backend/import.html", form=form, would=_tell(preview) if preview else "", problem=problem
    )
    return page, 422 if form.errors else status


def _check(path: Path, chosen: dict[str, Any]) -> ImportPreview:
    """Return what would be made; the whole file is checked.

    :raises TenantryError: It cannot be imported.
    """
    if needs_passphrase(path):
        problem = "it is encrypted; a job cannot keep its passphrase"
        raise BundleError("The file", f"{problem}, so use `tenantry tenant import`")
    try:
        return operations().preview_import(path, **chosen)
    except BundleError as error:
        # The path means nothing to the person who sent the file.
        raise BundleError("The file", error.problem) from error


@contextmanager
def keeping(file: FileStorage) -> Iterator[tuple[Path, Any]]:
    """Keep an upload where a job finds it, unless nobody asks to keep it."""
    folder = imports_dir(backend().settings)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{secrets.token_hex(16)}.tenant"
    wanted: list[bool] = []
    try:
        file.save(path)
        yield path, lambda: wanted.append(True)
    finally:
        if not wanted:
            path.unlink(missing_ok=True)


def _tell(preview: ImportPreview) -> str:
    manifest = preview.manifest
    tables, files = counted(len(manifest.tables), "table"), counted(len(manifest.files), "file")
    content = f"{counted(manifest.rows, 'row')} in {tables}, {files}"
    where = f"on {preview.placement} with the plan {preview.plan}"
    return f"Would import {preview.slug} {where}: {content}. The file is sound."
