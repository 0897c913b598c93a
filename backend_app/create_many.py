"""Operators create many sites of a CSV file: checked first, then by one job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_wtf.file import FileField, FileRequired
from wtforms import SelectField, SubmitField
from wtforms.validators import Optional

from backend_app.access import OPERATORS, open_to
from backend_app.context import backend, catalog, operations
from tenantry import accept_body
from tenantry.errors import BadArgumentError, CatalogUnavailableError, TenantryError
from tenantry.flask.forms import Form
from tenantry.lifecycle.tenant_file import COLUMNS, Line, check_together, parse_lines

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import Job

bp = Blueprint("create_many", __name__)

MOST = 5_000
"""Lines of one file."""
LONGEST_MB = 1
"""MiB of it: 200 bytes a line."""
MOST_SHOWN = 100
"""Lines of which the page says what is wrong."""
NAME = Path("The file")


class ManyForm(Form):
    """A file of sites, and what they are to have."""

    file = FileField("CSV file", validators=[FileRequired("Choose a file.")])
    plan = SelectField("Plan", validators=[Optional()])
    placement = SelectField(
        "Placement", validators=[Optional()], description="By default the first one with room."
    )
    dry_run = SubmitField("Check the file")
    submit = SubmitField("Create the sites")


@bp.route("/tenants/from-file", methods=["GET", "POST"])
@open_to(OPERATORS)
@accept_body(megabytes=LONGEST_MB)
def index() -> ResponseReturnValue:
    """Check each line of a file, and have a job create the sites."""
    settings, form = backend().settings, ManyForm()
    form.plan.choices = ["", *settings.plans]
    form.placement.choices = ["", *(placement.name for placement in settings.databases)]
    lines: list[Line] = []
    problem, status = "", 200
    if form.validate_on_submit():
        try:
            lines = _read(form.file.data.read())
            if not form.dry_run.data:
                return redirect(url_for("jobs.show", job_id=_start(lines, form).id), 303)
        except CatalogUnavailableError:
            raise
        except TenantryError as error:
            problem, status = str(error), error.status
    bad = [line for line in lines if line.problem]
    page = render_template(
        "backend/create_many.html",
        form=form,
        columns=COLUMNS,
        total=len(lines),
        bad=bad,
        shown=bad[:MOST_SHOWN],
        problem=problem,
    )
    return page, 422 if form.errors else status


def _read(content: bytes) -> list[Line]:
    """Return the lines, with what is wrong with each.

    :raises TenantryError: The file as a whole cannot be used.
    """
    lines = parse_lines(content, path=NAME)
    if not 0 < len(lines) <= MOST:
        raise BadArgumentError(f"{len(lines)} lines", f"a file has 1 to {MOST:,} lines of sites")
    return list(check_together(lines, catalog()))


def _start(lines: list[Line], form: ManyForm) -> Job:
    """Start the job that creates what can be created.

    :raises BadArgumentError: No line can be.
    """
    good = [
        [line.number, line.order.slug, line.order.name, line.order.owner_email]
        for line in lines
        if line.order is not None and not line.problem
    ]
    if not good:
        raise BadArgumentError(f"{len(lines)} lines", "none of them names a site; check the file")
    if left_out := len(lines) - len(good):
        are = "line is" if left_out == 1 else "lines are"
        flash(f"{left_out:,} {are} left out. Check the file to see why.", "warning")
    return operations().start(
        "create_many",
        lines=good,
        plan=form.plan.data or None,
        placement=form.placement.data or None,
    )
