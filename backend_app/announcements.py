"""Operators announce something to the owners of sites: on their pages, and by mail."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from flask import Blueprint, flash, redirect, render_template, url_for
from wtforms import BooleanField, IntegerField, SelectField, StringField, SubmitField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange

from backend_app.access import OPERATORS, open_to
from backend_app.carrying import sign_writer, take_field
from backend_app.context import backend, catalog, current_actor
from backend_app.forms import stripped
from backend_app.jobs import enqueue
from tenantry.catalog.announcements import MAX_SUBJECT, MAX_TEXT
from tenantry.catalog.models import now
from tenantry.flask.forms import Form

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("announcements", __name__)

LONGEST_DAYS = 90
CARRIED_FIELDS = ("subject", "text")


class AnnouncementForm(Form):
    """What to tell whom."""

    subject = StringField(
        "Subject",
        filters=[stripped],
        validators=[DataRequired("Enter a subject."), Length(max=MAX_SUBJECT)],
    )
    text = TextAreaField(
        "Text",
        filters=[stripped],
        validators=[DataRequired("Enter a text."), Length(max=MAX_TEXT)],
        render_kw={"rows": 4},
    )
    plan = SelectField("To the owners of")
    days = IntegerField(
        "Days",
        default=7,
        validators=[InputRequired(), NumberRange(1, LONGEST_DAYS)],
        description="For so long it stands on the pages of their sites' consoles.",
    )
    by_mail = BooleanField("Mail it, too", description="Each owner gets one mail.")
    dry_run = SubmitField("Show who would be told")
    submit = SubmitField("Announce")


@bp.route("/announcements", methods=["GET", "POST"])
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """List what was announced, and announce something."""
    form = AnnouncementForm(data={name: take_field(name) for name in CARRIED_FIELDS})
    plans = dict.fromkeys((*backend().settings.plans, *catalog().tenants.count_by_plan()))
    form.plan.choices = [
        ("", "all sites"),
        *((name, f"sites with the plan {name}") for name in plans),
    ]
    would = ""
    if form.validate_on_submit():
        if not form.dry_run.data:
            return _announce(form)
        would = _describe(form)
    page = render_template(
        "backend/announcements.html",
        form=form,
        would=would,
        announcements=catalog().announcements.list(),
        writer=sign_writer(),
        now=now(),
    )
    return page, 422 if form.errors else 200


@bp.post("/announcements/<int:announcement_id>/withdraw")
@open_to(OPERATORS)
def withdraw(announcement_id: int) -> ResponseReturnValue:
    """Take an announcement off the pages."""
    if catalog().announcements.withdraw(announcement_id, by=current_actor()):
        flash("It is withdrawn. Mails that were sent are not.", "success")
    else:
        flash("It is over already.", "warning")
    return redirect(url_for(".index"), 303)


def _announce(form: AnnouncementForm) -> ResponseReturnValue:
    made = catalog().announcements.add(
        form.subject.data,
        form.text.data,
        plan=form.plan.data,
        by_mail=form.by_mail.data,
        ends_at=now() + timedelta(days=form.days.data),
        by=current_actor(),
    )
    if not made.by_mail:
        flash("Owners see it on their next page.", "success")
        return redirect(url_for(".index"), 303)
    job = enqueue("platform.announce", key=f"announcement {made.id}", announcement=made.id)
    return redirect(url_for("jobs.show", job_id=job.id), 303)


def _describe(form: AnnouncementForm) -> str:
    counts = catalog().tenants.count_by_plan()  # without deleted sites
    plan = form.plan.data
    count = counts.get(plan, 0) if plan else sum(counts.values())
    how = "on their pages and by mail" if form.by_mail.data else "on their pages"
    return f"Would tell the owners of {count:,} {'site' if count == 1 else 'sites'} {how}."
