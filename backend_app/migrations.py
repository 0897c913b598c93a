"""Operators see which schema revisions the sites' databases have, the last runs, and what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from wtforms import IntegerField, SubmitField
from wtforms.validators import InputRequired, NumberRange

from backend_app.access import OPERATORS, open_to
from backend_app.context import backend, catalog, operations
from tenantry.catalog import StepState
from tenantry.flask.forms import Form
from tenantry.migrations import load_history

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("migrations", __name__)

RUNS = 10
FAILURES = 50
MAX_PARALLEL = 64
MAX_NUMBER = 1_000_000


class MigrateForm(Form):
    """How a run shall go."""

    canary = IntegerField(
        "Canaries",
        default=1,
        validators=[InputRequired(), NumberRange(0, MAX_NUMBER)],
        description="So many sites go first. If one of them fails, no other is begun.",
    )
    max_failures = IntegerField(
        "Failures",
        default=0,
        validators=[InputRequired(), NumberRange(0, MAX_NUMBER)],
        description="After so many, no other site is begun. 0 is no limit.",
    )
    jobs = IntegerField(
        "Databases at once",
        default=2,
        validators=[InputRequired(), NumberRange(1, MAX_PARALLEL)],
    )
    submit = SubmitField("Migrate all sites")


class AgainForm(Form):
    """What of the last run is to be done again."""

    resume = SubmitField("Continue the run")
    retry_failed = SubmitField("Repeat what failed")


@bp.route("/migrations", methods=["GET", "POST"])
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """Show the last runs, and have a new one done by a job."""
    form = MigrateForm()
    newest = _find_newest()
    if form.validate_on_submit():
        if newest is None or not catalog().schemas.count_behind(newest, most=1):
            flash("There is nothing to migrate.", "warning")
            return redirect(url_for(".index"), 303)
        options = {name: form[name].data for name in ("canary", "max_failures", "jobs")}
        job = operations().start("migrate", **options)
        return redirect(url_for("jobs.show", job_id=job.id), 303)
    page = render_template("backend/migrations.html", form=form, **_facts(newest))
    return page, 422 if form.errors else 200


@bp.get("/migrations/progress")
@open_to(OPERATORS)
def progress() -> ResponseReturnValue:
    """Return the part of the page that changes, or nothing if the run is as the page has it.

    The page asks every two seconds while a run is under way. An answer that changes nothing costs one
    indexed read of the catalog, beside that of the session.
    """
    if catalog().runs.find_mark() == request.args.get("mark"):
        return "", 204
    return render_template("backend/migrations_progress.html", **_facts(_find_newest()))


def _facts(newest: str | None) -> dict[str, Any]:
    mark = catalog().runs.find_mark()  # before the rest, so that nothing is missed
    runs = catalog().runs.list(limit=RUNS)
    return {
        "run_mark": mark,
        "again": AgainForm(None),
        "newest": newest,
        "behind": 0 if newest is None else catalog().schemas.count_behind(newest),
        "schemas": catalog().schemas.count(),
        "runs": runs,
        "failures": catalog().runs.list_failed_steps(runs[0].id, limit=FAILURES) if runs else (),
        "states": StepState,
        "jobs": catalog().jobs.list(name="operations.migrate", size=1).items,
    }


@bp.post("/migrations/again")
@open_to(OPERATORS)
def again() -> ResponseReturnValue:
    """Have a job continue the last run, or repeat what failed in it."""
    form = AgainForm()
    if form.validate_on_submit():
        job = operations().start(
            "migrate", resume=form.resume.data, retry_failed=form.retry_failed.data
        )
        return redirect(url_for("jobs.show", job_id=job.id), 303)
    return redirect(url_for(".index"), 303)


def _find_newest() -> str | None:
    folder = backend().factory.migrations
    return None if folder is None else load_history(folder).head
