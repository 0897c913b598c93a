"""Operators see the plans, who has them, and who would be over other limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, url_for
from wtforms import DecimalField, SelectField, SubmitField
from wtforms.validators import NumberRange, Optional

from backend_app.access import OPERATORS, open_to
from backend_app.context import backend, catalog, operations
from tenantry import PlanLimits
from tenantry.flask.forms import Form

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("plans", __name__)

MOST_MB = 10_000_000
LABELS = {
    "in_flight": "At once",
    "requests": "Per second",
    "statement_seconds": "Statement, s",
    "lock_seconds": "Lock, s",
    "database_mb": "Database, MiB",
    "media_mb": "Files, MiB",
    "members": "Members",
}
RECENT = 5


class CheckForm(Form):
    """Limits that a plan might get."""

    plan = SelectField("Plan")
    database_mb = DecimalField(
        "Database, MiB", validators=[Optional(), NumberRange(0.001, MOST_MB)]
    )
    media_mb = DecimalField("Files, MiB", validators=[Optional(), NumberRange(0.001, MOST_MB)])
    submit = SubmitField("Find the sites over these limits")


@bp.route("/plans", methods=["GET", "POST"])
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """Show each plan's limits and sites, and have a job find who would be over others."""
    settings, form = backend().settings, CheckForm()
    counts = catalog().tenants.count_by_plan()
    names = tuple(dict.fromkeys((*settings.plans, *counts)))
    form.plan.choices = list(names)
    if form.validate_on_submit():
        limits = {"database_mb": form.database_mb.data, "media_mb": form.media_mb.data}
        given: dict[str, Any] = {
            name: float(value) for name, value in limits.items() if value is not None
        }
        if given:
            job = operations().start("plan_check", plan=form.plan.data, **given)
            return redirect(url_for("jobs.show", job_id=job.id), 303)
        form.database_mb.errors = ["Enter a limit for the database or for the files."]
    page = render_template(
        "backend/plans.html",
        form=form,
        names=names,
        counts=counts,
        known=settings.plans,
        default=settings.default_plan,
        labels={name: LABELS.get(name, name) for name in PlanLimits.model_fields},
        limits_of=settings.limits_of,
        jobs=catalog().jobs.list(name="operations.plan_check", size=RECENT).items,
    )
    return page, 422 if form.errors else 200
