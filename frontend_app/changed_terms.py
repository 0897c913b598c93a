"""Accepting terms that have changed: asked after the proof of who signs in, before the session."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from flask import Blueprint, redirect, render_template, request, url_for

from frontend_app.context import catalog, current_actor
from frontend_app.forms import TermsForm
from frontend_app.sessions import load_session
from frontend_app.sign_in import finish
from frontend_app.terms import are_accepted, fill_in_version, find_asked, find_terms, must_accept

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("changed_terms", __name__)
bp.before_request(load_session)


@bp.route("/signin/terms", methods=["GET", "POST"])
def form() -> ResponseReturnValue:
    """Show the terms, and sign in who accepts them."""
    found, asked = find_asked(), TermsForm()
    if found is None:
        wanted = {name: request.args[name] for name in ("next", "site") if name in request.args}
        return redirect(url_for("sign_in.form", **wanted), 303)  # type: ignore[arg-type]
    account, known_device = found
    if not must_accept(account):  # accepted in another window, or the terms are gone
        return finish(account, known_device=known_device)
    terms = find_terms()
    assert terms is not None
    if asked.validate_on_submit() and are_accepted(asked, terms):
        who = current_actor(account)
        catalog().account_changes.accept_terms(account.id, terms.version, by=who)
        return finish(replace(account, terms_version=terms.version), known_device=known_device)
    fill_in_version(asked, terms)
    page = render_template("front/changed_terms.html", form=asked, terms=terms, holder=account)
    return page, 422 if request.method == "POST" else 200
