"""Operators see the nodes of a fleet, and let one take no more visitors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, redirect, render_template, url_for

from backend_app.access import OPERATORS, open_to
from backend_app.context import backend, catalog, current_actor
from tenantry.catalog.joining import find_node_id

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("nodes", __name__)


@bp.get("/nodes")
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """List the nodes, and the placements that belong to each."""
    settings = backend().settings
    nodes = catalog().nodes.list() if settings.is_fleet else ()
    owners = catalog().nodes.find_owners() if settings.is_fleet else {}
    owned = {
        node.id: sorted(name for name, owner in owners.items() if owner.node_id == node.id)
        for node in nodes
    }
    newest = max((node.epoch for node in nodes), default=0)
    return render_template(
        "backend/nodes.html",
        nodes=nodes,
        owned=owned,
        newest=newest,
        here=find_node_id(settings) if settings.is_fleet else "",
    )


@bp.post("/nodes/<node_id>/<any('drain', 'undrain'):change>")
@open_to(OPERATORS)
def set_drained(node_id: str, change: str) -> ResponseReturnValue:
    """Let the balancer send nobody to a node any more, or send visitors again."""
    nodes = catalog().nodes.list() if backend().settings.is_fleet else ()
    found = next((node for node in nodes if node.id == node_id), None)
    if found is None:
        abort(404)
    catalog().nodes.set_drained(node_id, drained=change == "drain", by=current_actor())
    told = "takes no new visitors" if change == "drain" else "takes visitors again"
    flash(f"{found.shown.capitalize()} {told}.", "success")
    return redirect(url_for(".index"), 303)
