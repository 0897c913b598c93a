"""Operators see what the server's processes do, and which sites they could not build."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flask import Blueprint, render_template

from backend_app.access import OPERATORS, open_to
from backend_app.context import backend
from tenantry.worker import Figures, survey
from tenantry.worker.figures import COSTS
from tenantry.worker.formatting import age, duration, next_try, share

if TYPE_CHECKING:
    from flask import Flask
    from flask.typing import ResponseReturnValue

    from tenantry.worker import Failure, Survey

bp = Blueprint("workers", __name__)

ASK_SECONDS = 0.3
"""A page waits so long for all workers together, and then shows those that have answered."""

MOST = 5
MOST_FAILURES = 50


@bp.get("/workers")
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """Show every worker's figures."""
    found = _survey()
    figures = Figures(found.reports)
    return render_template(
        "backend/workers.html",
        troubles=found.troubles,
        workers=figures.workers,
        failures=figures.failures[:MOST_FAILURES],
        failed=len(figures.failures),
        builds=figures.slowest_builds(MOST),
        costs={by: figures.expensive(by, MOST) for by in COSTS},
        leaks=figures.leaks[:MOST_FAILURES],
    )


def find_failures(tenant_id: str) -> list[Failure]:
    """Return the workers' failures to build one tenant's site, the latest first."""
    return Figures(_survey().reports).failures_of(tenant_id)


def find_failing_slugs() -> list[str]:
    """Return which sites some worker could not build."""
    return sorted({failure.slug for failure in Figures(_survey().reports).failures})


def init_workers(app: Flask) -> None:
    """Give the templates the words for figures."""
    app.add_template_filter(duration)
    app.add_template_filter(next_try)
    app.add_template_filter(lambda since: age(time.time() - since), "age_since")
    app.add_template_filter(share)


def _survey() -> Survey:
    return survey(backend().settings.workers_dir, timeout=ASK_SECONDS)
