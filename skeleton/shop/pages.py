"""The pages of a site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, redirect, render_template, request, url_for

from shop.models import Note, db
from tenantry import current_tenant

if TYPE_CHECKING:
    from werkzeug import Response

bp = Blueprint("pages", __name__)

NEWEST = 20


@bp.get("/")
def home() -> str:
    """Show the newest notes, and a form."""
    notes = db.session.scalars(db.select(Note).order_by(Note.id.desc()).limit(NEWEST))
    return render_template("home.html", tenant=current_tenant, notes=list(notes))


@bp.post("/notes")
def add_note() -> Response:
    """Keep a note."""
    text = request.form.get("text", "").strip()[:200]
    if text:
        db.session.add(Note(text=text))
        db.session.commit()
    return redirect(url_for("pages.home"), 303)
