"""A full Flask app for each tenant that keeps everything to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Flask, current_app, render_template_string, request, session

from tenantry import current_tenant

if TYPE_CHECKING:
    from tenantry import Tenant

bp = Blueprint("pages", __name__)
_visits: dict[str, int] = {}
"""Keyed by tenant, so that it may be shared."""

PAGE = """
<a href="/about">About</a>
<form method="post" action="/say">
  <input name="words"><input type="email" name="email"><button>Say</button>
</form>
{{ said }}
"""


@bp.get("/")
def home() -> str:
    """Show what was said."""
    _visits[current_tenant.id] = _visits.get(current_tenant.id, 0) + 1
    return render_template_string(PAGE, said=current_app.extensions["said"])


@bp.get("/about")
def about() -> str:
    """Say whose site this is."""
    return f"{current_tenant.name}, {session.get('words')}"


@bp.post("/say")
def say() -> str:
    """Keep words in the app and in the visitor's session."""
    session["words"] = request.form["words"]
    current_app.extensions["said"].append(request.form["words"])
    return "Said."


def create_app(_tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.extensions["said"] = []
    app.register_blueprint(bp)
    return app


def dispose(app: Flask) -> None:
    """Forget the tenant."""
    with app.app_context():
        _visits.pop(current_tenant.id, None)
