"""The API: an app of its own below the backend, without sessions, cookies and forms."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from flask import Flask

from backend_app.api import (
    accounts,
    audit,
    backups,
    document,
    front_page,
    hosts,
    jobs,
    owners,
    tenant_operations,
    tenants,
    webhooks,
)
from backend_app.api.access import RATES, add_rate_headers, check_access, require_needs
from backend_app.api.bodies import check_body
from backend_app.api.matching import init_matching
from backend_app.api.problems import init_problems
from backend_app.api.repeating import init_repeating
from backend_app.context import EXTENSION
from tenantry.flask.security import add_headers
from tenantry.limits import RateTable

if TYPE_CHECKING:
    from flask import Response

    from backend_app.context import Backend

PREFIX = "/api/v1"
MAX_BODY = 256 * 1024
"""Bytes of the largest body: there are only short ones here."""

BLUEPRINTS = (
    tenants.bp,
    tenant_operations.bp,
    hosts.bp,
    owners.bp,
    backups.bp,
    jobs.bp,
    accounts.bp,
    front_page.bp,
    audit.bp,
    webhooks.bp,
)


def create_api(backend: Backend) -> Flask:
    """Build the API, to be mounted at :data:`PREFIX` of the backend."""
    app = Flask(__name__, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of the provider that Flask has
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.extensions[EXTENSION] = backend
    app.extensions[RATES] = RateTable(backend.settings.run_dir / "rates")
    # The order is the order of the checks: who calls, with what kind of body, for the first time,
    # of which tenant.
    app.before_request(check_access)
    app.before_request(check_body)
    init_repeating(app)
    init_matching(app)
    app.after_request(add_rate_headers)
    app.after_request(_keep_private)
    app.after_request(add_headers)
    init_problems(app)
    for blueprint in (*BLUEPRINTS, document.bp):
        app.register_blueprint(blueprint)
    app.extensions[document.DOCUMENT] = make_document
    require_needs(app)
    return app


@cache
def make_document() -> dict[str, Any]:
    """Make the OpenAPI document when it is first read: it takes longer than all else of a backend.

    It is the same for all platforms, and its app serves nobody.
    """
    app = Flask(__name__, static_folder=None)
    app.config.update(
        API_TITLE=document.TITLE, API_VERSION=document.VERSION, OPENAPI_VERSION="3.1.0"
    )
    api = document.Api(app)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    return document.build_document(api, app)


def _keep_private(response: Response) -> Response:
    """Let no cache keep what a token was answered."""
    response.headers.setdefault("Cache-Control", "private, no-store")
    return response
